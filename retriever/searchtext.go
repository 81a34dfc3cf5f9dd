package retriever

// textQueries are the queries whose "query" is a text that somebody looks for.
var textQueries = map[string]bool{
	"multi_match": true, "query_string": true, "simple_query_string": true, "combined_fields": true, "semantic": true,
}

// fieldQueries are those that name a field first, and have the text below it.
var fieldQueries = map[string]bool{
	"match": true, "match_phrase": true, "match_phrase_prefix": true, "match_bool_prefix": true,
}

// aroundQueries are those that hold others, with the members to look at, in order.
var aroundQueries = map[string][]string{
	"bool":           {"must", "should"},
	"dis_max":        {"queries"},
	"boosting":       {"positive"},
	"function_score": {"query"},
	"script_score":   {"query"},
	"nested":         {"query"},
	"pinned":         {"organic"},
}

// searchText finds the text that a search looks for: the URL parameter q, or else
// the first text in the body's query. A match, multi_match, query_string or
// another query for a text has it itself; in a bool query the must clauses come
// before the should clauses, and filter and must_not don't count; of other
// queries around, it is that of the query inside. "" means none.
func (s *Search) searchText() string {
	if q := s.request.Query.Get("q"); q != "" {
		return q
	}
	m, ok := find(s.top, "query")
	if !ok {
		return ""
	}
	f := textFinder{doc: s.request.Body, left: maxLookedAt}
	return f.query(m.value, 0)
}

// textFinder looks for a text in a query. As each level is read anew, there is an
// end to the bytes that it reads.
type textFinder struct {
	doc  []byte
	left int
}

// query looks at one query, or at each of a list of them.
func (f *textFinder) query(v span, depth int) string {
	if f.left -= v.end - v.off; f.left < 0 || depth > maxTreeDepth {
		return ""
	}
	doc := f.doc
	if kindOf(doc, v) == kindArray {
		items, err := elements(doc, v)
		if err != nil {
			return ""
		}
		for _, item := range items {
			if found := f.query(item, depth+1); found != "" {
				return found
			}
		}
		return ""
	}
	if kindOf(doc, v) != kindObject {
		return ""
	}
	list, err := members(doc, v)
	if err != nil || len(list) != 1 {
		return ""
	}
	return f.named(list[0], depth)
}

// named looks at a query that its name leads.
func (f *textFinder) named(m member, depth int) string {
	doc := f.doc
	if textQueries[m.name] {
		return memberText(doc, m.value, "query")
	}
	if kindOf(doc, m.value) != kindObject {
		return ""
	}
	list, err := members(doc, m.value)
	if err != nil {
		return ""
	}
	if fieldQueries[m.name] {
		if len(list) == 0 {
			return ""
		}
		if field := list[0].value; kindOf(doc, field) != kindObject {
			return literal(doc, field)
		}
		return memberText(doc, list[0].value, "query")
	}
	for _, name := range aroundQueries[m.name] {
		if inside, ok := find(list, name); ok {
			if found := f.query(inside.value, depth+1); found != "" {
				return found
			}
		}
	}
	return ""
}

// memberText is the text that an object has under a name.
func memberText(doc []byte, v span, name string) string {
	if kindOf(doc, v) != kindObject {
		return ""
	}
	list, err := members(doc, v)
	if err != nil {
		return ""
	}
	m, ok := find(list, name)
	if !ok {
		return ""
	}
	return literal(doc, m.value)
}

// literal is a string, or a number as it is written.
func literal(doc []byte, v span) string {
	switch kindOf(doc, v) {
	case kindString:
		return text(doc, v)
	case kindNumber:
		return string(v.of(doc))
	default:
		return ""
	}
}
