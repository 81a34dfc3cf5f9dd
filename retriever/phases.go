package retriever

import (
	"bytes"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// keepAlive is how long the cluster keeps a point in time between two searches.
// The proxy closes it as soon as it is done with it.
const keepAlive = "1m"

// TwoPhase reports that one search can't answer this one as Elasticsearch would:
// something in it sees the reranked order or the reranked scores. It is then
// executed in two on a point in time: [Search.FirstPhase] ranks, and
// [FirstStage.SecondPhase] has the cluster itself answer with the ranked order.
func (s *Search) TwoPhase() bool { return s.twoPhase }

// PointInTime is what the two phases run on: the id of the caller's own, or ""
// and the URL parameters to open one with, at the search's index.
func (s *Search) PointInTime() (id string, open url.Values) {
	if s.pit != "" {
		return s.pit, nil
	}
	open = url.Values{"keep_alive": {keepAlive}}
	for _, name := range openParameters {
		if values, ok := s.request.Query[name]; ok {
			open[name] = values
		}
	}
	return "", open
}

// openParameters say which shards a search reads; they belong to the opening of
// the point in time, and a search on one may not name them.
var openParameters = []string{
	"routing", "preference", "ignore_unavailable", "allow_no_indices", "expand_wildcards", "ignore_throttled",
}

// FirstPhase is the search, to be sent without an index, that finds the window:
// the child retriever and the text of the field, nothing else of the request. Its
// answer is for [Search.Read].
func (s *Search) FirstPhase(pit string) (url.Values, []byte) {
	doc := s.request.Body
	drop := make([]bool, len(s.top))
	for i, m := range s.top {
		drop[i] = m.name != "retriever"
	}
	edits := s.editTree()
	for gone := range without(s.top, drop) {
		edits = append(edits, edit{gone, blank(doc, gone)})
	}
	added := fmt.Appendf(nil, `,"pit":%s,"size":%d,"_source":false,"track_total_hits":false`, s.pointInTime(pit), s.Window)
	if fields := s.source.toFetch(func(string) bool { return false }); len(fields) > 0 {
		added = fmt.Appendf(added, `,"fields":%s`, marshal(fields))
	}
	if s.explain {
		added = append(added, `,"explain":true`...)
	}
	end := s.retrieve.value.end
	edits = append(edits, edit{span{end, end}, added})
	return s.plainQuery(), apply(doc, edits)
}

// plainQuery is the URL parameters of a search that ranks.
func (s *Search) plainQuery() url.Values {
	query := url.Values{"allow_partial_search_results": {"false"}}
	if s.request.Query.Has("error_trace") {
		query["error_trace"] = s.request.Query["error_trace"]
	}
	return query
}

func (s *Search) pointInTime(id string) []byte {
	return fmt.Appendf(nil, `{"id":%s,"keep_alive":%q}`, marshal(id), keepAlive)
}

// rewritten are the members of the body that the second phase says otherwise.
var rewritten = []string{"retriever", "from", "size", "min_score", "indices_boost", "pit"}

// SecondPhase is the search, to be sent without an index, that gives the answer.
func (f *FirstStage) SecondPhase(o Order) (url.Values, []byte) {
	r := ranking{docs: make([]scored, len(o.list)), tail: f.search.tail, name: f.search.name, least: o.least, pit: f.pit}
	for i, p := range o.list {
		h := f.hits[p.hit]
		r.docs[i] = scored{h.index.of(f.doc), h.id.of(f.doc), p.score}
	}
	return f.search.finalSearch(r)
}

// ranking is the final order of documents, and the query for all that the
// retrievers match.
type ranking struct {
	docs  []scored
	tail  []byte
	name  string   // of the query that matches the ranked documents; "" for none
	least *float32 // the score floor
	pit   string
}

// scored is a document with its final score. Its names stand as in JSON.
type scored struct {
	index, id []byte
	score     float32
}

// finalSearch is the caller's own request with a query in the place of the
// retriever, by which each ranked document has its score and every other match
// of the retrievers scores zero, so that totals, aggregations, highlights,
// collapsing and post filters are the cluster's own.
func (s *Search) finalSearch(r ranking) (url.Values, []byte) {
	doc := s.request.Body
	drop := make([]bool, len(s.top))
	for i, m := range s.top {
		drop[i] = slices.Contains(rewritten, m.name)
	}
	var edits []edit
	for gone := range without(s.top, drop) {
		edits = append(edits, edit{at: gone})
	}
	size := min(s.Size, max(0, len(r.docs)-s.From))
	added := fmt.Appendf(nil, `"query":%s,"pit":%s,"from":%d,"size":%d`, s.rankedQuery(r), s.pointInTime(r.pit), s.From, size)
	if r.least != nil {
		added = fmt.Appendf(added, `,"min_score":%s`, number(*r.least))
	}
	if slices.Contains(drop, false) {
		added = append(added, ',')
	}
	start := bytes.IndexByte(doc, '{') + 1
	edits = append(edits, edit{span{start, start}, added})
	query := make(url.Values, len(s.request.Query))
	for name, values := range s.request.Query {
		if !slices.Contains(openParameters, name) && !slices.Contains([]string{"from", "size", "filter_path", "pretty", "search_type"}, name) {
			query[name] = values
		}
	}
	query.Set("allow_partial_search_results", "false")
	return query, apply(doc, edits)
}

// number writes a float32 for a request.
func number(f float32) []byte { return strconv.AppendFloat(nil, float64(f), 'g', -1, 32) }

// rankedQuery scores the ranked documents as they were ranked, and the rest of
// what the retrievers match with zero.
func (s *Search) rankedQuery(r ranking) []byte {
	tail := s.needsTail(len(r.docs))
	if len(r.docs) == 0 && !tail {
		return []byte(`{"match_none":{}}`)
	}
	b := []byte(`{"bool":{"should":[`)
	if len(r.docs) > 0 {
		b = append(b, `{"bool":{"should":[`...)
		b = appendRanked(b, r.docs)
		b = append(b, ']')
		if r.name != "" {
			b = fmt.Appendf(b, `,"_name":%s`, marshal(r.name))
		}
		b = append(b, "}}"...)
	}
	if tail {
		if len(r.docs) > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"bool":{"must":[%s],"boost":0}}`, r.tail)
	}
	return append(b, `],"minimum_should_match":1}}`...)
}

// boost is the score that a query can give which is nearest to one: sums over
// pinned documents may be beyond what a float32 holds.
func boost(score float32) float32 {
	if math.IsNaN(float64(score)) {
		return 0
	}
	return min(max(score, 0), math.MaxFloat32)
}

// appendRanked appends one clause for each run of documents of one index that
// share a score.
func appendRanked(b []byte, list []scored) []byte {
	for i := 0; i < len(list); {
		first := list[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"constant_score":{"boost":%s,"filter":{"bool":{"filter":[{"term":{"_index":%s}},{"ids":{"values":[%s`,
			FormatScore(boost(first.score)), first.index, first.id)
		j := i + 1
		for ; j < len(list) && list[j].score == first.score && bytes.Equal(list[j].index, first.index); j++ {
			b = append(b, ',')
			b = append(b, list[j].id...)
		}
		b = append(b, `]}}]}}}}`...)
		i = j
	}
	return b
}

