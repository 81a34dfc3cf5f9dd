package retriever

import (
	"slices"
	"strings"
)

// checkFields reads what the caller asked for under "fields" and
// "docvalue_fields", since the text to score is fetched by the same means: it
// notes which of the source's fields the caller wants itself, and reports a conflict
// where the caller's request would give one of them another form.
func (s *Search) checkFields() (conflict bool, err error) {
	doc := s.request.Body
	for _, m := range s.top {
		if m.name != "fields" && m.name != "docvalue_fields" {
			continue
		}
		if kindOf(doc, m.value) != kindArray {
			return false, Unsupported("[%s] that is not an array beside a [%s] retriever", m.name, Name)
		}
		items, err := elements(doc, m.value)
		if err != nil {
			return false, err
		}
		for _, item := range items {
			pattern, plain := fieldPattern(doc, item)
			for _, field := range s.source.fields {
				if !covers(pattern, field) {
					continue
				}
				if !plain || m.name == "docvalue_fields" {
					conflict = true
				}
				if !s.wants(field) {
					s.wanted = append(s.wanted, field)
				}
			}
		}
	}
	if docvalues := s.request.Query.Get("docvalue_fields"); docvalues != "" {
		for pattern := range strings.SplitSeq(docvalues, ",") {
			if slices.ContainsFunc(s.source.fields, func(field string) bool { return covers(pattern, field) }) {
				conflict = true
			}
		}
	}
	return conflict, nil
}

// fieldPattern reads one entry of "fields": a string, or an object with "field"
// and, unless plain, more.
func fieldPattern(doc []byte, item span) (pattern string, plain bool) {
	if kindOf(doc, item) == kindString {
		return text(doc, item), true
	}
	if keys, err := members(doc, item); err == nil {
		if m, ok := find(keys, "field"); ok && kindOf(doc, m.value) == kindString {
			return text(doc, m.value), len(keys) == 1
		}
	}
	return "", false
}

// covers reports whether an Elasticsearch field pattern, in which only * is
// special, matches the name of a field.
func covers(pattern, field string) bool {
	if !strings.Contains(pattern, "*") {
		return pattern == field
	}
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(field, parts[0]) {
		return false
	}
	rest := field[len(parts[0]):]
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, parts[last])
}

// wants reports whether the caller's own fields hold one of the source.
func (s *Search) wants(field string) bool { return slices.Contains(s.wanted, field) }

// fetchable reports whether the field can be asked for by its name: a pattern
// never has a value under its own key.
func fetchable(field string) bool { return field != "" && !strings.Contains(field, "*") }
