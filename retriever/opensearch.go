package retriever

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// ForOpenSearch is the body of a search of this program's own in the words of
// OpenSearch, which knows no retrievers: a leaf becomes a query with its other
// members beside it, and equal hits are told apart by document alone. The query
// stays at its line and column. The error is a *RequestError, worded as
// Elasticsearch would word a fault, about a retriever that OpenSearch has no equal
// of or that nobody knows. The body is not changed.
func ForOpenSearch(body []byte) ([]byte, error) {
	top, err := root(body)
	if err != nil {
		return nil, err
	}
	keys, err := members(body, top)
	if err != nil {
		return nil, err
	}
	var edits []edit
	_, rescored := find(keys, "rescore")
	drop := make([]bool, len(keys))
	for i, m := range keys {
		switch m.name {
		case "retriever":
			q, err := readQuery(body, m.value, 0)
			if err != nil {
				return nil, err
			}
			edits = append(edits, q.edits(span{m.key.off, m.value.end})...)
		case "knn":
			return nil, noVectors()
		case "sort":
			if drop[i] = rescored; rescored {
				continue // it takes no sort beside a rescorer, not even by score
			}
			if at := bytes.LastIndex(m.value.of(body), []byte(`"_shard_doc"`)); at >= 0 {
				at += m.value.off
				edits = append(edits, edit{span{at, at + len(`"_shard_doc"`)}, []byte(`"_doc"`)})
			}
		}
	}
	for gone := range without(keys, drop) {
		edits = append(edits, edit{at: gone})
	}
	return apply(body, edits), nil
}

func noVectors() *RequestError {
	return Unsupported("a [knn] retriever on OpenSearch, whose vector search has another form")
}

// query is a leaf retriever taken apart, with what the rescorers above it add.
type query struct {
	doc     []byte
	own     *member  // query
	filters []member // of the leaf and of what is above it
	name    *member  // _name
	beside  []member // what stands beside the query in a search: sort, rescore, …
}

// leafMembers are the members of a standard retriever.
var leafMembers = []string{"query", "filter", "sort", "min_score", "collapse", "search_after", "terminate_after", "_name"}

func readQuery(doc []byte, v span, depth int) (*query, error) {
	list, err := members(doc, v)
	if err != nil || len(list) == 0 || depth > maxTreeDepth {
		return nil, errSyntax
	}
	named := list[0]
	keys, err := members(doc, named.value)
	if err != nil {
		return nil, parsingError(doc, named.value.off, "[%s] retriever malformed, no [START_OBJECT] after retriever name", named.name)
	}
	switch named.name {
	case nameStandard:
		return readLeaf(doc, keys)
	case nameRescorer:
		return readRescorer(doc, keys, depth)
	case nameKNN:
		return nil, noVectors()
	}
	return nil, parsingError(doc, named.key.off, "unknown retriever [%s]%s", named.name, suggest(named.name, []string{nameStandard, nameRescorer}))
}

func readLeaf(doc []byte, keys []member) (*query, error) {
	q := &query{doc: doc}
	for _, m := range keys {
		switch {
		case m.name == "query":
			q.own = &m
		case m.name == "filter":
			q.filters = append(q.filters, m)
		case m.name == "_name":
			q.name = &m
		case slices.Contains(leafMembers, m.name):
			q.beside = append(q.beside, m)
		default:
			return nil, contentError(doc, m.key.off, nil, "[standard] unknown field [%s]%s", m.name, suggest(m.name, leafMembers))
		}
	}
	return q, nil
}

func readRescorer(doc []byte, keys []member, depth int) (*query, error) {
	below, ok := find(keys, "retriever")
	if !ok {
		return nil, BadRequest("illegal_argument_exception", "Required [retriever]")
	}
	q, err := readQuery(doc, below.value, depth+1)
	if err != nil {
		return nil, err
	}
	for _, m := range keys {
		switch m.name {
		case "filter":
			q.filters = append(q.filters, m)
		case "rescore", "min_score":
			q.beside = append(q.beside, m)
		}
	}
	return q, nil
}

