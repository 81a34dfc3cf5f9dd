package retriever

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// defaultCutoff is the k of a metric that names none.
const defaultCutoff = 10

// Evaluation is the body of a _rank_eval: requests with ratings, and a metric that
// looks at the first hits of each. It keeps the body and is read-only.
type Evaluation struct {
	// Requests are the rated requests in their order.
	Requests []Rated
	// Cutoff is the size that the metric gives every request.
	Cutoff int

	doc  []byte
	list span // the array of requests
}

// maxBlanks bounds what is spent on the positions in a body: its size by the number
// of its requests.
const maxBlanks = 8 << 20

// Rated is one rated request.
type Rated struct {
	ID string
	// Body is the search, in front of it as many blanks as the whole body has
	// bytes there: positions in it are those in the whole. Beyond maxBlanks for all
	// requests together it has none. nil: the request has no search, as one by a
	// template.
	Body []byte

	item, search span
}

// ParseEvaluation reads the body of a _rank_eval. ErrNotOurs means that it holds
// no reranker, or that it is malformed: the cluster is to say how. A reranker in
// one of its templates is refused.
func ParseEvaluation(body []byte) (*Evaluation, error) {
	e := &Evaluation{doc: body, Cutoff: defaultCutoff}
	if err := e.read(); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(e.Requests, func(r Rated) bool { return MayHold(r.Body) }) {
		return nil, ErrNotOurs
	}
	return e, nil
}

func (e *Evaluation) read() error {
	if validJSON(e.doc) != nil {
		return ErrNotOurs
	}
	top, err := root(e.doc)
	if err != nil {
		return ErrNotOurs
	}
	keys, err := members(e.doc, top)
	if err != nil || checkDuplicates(e.doc, keys) != nil {
		return ErrNotOurs
	}
	for _, m := range keys {
		switch m.name {
		case "requests":
			if e.Requests, err = e.readRequests(m.value); err != nil {
				return ErrNotOurs
			}
			e.list = m.value
		case "metric":
			if e.Cutoff, err = e.readCutoff(m.value); err != nil {
				return ErrNotOurs
			}
		case "templates":
			if namesReranker(m.value.of(e.doc)) {
				return Unsupported("a [%s] in [templates] of [_rank_eval]; send it as the [request]", Name)
			}
		}
	}
	return nil
}

// namesReranker reports the reranker's name with a colon behind it, in JSON or in
// JSON inside a string.
func namesReranker(text []byte) bool {
	for {
		_, after, found := bytes.Cut(text, []byte(Name))
		if !found {
			return false
		}
		if rest := bytes.TrimLeft(after, "\\\"' \t\r\n"); len(rest) > 0 && rest[0] == ':' {
			return true
		}
		text = after
	}
}

func (e *Evaluation) readRequests(v span) ([]Rated, error) {
	items, err := elements(e.doc, v)
	if err != nil {
		return nil, err
	}
	list := make([]Rated, len(items))
	room := maxBlanks
	for i, item := range items {
		keys, err := members(e.doc, item)
		if err != nil {
			return nil, err
		}
		list[i].item = item
		if m, ok := find(keys, "id"); ok && kindOf(e.doc, m.value) == kindString {
			list[i].ID = text(e.doc, m.value)
		}
		if m, ok := find(keys, "request"); ok && kindOf(e.doc, m.value) == kindObject {
			list[i].search = m.value
			if !MayHold(m.value.of(e.doc)) {
				continue
			}
			list[i].Body = m.value.of(e.doc)
			if room -= m.value.off; room >= 0 {
				list[i].Body = append(blank(e.doc, span{0, m.value.off}), list[i].Body...)
			}
		}
	}
	return list, nil
}

// readCutoff reads the k of the one metric.
func (e *Evaluation) readCutoff(v span) (int, error) {
	metrics, err := members(e.doc, v)
	if err != nil || len(metrics) != 1 {
		return 0, errSyntax
	}
	keys, err := members(e.doc, metrics[0].value)
	if err != nil {
		return 0, err
	}
	m, ok := find(keys, "k")
	if !ok {
		return defaultCutoff, nil
	}
	k, err := reader{doc: e.doc}.integer(m)
	if err == nil && k < 1 {
		err = errSyntax
	}
	return k, err
}

// replayed are the members of a request that a cluster refuses in an evaluation;
// they stay for it to say so.
var replayed = []string{"aggs", "aggregations", "suggest", "highlight", "explain", "profile"}

// replay is a search that finds the hits in their order.
func (e *Evaluation) replay(r Rated, hits Hits) []byte {
	var b bytes.Buffer
	b.WriteString(`{"query":`)
	if len(hits.list) == 0 {
		b.WriteString(`{"match_none":{}}`)
	} else {
		b.WriteString(`{"bool":{"should":[`)
		for i, h := range hits.list {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"constant_score":{"boost":%d,"filter":{"bool":{"filter":[{"term":{"_index":%s}},{"ids":{"values":[%s]}}]}}}}`,
				len(hits.list)-i, h.index, h.id)
		}
		b.WriteString(`]}}`)
	}
	keys, err := members(e.doc, r.search)
	if err == nil {
		for _, m := range keys {
			if slices.Contains(replayed, m.name) {
				b.WriteByte(',')
				b.Write(e.doc[m.key.off:m.value.end])
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Replay is the evaluation with those requests in the place of their own search
// that find the hits in their order, by the number of the request, and without
// the requests that have failed. left is how many requests are in it.
func (e *Evaluation) Replay(found map[int]Hits, failed map[int][]byte) (body []byte, left int) {
	items := make([]string, 0, len(e.Requests))
	for i, r := range e.Requests {
		if _, gone := failed[i]; gone {
			continue
		}
		item := r.item.of(e.doc)
		if hits, ok := found[i]; ok {
			item = apply(item, []edit{{shift(r.search, r.item.off), e.replay(r, hits)}})
		}
		items = append(items, string(item))
	}
	return apply(e.doc, []edit{{e.list, []byte("[" + strings.Join(items, ",") + "]")}}), len(items)
}
