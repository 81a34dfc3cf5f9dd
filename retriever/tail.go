package retriever

import (
	"bytes"
	"fmt"
)

// tailQuery is the query that matches what a retriever matches, without its
// window: a standard retriever's query and filters, a knn query, or what is below
// a rescorer. pushed are the filters from above, as a list without brackets. ok
// is false for retrievers whose matches no single query describes.
func (c child) tailQuery(doc, pushed []byte, depth int) (query []byte, ok bool) {
	if own, has := find(c.keys, "filter"); has {
		pushed = joined(inner(doc, own.value), pushed)
	}
	switch {
	case c.name == "standard":
		return c.standardTail(doc, pushed), true
	case c.name == "knn":
		return c.knnTail(doc, pushed), true
	case c.name == "rescorer" && depth < maxTreeDepth:
		below, has := find(c.keys, "retriever")
		if !has || kindOf(doc, below.value) != kindObject {
			return nil, false
		}
		next, err := parseChild(doc, below.value)
		if err != nil {
			return nil, false
		}
		return next.tailQuery(doc, pushed, depth+1)
	}
	return nil, false
}

func (c child) standardTail(doc, filters []byte) []byte {
	query := []byte(`{"match_all":{}}`)
	if m, ok := find(c.keys, "query"); ok {
		query = m.value.of(doc)
	}
	if len(filters) > 0 {
		query = fmt.Appendf(nil, `{"bool":{"must":[%s],"filter":[%s]}}`, query, filters)
	}
	if m, ok := find(c.keys, "min_score"); ok {
		query = fmt.Appendf(nil, `{"function_score":{"query":%s,"functions":[],"min_score":%s}}`, query, bytes.Trim(m.value.of(doc), `"`))
	}
	return query
}

// knnTail is the knn query with the retriever's own members; its name and its
// score floor are the retriever's alone.
func (c child) knnTail(doc, filters []byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"knn":{`)
	for _, m := range c.keys {
		if m.name == "_name" || m.name == "min_score" || m.name == "filter" {
			continue
		}
		if b.Len() > len(`{"knn":{`) {
			b.WriteByte(',')
		}
		b.Write(doc[m.key.off:m.value.end])
	}
	if len(filters) > 0 {
		fmt.Fprintf(&b, `,"filter":[%s]`, filters)
	}
	b.WriteString(`}}`)
	return b.Bytes()
}

// joined puts two lists without brackets together.
func joined(a, b []byte) []byte {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	return append(append(bytes.Clone(a), ','), b...)
}