// needsTail reports whether documents beyond the ranked ones can be seen: in
// aggregations, in an explanation or profile, or in the total.
func (s *Search) needsTail(ranked int) bool {
	for _, name := range []string{"aggs", "aggregations", "explain", "profile"} {
		if _, ok := find(s.top, name); ok {
			return true
		}
	}
	if limit, ok := s.totalLimit(); ok {
		return limit > ranked
	}
	return s.countsHits()
}

// countsHits reports that track_total_hits is not off.
func (s *Search) countsHits() bool {
	if value := s.request.Query.Get("track_total_hits"); value != "" {
		return value != "false"
	}
	m, ok := find(s.top, "track_total_hits")
	return !ok || strings.Trim(string(m.value.of(s.request.Body)), `"`) != "false"
}

// Finish completes the answer to the second phase: the time the whole search has
// taken, no point in time but the caller's own, explanations that say where each
// score comes from, and what filter_path leaves. ErrAnswer means that the bytes
// are no search answer.
func (f *FirstStage) Finish(answer []byte, o Order, took time.Duration) ([]byte, error) {
	ranked := make(map[string]placed, len(o.list))
	for _, p := range o.list {
		h := f.hits[p.hit]
		ranked[string(h.index.of(f.doc))+string(h.id.of(f.doc))] = p
	}
	return f.search.finish(answer, took, notes{
		explanation: func(key string) []byte {
			p, found := ranked[key]
			return f.explanation(p, found)
		},
		passage: func(key string) []byte { return ranked[key].passage },
	})
}

// finish completes the answer to a final search with what there is to tell of its
// documents.
func (s *Search) finish(answer []byte, took time.Duration, n notes) ([]byte, error) {
	top, err := root(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	keys, err := members(answer, top)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	drop := make([]bool, len(keys))
	var edits []edit
	for i, m := range keys {
		switch m.name {
		case "took":
			edits = append(edits, edit{m.value, strconv.AppendInt(nil, took.Milliseconds(), 10)})
		case "pit_id":
			drop[i] = s.pit == ""
		case "hits":
			noted, err := s.annotate(answer, m.value, n)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
			}
			edits = append(edits, noted...)
		}
	}
	for gone := range without(keys, drop) {
		edits = append(edits, edit{at: gone})
	}
	return formatted(apply(answer, edits), s.request.Query, s.paths), nil
}
