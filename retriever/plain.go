package retriever

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Plain is an ordinary search, without a retriever, whose first hits are
// reranked for a client that can't ask for it in the body. The pages behind each
// other are the reranked window followed by the rest of the plain ranking: no
// document comes twice and none is lost. It keeps the request's body and is
// read-only.
type Plain struct {
	Query  string // the text that the hits are scored against
	search *Search
}

// unrankable are the members of a body that give the hits another order than
// that of their scores, or a way through them that isn't from and size.
var unrankable = []string{
	"retriever", "sort", "search_after", "pit", "slice", "rank", "sub_searches", "terminate_after",
}

// unrankableParameters are the same in the URL.
var unrankableParameters = []string{"sort", "scroll", "search_type", "terminate_after", "format", "source"}

// PlainOptions say how an ordinary search is reranked.
type PlainOptions struct {
	Field  string // whose text is scored; no pattern
	Window int    // how many of the first hits are reranked, at least 1
	Query  string // the text to score against; "" with FromBody: the search's own
	// FromBody takes the text from the search where Query is empty: from the URL
	// parameter q or from the body's query.
	FromBody bool
}

// ParsePlain reads an ordinary search whose first hits are to be reranked. A body
// without bytes is that of a search without one. ErrNotOurs means that the search
// is to be passed on as it came: its hits have another order than that of their
// scores, no hit of the window is on its page, or there is no text to score
// against. Malformed searches are among them, for they are the cluster's to
// refuse.
//
// The search's own text is the URL parameter q, or the first text in its query,
// as it stands: of a match, multi_match, query_string or like query itself; in a
// bool query of the must clauses, then the should clauses; of the query inside
// dis_max, boosting, function_score, script_score, nested and pinned.
func ParsePlain(r Request, o PlainOptions) (*Plain, error) {
	if len(bytes.TrimSpace(r.Body)) == 0 {
		r.Body = []byte("{}")
	}
	s := &Search{request: r, Field: o.Field, source: source{fields: []string{o.Field}}, Window: o.Window, Query: o.Query}
	if err := s.readPlain(); err != nil {
		return nil, ErrNotOurs
	}
	if s.Query == "" && o.FromBody {
		s.Query = s.searchText()
	}
	if strings.TrimSpace(s.Query) == "" {
		return nil, ErrNotOurs
	}
	return &Plain{Query: s.Query, search: s}, nil
}

func (s *Search) readPlain() (err error) {
	doc := s.request.Body
	if err := validJSON(doc); err != nil {
		return err
	}
	body, err := root(doc)
	if err != nil || kindOf(doc, body) != kindObject {
		return ErrNotOurs
	}
	if s.top, err = members(doc, body); err != nil {
		return err
	}
	if err := checkDuplicates(doc, s.top); err != nil {
		return err
	}
	other := slices.ContainsFunc(s.top, func(m member) bool { return slices.Contains(unrankable, m.name) }) ||
		slices.ContainsFunc(unrankableParameters, s.request.Query.Has)
	if other {
		return ErrNotOurs
	}
	page, err := s.parsePage()
	if err != nil {
		return err
	}
	s.Size = DefaultPage
	if page.size != nil {
		s.Size = *page.size
	}
	if s.Size == 0 || s.From >= s.Window {
		return ErrNotOurs
	}
	conflict, err := s.checkFields()
	if err != nil || conflict {
		return ErrNotOurs
	}
	s.paths, err = filterPathOf(s.request.Query)
	return err
}

// Depth returns how many of the first hits the caller's page reaches down to.
func (p *Plain) Depth() int { return p.search.From + p.search.Size }

// Upstream is the search that the cluster is to run instead, at the same path:
// the caller's own from its first hit on, as far as the window or the page goes,
// with the text of the field. The body is new memory.
func (p *Plain) Upstream() (url.Values, []byte) {
	s := p.search
	query := make(url.Values, len(s.request.Query))
	for name, values := range s.request.Query {
		if !slices.Contains([]string{"from", "size", "filter_path", "pretty"}, name) {
			query[name] = values
		}
	}
	doc := s.request.Body
	drop := make([]bool, len(s.top))
	var fields span // the caller's own "fields"
	for i, m := range s.top {
		drop[i] = m.name == "from" || m.name == "size"
		if m.name == "fields" {
			fields = m.value
		}
	}
	var edits []edit
	for gone := range without(s.top, drop) {
		edits = append(edits, edit{at: gone})
	}
	added := append([]byte(`"size":`), strconv.Itoa(max(s.Window, s.From+s.Size))...)
	switch list := marshal(s.source.toFetch(s.wants)); {
	case s.wants(s.Field):
	case fields.end > 0:
		edits = append(edits, s.appendFields(fields.end-1, list))
	default:
		added = fmt.Appendf(added, `,"fields":%s`, list)
	}
	if slices.Contains(drop, false) {
		added = append(added, ',')
	}
	start := bytes.IndexByte(doc, '{') + 1
	return query, apply(doc, append(edits, edit{span{start, start}, added}))
}

// PlainPage is the answer of the cluster to [Plain.Upstream]. It keeps the
// answer's bytes. It is read-only.
type PlainPage struct {
	first  *FirstStage
	window int // hits in the window
	texts  int // texts of those
}

// Read locates the hits of the plain ranking. ErrAnswer means that the bytes are
// no search answer.
func (p *Plain) Read(answer []byte) (*PlainPage, error) {
	f, err := p.search.Read(answer)
	if err != nil {
		return nil, err
	}
	g := &PlainPage{first: f, window: min(p.search.Window, len(f.hits))}
	for g.texts < len(f.scored) && f.scored[g.texts] < g.window {
		g.texts++
	}
	return g, nil
}

// Texts are the texts to score: one for each hit of the window that has a value
// in the field, in the order of the plain ranking.
func (g *PlainPage) Texts() []string { return g.first.texts[:g.texts] }

// Answer writes the answer out of the cluster's own. The hits of the window come
// in the order of ranked, which names every text, then those without a text, then
// the rest of the plain ranking. What is added to a reranked score is the least
// plain score of the window, so that scores fall along all pages. took is the
// time that the whole search has needed.
func (g *PlainPage) Answer(ranked []Ranked, took time.Duration) []byte {
	f := g.first
	o := Order{list: make([]placed, 0, len(f.hits))}
	floor, scored := g.floor()
	placedHits := make([]bool, g.window)
	for _, r := range ranked {
		at := f.scored[r.Text]
		placedHits[at] = true
		o.list = append(o.list, placed{hit: at, score: floor + r.Score, kept: !scored})
	}
	for at, done := range placedHits {
		if !done {
			o.list = append(o.list, placed{hit: at, score: floor, kept: !scored || len(ranked) == 0})
		}
	}
	for at := g.window; at < len(f.hits); at++ {
		o.list = append(o.list, placed{hit: at, kept: true})
	}
	return f.Answer(o, took)
}

// floor is the least score of the window; false if the hits have none.
func (g *PlainPage) floor() (float32, bool) {
	if g.window == 0 {
		return 0, false
	}
	last := g.first.hits[g.window-1].score
	if last == nil {
		return 0, false
	}
	score, err := strconv.ParseFloat(string(last.of(g.first.doc)), 32)
	return float32(score), err == nil
}