// edits put the query in the place of the retriever. A query and one filter stay
// where they are, and the brackets around them go into the room of what is gone.
func (q *query) edits(at span) []edit {
	plain := len(q.filters) == 0 && q.name == nil
	var kept []member // in the order of the text
	if q.own != nil {
		kept = append(kept, *q.own)
	}
	if len(q.filters) == 1 {
		kept = append(kept, q.filters[0])
	}
	slices.SortFunc(kept, func(a, b member) int { return a.value.off - b.value.off })
	w := gaps{doc: q.doc, from: at.off}
	w.tokens = []string{`"query":`}
	if !plain {
		w.put(`{"bool":`, `{`)
	}
	for i, m := range kept {
		if i > 0 {
			w.put(`,`)
		}
		switch {
		case m.name == "filter":
			w.put(`"filter":`)
		case !plain:
			w.put(`"must":`)
		}
		w.keep(m.value)
	}
	q.rest(&w, len(kept) > 0, plain)
	w.close(at.end)
	return w.edits
}

// rest writes what has no place of its own.
func (q *query) rest(w *gaps, begun, plain bool) {
	comma := func() {
		if begun {
			w.put(`,`)
		}
		begun = true
	}
	switch {
	case q.own == nil && plain:
		w.put(`{"match_all":{}}`)
	case q.own == nil:
		comma()
		w.put(`"must":{"match_all":{}}`)
	}
	if len(q.filters) > 1 {
		var all []byte
		for _, f := range q.filters {
			all = joined(all, inner(q.doc, f.value))
		}
		comma()
		w.put(`"filter":[` + string(all) + `]`)
	}
	if q.name != nil {
		comma()
		w.put(`"_name":` + string(q.name.value.of(q.doc)))
	}
	if !plain {
		w.put(`}}`)
	}
	for _, m := range q.beside {
		w.put(`,` + string(q.doc[m.key.off:m.value.end]))
	}
}

// gaps writes tokens into the room between the spans that are kept, so that these
// keep their lines and columns as long as there is room.
type gaps struct {
	doc    []byte
	from   int // the end of what was kept last
	tokens []string
	edits  []edit
}

func (g *gaps) put(tokens ...string) { g.tokens = append(g.tokens, tokens...) }

func (g *gaps) keep(v span) {
	g.close(v.off)
	g.from = v.end
}

// close fills the room up to off.
func (g *gaps) close(off int) {
	room := span{g.from, off}
	g.edits = append(g.edits, edit{room, filled(blank(g.doc, room), g.tokens)})
	g.tokens = nil
}

// filled writes tokens over blanks, none across the end of a line. Those that don't
// fit come behind.
func filled(blanks []byte, tokens []string) []byte {
	at := 0
	for i, token := range tokens {
		place := roomFor(blanks, at, len(token))
		if place < 0 {
			for _, rest := range tokens[i:] {
				blanks = append(blanks, rest...)
			}
			return blanks
		}
		copy(blanks[place:], token)
		at = place + len(token)
	}
	return blanks
}

// roomFor finds the first run of blanks of some length on one line.
func roomFor(blanks []byte, from, length int) int {
	run := 0
	for i := from; i < len(blanks); i++ {
		if run++; blanks[i] == '\n' {
			run = 0
		}
		if run == length {
			return i + 1 - length
		}
	}
	return -1
}

// FromOpenSearch is a refusal by OpenSearch to parse what [ForOpenSearch] made of
// body, as Elasticsearch words one of its standard retriever's query: inside an
// error about that member. Any other answer comes back as it is.
func FromOpenSearch(body, answer []byte) []byte {
	form, line, col, ok := readRefusal(answer)
	if !ok {
		return answer
	}
	at, ok := offset(body, line, col)
	q := leafOf(body)
	if !ok || q == nil || q.own == nil || at < q.own.value.off || at >= q.own.value.end {
		return answer
	}
	by, err := json.Marshal(form.Error.fault)
	if err != nil {
		return answer
	}
	form.Error.fault = fault{
		Type: "x_content_parse_exception", Reason: fmt.Sprintf("[%d:%d] [standard] failed to parse field [query]", line, col), CausedBy: by,
	}
	return marshal(form)
}

// leafOf is the standard retriever at the top of a search; nil: there is none.
func leafOf(body []byte) *query {
	top, err := root(body)
	if err != nil {
		return nil
	}
	keys, err := members(body, top)
	if err != nil {
		return nil
	}
	m, ok := find(keys, "retriever")
	if !ok {
		return nil
	}
	q, err := readQuery(body, m.value, 0)
	if err != nil {
		return nil
	}
	return q
}
