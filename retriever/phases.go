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
	for _, gone := range without(s.top, drop) {
		edits = append(edits, edit{gone, blank(doc, gone)})
	}
	added := fmt.Appendf(nil, `,"pit":%s,"size":%d,"_source":false,"track_total_hits":false`, s.pointInTime(pit), s.Window)
	if fetchable(s.Field) {
		added = fmt.Appendf(added, `,"fields":[%s]`, marshal(s.Field))
	}
	if s.explain {
		added = append(added, `,"explain":true`...)
	}
	end := s.retrieve.value.end
	edits = append(edits, edit{span{end, end}, added})
	query := url.Values{"allow_partial_search_results": {"false"}}
	if s.request.Query.Has("error_trace") {
		query["error_trace"] = s.request.Query["error_trace"]
	}
	return query, apply(doc, edits)
}

func (s *Search) pointInTime(id string) []byte {
	return fmt.Appendf(nil, `{"id":%s,"keep_alive":%q}`, marshal(id), keepAlive)
}

// rewritten are the members of the body that the second phase says otherwise.
var rewritten = []string{"retriever", "from", "size", "min_score", "indices_boost", "pit"}

// SecondPhase is the search, to be sent without an index, that gives the answer:
// the caller's own request with a query in the place of the retriever, by which
// each ranked document has its score and every other match of the child scores
// zero, so that totals, aggregations, highlights, collapsing and post filters are
// the cluster's own.
func (f *FirstStage) SecondPhase(o Order) (url.Values, []byte) {
	s := f.search
	doc := s.request.Body
	drop := make([]bool, len(s.top))
	for i, m := range s.top {
		drop[i] = slices.Contains(rewritten, m.name)
	}
	var edits []edit
	for _, gone := range without(s.top, drop) {
		edits = append(edits, edit{at: gone})
	}
	size := min(s.Size, max(0, len(o.list)-s.From))
	added := fmt.Appendf(nil, `"query":%s,"pit":%s,"from":%d,"size":%d`, f.rankedQuery(o), s.pointInTime(f.pit), s.From, size)
	if least := o.least; least != nil {
		added = append(append(added, `,"min_score":`...), strconv.FormatFloat(float64(*least), 'g', -1, 32)...)
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

// rankedQuery scores the ranked documents as they were ranked, and the rest of
// what the child matches with zero.
func (f *FirstStage) rankedQuery(o Order) []byte {
	s := f.search
	tail := f.needsTail(len(o.list))
	if len(o.list) == 0 && !tail {
		return []byte(`{"match_none":{}}`)
	}
	var b bytes.Buffer
	b.WriteString(`{"bool":{"should":[`)
	if len(o.list) > 0 {
		b.WriteString(`{"bool":{"should":[`)
		f.writeRanked(&b, o.list)
		b.WriteString(`]`)
		if s.name != "" {
			fmt.Fprintf(&b, `,"_name":%s`, marshal(s.name))
		}
		b.WriteString(`}}`)
	}
	if tail {
		if len(o.list) > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"bool":{"must":[%s],"boost":0}}`, s.tail)
	}
	b.WriteString(`],"minimum_should_match":1}}`)
	return b.Bytes()
}

// writeRanked writes one clause for each run of documents of one index that
// share a score.
func (f *FirstStage) writeRanked(b *bytes.Buffer, list []placed) {
	for i := 0; i < len(list); {
		first := f.hits[list[i].hit]
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, `{"constant_score":{"boost":%s,"filter":{"bool":{"filter":[{"term":{"_index":%s}},{"ids":{"values":[%s`,
			formatScore(list[i].score), first.index.of(f.doc), first.id.of(f.doc))
		j := i + 1
		for ; j < len(list) && list[j].score == list[i].score; j++ {
			next := f.hits[list[j].hit]
			if !bytes.Equal(next.index.of(f.doc), first.index.of(f.doc)) {
				break
			}
			b.WriteByte(',')
			b.Write(next.id.of(f.doc))
		}
		b.WriteString(`]}}]}}}}`)
		i = j
	}
}

// needsTail reports whether documents beyond the ranked ones can be seen: in
// aggregations, in an explanation or profile, or in the total.
func (f *FirstStage) needsTail(ranked int) bool {
	s := f.search
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
			drop[i] = f.search.pit == ""
		case "hits":
			explained, err := f.explanations(answer, m.value, o)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
			}
			edits = append(edits, explained...)
		}
	}
	for _, gone := range without(keys, drop) {
		edits = append(edits, edit{at: gone})
	}
	return formatted(apply(answer, edits), f.search.request.Query, f.search.paths), nil
}

// explanations rewrites the explanation of each hit: its value is the score, its
// one detail the first stage's own explanation.
func (f *FirstStage) explanations(answer []byte, hits span, o Order) ([]edit, error) {
	if !f.search.explain {
		return nil, nil
	}
	keys, err := members(answer, hits)
	if err != nil {
		return nil, err
	}
	list, ok := find(keys, "hits")
	if !ok {
		return nil, errSyntax
	}
	items, err := elements(answer, list.value)
	if err != nil {
		return nil, err
	}
	ranked := make(map[string]placed, len(o.list))
	for _, p := range o.list {
		h := f.hits[p.hit]
		ranked[string(h.index.of(f.doc))+string(h.id.of(f.doc))] = p
	}
	var edits []edit
	for _, item := range items {
		keys, err := members(answer, item)
		if err != nil {
			return nil, err
		}
		index, _ := find(keys, "_index")
		id, _ := find(keys, "_id")
		if m, ok := find(keys, "_explanation"); ok {
			p, found := ranked[string(index.value.of(answer))+string(id.value.of(answer))]
			edits = append(edits, edit{m.value, f.explanation(p, found)})
		}
	}
	return edits, nil
}

func (f *FirstStage) explanation(p placed, ranked bool) []byte {
	if !ranked {
		return fmt.Appendf(nil, `{"value":0.0,"description":"doc not found in top %d rank docs","details":[]}`, f.search.Window)
	}
	s := f.search
	description := fmt.Sprintf("%s match using inference endpoint: [%s] on document field: [%s] matching on source query ", Name, s.InferenceID, s.Field)
	if s.child.title != s.child.name {
		description += "[" + s.child.title + "]"
	}
	detail := []byte{}
	if h := f.hits[p.hit]; h.explanation.end > 0 {
		detail = h.explanation.of(f.doc)
	}
	return fmt.Appendf(nil, `{"value":%s,"description":%s,"details":[%s]}`, formatScore(p.score), marshal(description), detail)
}
