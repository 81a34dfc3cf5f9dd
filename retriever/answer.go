package retriever

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FirstStage is the answer of the cluster to [Search.Upstream]. It keeps the
// answer's bytes. It is read-only.
type FirstStage struct {
	search *Search
	doc    []byte
	total  *span // hits.total
	max    *span // hits.max_score
	took   *span
	list   span // hits.hits
	hits   []hit
	texts  []string
	scored []int  // the hit that each text belongs to
	pit    string // the newest id of the point in time, if it runs on one
}

// hit is one document of the first stage.
type hit struct {
	at    span
	edits []edit // what the caller is not to see, taken out
	score *span  // the value of _score

	index, id, explanation span // their values; empty spans for none
	fields                 int  // where the caller's own fields end; 0: it has none
	empty                  bool // nothing of it is left for the caller
}

// Ranked is one hit of the final order.
type Ranked struct {
	Text  int     // which of the texts
	Score float32 // the score to show
	// Passage is what the score is that of; nil: not known.
	Passage *Passage
}

// Read locates the hits of the first stage and the text of each. ErrAnswer means
// that the bytes are no search answer.
func (s *Search) Read(answer []byte) (*FirstStage, error) {
	f := &FirstStage{search: s, doc: answer}
	top, err := root(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	keys, err := members(answer, top)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if m, ok := find(keys, "took"); ok {
		f.took = &m.value
	}
	if m, ok := find(keys, "pit_id"); ok && kindOf(answer, m.value) == kindString {
		f.pit = text(answer, m.value)
	}
	if s.twoPhase && f.pit == "" {
		return nil, fmt.Errorf("%w: no point in time in it", ErrAnswer)
	}
	m, ok := find(keys, "hits")
	if !ok {
		return nil, fmt.Errorf("%w: no hits in it", ErrAnswer)
	}
	if err := f.readHits(m.value); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return f, nil
}

func (f *FirstStage) readHits(v span) error {
	keys, err := members(f.doc, v)
	if err != nil {
		return err
	}
	if m, ok := find(keys, "total"); ok {
		f.total = &m.value
	}
	if m, ok := find(keys, "max_score"); ok {
		f.max = &m.value
	}
	m, ok := find(keys, "hits")
	if !ok {
		return errSyntax
	}
	f.list = m.value
	items, err := elements(f.doc, m.value)
	if err != nil {
		return err
	}
	f.hits = slices.Grow(f.hits, len(items))
	f.texts, f.scored = slices.Grow(f.texts, len(items)), slices.Grow(f.scored, len(items))
	var lists hitLists
	for i, item := range items {
		h, value, err := f.readHit(item, &lists)
		if err != nil {
			return err
		}
		f.hits = append(f.hits, h)
		if value != nil {
			f.texts = append(f.texts, *value)
			f.scored = append(f.scored, i)
		}
	}
	return nil
}

// Texts are the texts to score, one for each first-stage hit that has a value in
// the field, in first-stage order. Of several values the first counts.
func (f *FirstStage) Texts() []string { return f.texts }

// Order is a final order of first-stage hits with the scores to show.
type Order struct {
	list    []placed
	counted bool     // the list is all that matches: the total is its length
	least   *float32 // in two phases: the score floor of the second
}

// placed is a hit with the score it is shown with.
type placed struct {
	hit   int
	score float32
	kept  bool // it is shown with the score it came with

	passage []byte // the entry of its fields; nil for none
}

// RankedOrder is the order of ranked, which names each text at most once, best
// first. Hits whose text is not in ranked are left out, as Elasticsearch leaves
// out documents without the field.
func (f *FirstStage) RankedOrder(ranked []Ranked) Order {
	o := f.order(true)
	for _, r := range ranked {
		if !below(r.Score, f.search.floor) {
			o.list = append(o.list, placed{hit: f.scored[r.Text], score: r.Score, passage: f.search.passageOf(r, f.texts[r.Text])})
		}
	}
	return o
}

// FirstStageOrder is the order for a search whose rerank step failed: all hits in
// first-stage order with the scores 1, 1/2, 1/3, …, documents without the field
// among them. With strict, score floors hold for these scores as well, which is
// what allow_rerank_failures means; without it they are left aside.
func (f *FirstStage) FirstStageOrder(strict bool) Order {
	o := f.order(strict)
	for i := range f.hits {
		score := 1 / float32(i+1)
		if strict && (below(score, f.search.MinScore) || below(score, f.search.floor)) {
			continue
		}
		o.list = append(o.list, placed{hit: i, score: score})
	}
	return o
}

func (f *FirstStage) order(floors bool) Order {
	o := Order{list: make([]placed, 0, len(f.hits))}
	if !floors {
		return o
	}
	o.counted = f.search.threshold()
	for _, least := range []*float32{f.search.MinScore, f.search.floor} {
		if least != nil && (o.least == nil || *least > *o.least) {
			o.least = least
		}
	}
	return o
}

func below(score float32, floor *float32) bool { return floor != nil && score < *floor }

// Answer writes the final answer out of the first stage's own: the page of the
// order. took is the time the whole search has needed. It is for searches of one
// phase.
func (f *FirstStage) Answer(o Order, took time.Duration) []byte {
	edits := make([]edit, 0, 4)
	first := min(f.search.From, len(o.list))
	page := o.list[first:min(first+f.search.Size, len(o.list))]
	if f.max != nil && (len(page) == 0 || !o.list[0].kept) {
		best := []byte("null")
		if len(page) > 0 {
			best = FormatScore(o.list[0].score)
		}
		edits = append(edits, edit{*f.max, best})
	}
	if o.counted && f.total != nil {
		edits = append(edits, edit{*f.total, f.count(len(o.list))})
	}
	if f.took != nil {
		edits = append(edits, edit{*f.took, strconv.AppendInt(nil, took.Milliseconds(), 10)})
	}
	edits = append(edits, edit{f.list, f.page(page)})
	return formatted(apply(f.doc, edits), f.search.request.Query, f.search.paths)
}

func (f *FirstStage) page(list []placed) []byte {
	out := []byte{'['}
	for i, p := range list {
		if i > 0 {
			out = append(out, ',')
		}
		h := f.hits[p.hit]
		edits := slices.Clone(h.edits)
		if h.score != nil && !p.kept {
			edits = append(edits, edit{shift(*h.score, h.at.off), FormatScore(p.score)})
		}
		if p.passage != nil {
			e := withPassage(h.at, h.fields, h.empty, p.passage)
			edits = append(edits, edit{shift(e.at, h.at.off), e.new})
		}
		out = append(out, apply(h.at.of(f.doc), edits)...)
	}
	return append(out, ']')
}

func shift(s span, by int) span { return span{s.off - by, s.end - by} }

// count is the value of hits.total for n documents, in the form that the
// cluster's own total has: a number, or an object with the relation.
func (f *FirstStage) count(n int) []byte {
	if kindOf(f.doc, *f.total) == kindNumber {
		return strconv.AppendInt(nil, int64(n), 10)
	}
	relation := "eq"
	if limit, ok := f.search.totalLimit(); ok && n > limit {
		n, relation = limit, "gte"
	}
	return fmt.Appendf(nil, `{"value":%d,"relation":%q}`, n, relation)
}

// totalLimit is the number up to which the request wants hits counted.
func (s *Search) totalLimit() (int, bool) {
	literal := s.request.Query.Get("track_total_hits")
	if m, ok := find(s.top, "track_total_hits"); literal == "" && ok {
		literal = strings.Trim(string(m.value.of(s.request.Body)), `"`)
	}
	n, err := strconv.Atoi(literal)
	return n, err == nil && n >= 0
}

// FormatScore writes a float32 the way Elasticsearch prints one: always with a
// fraction, so that clients read a float, and with an exponent where Java has it.
func FormatScore(score float32) []byte {
	f := float64(score)
	if abs := math.Abs(f); abs != 0 && (abs < 1e-3 || abs >= 1e7) {
		out := strconv.FormatFloat(f, 'E', -1, 32)
		mantissa, exponent, _ := strings.Cut(out, "E")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		n, _ := strconv.Atoi(exponent) // FormatFloat wrote it
		return []byte(mantissa + "E" + strconv.Itoa(n))
	}
	out := strconv.AppendFloat(nil, f, 'f', -1, 32)
	if !strings.Contains(string(out), ".") {
		out = append(out, ".0"...)
	}
	return out
}
