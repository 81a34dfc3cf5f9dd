package retriever

import "slices"

// hitLists is room for the members of one hit after the other.
type hitLists struct{ keys, fields []member }

// readHit locates the score of one hit, reads the text of the field, and notes
// what has to go: the sort values of a sorted first stage, and the field where
// only the reranker asked for it. value is nil when the document has none.
func (f *FirstStage) readHit(v span, lists *hitLists) (h hit, value *string, err error) {
	keys, err := appendMembers(lists.keys[:0], f.doc, v)
	if err != nil {
		return hit{}, nil, err
	}
	lists.keys = keys
	h.at = v
	var room [usualMembers]bool
	drop := append(room[:0], make([]bool, len(keys))...)
	for i, m := range keys {
		switch m.name {
		case "_score":
			score := m.value
			h.score = &score
		case "_index":
			h.index = m.value
		case "_id":
			h.id = m.value
		case "_explanation":
			h.explanation = m.value
		case "sort":
			drop[i] = true
		case "ignored_field_values":
			drop[i] = !f.search.callerFields()
		case "fields":
			var inside []span
			value, inside, err = f.readFields(m.value, lists)
			if err != nil {
				return hit{}, nil, err
			}
			if inside == nil {
				drop[i] = true
				continue
			}
			for _, gone := range inside {
				h.takeOut(gone)
			}
			h.fields = m.value.end - 1
		}
	}
	if f.search.twoPhase && (!f.isString(h.index) || !f.isString(h.id)) {
		return hit{}, nil, errSyntax // the second phase finds documents by these
	}
	for gone := range without(keys, drop) {
		h.takeOut(gone)
	}
	h.empty = !slices.Contains(drop, false)
	return h, value, nil
}

func (f *FirstStage) isString(v span) bool { return v.end > 0 && kindOf(f.doc, v) == kindString }

// takeOut has a span of the answer be missing from the hit.
func (h *hit) takeOut(gone span) { h.edits = append(h.edits, edit{at: shift(gone, h.at.off)}) }

// readFields reads the text out of "fields" and finds the spans in it that the
// caller did not ask for; nil when nothing of it would be left.
func (f *FirstStage) readFields(v span, lists *hitLists) (value *string, spans []span, err error) {
	fields, err := appendMembers(lists.fields[:0], f.doc, v)
	if err != nil {
		return nil, nil, err
	}
	lists.fields = fields
	var room [usualMembers]bool
	drop := append(room[:0], make([]bool, len(fields))...)
	left := len(fields)
	for i, m := range fields {
		if drop[i] = f.search.fetchedOnly(m.name); drop[i] {
			left--
		}
	}
	value = f.search.source.text(func(field string) *string {
		m, ok := find(fields, field)
		if !ok {
			return nil
		}
		return firstText(f.doc, m.value)
	})
	if left == 0 {
		return value, nil, nil
	}
	return value, slices.AppendSeq([]span{}, without(fields, drop)), nil
}

// fetchedOnly reports a field of an answer that is there for the text to score
// alone: one of the source, or an object above one.
func (s *Search) fetchedOnly(name string) bool {
	return slices.ContainsFunc(s.source.fields, func(field string) bool {
		return !s.wants(field) && (name == field || under(name, field) && !s.callerFields())
	})
}

// under reports that name is an object above field: values of a nested field
// come under the name of the nested object.
func under(name, field string) bool {
	return len(field) > len(name) && field[:len(name)] == name && field[len(name)] == '.'
}

// callerFields reports that the caller asked for fields of its own.
func (s *Search) callerFields() bool {
	for _, name := range []string{"fields", "docvalue_fields"} {
		if _, ok := find(s.top, name); ok {
			return true
		}
	}
	return s.request.Query.Has("docvalue_fields")
}

// firstText is the first value of a field as text: strings as they are, numbers
// and booleans as they are printed. Objects and nulls are no text.
func firstText(doc []byte, v span) *string {
	var first span
	some := false
	err := eachElement(doc, v, func(item span) {
		if !some {
			first, some = item, true
		}
	})
	if err != nil || !some {
		return nil
	}
	var value string
	switch kindOf(doc, first) {
	case kindString:
		value = text(doc, first)
	case kindNumber, kindBoolean:
		value = string(first.of(doc))
	default:
		return nil
	}
	return &value
}

// hitsIn finds the hits in the answer of a search.
func hitsIn(answer []byte) ([]span, error) {
	v, err := root(answer)
	for _, name := range []string{"hits", "hits"} {
		if err != nil {
			return nil, err
		}
		var keys []member
		if keys, err = members(answer, v); err != nil {
			return nil, err
		}
		m, ok := find(keys, name)
		if !ok {
			return nil, errSyntax
		}
		v = m.value
	}
	return elements(answer, v)
}
