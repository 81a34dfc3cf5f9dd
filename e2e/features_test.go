package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// items are the documents of e2e-items. The field score holds the raw score
// that the endpoint mock gives.
var items = []document{
	{"a", []byte(`{"score":"0","title":"red apple pie","tag":"x","n":1,"dbl":2.5,"flag":true,"day":"2024-01-01","multi":["1","9"],"code":"5","v":[0,0]}`)},
	{"b", []byte(`{"score":"4","title":"green apple","tag":"y","n":2,"dbl":-1.25,"flag":false,"day":"2024-01-02","multi":["3","0"],"code":"1234567","v":[1,0]}`)},
	{"c", []byte(`{"score":"-1","title":"apple","tag":"x","n":3,"day":"2024-01-03","multi":[],"code":"7","v":[2,0],"big":12345678901234567890.10}`)},
	{"d", []byte(`{"title":"apple tart","tag":"y","n":4,"score":null,"v":[3,0]}`)},
	{"e", []byte(`{"score":"2","title":"apple juice of the apple","tag":"x","n":[5,99],"dbl":7,"v":[4,0]}`)},
}

const (
	// every is the order of all items that have a score.
	every = "b=5 e=3 a=1 c=0.36787945"
	all   = `{"standard":{"query":{"match_all":{}}}}`
	apple = `{"standard":{"query":{"match":{"title":"apple"}}}}`
)

func itemIndex(tb testing.TB) {
	tb.Helper()
	index(tb, "e2e-items", `{"aliases":{"e2e-fruit":{}},"mappings":{"properties":{
		"score":{"type":"text","fields":{"raw":{"type":"keyword"}}},"title":{"type":"text"},"tag":{"type":"keyword"},"n":{"type":"integer"},
		"dbl":{"type":"double"},"flag":{"type":"boolean"},"day":{"type":"date"},"multi":{"type":"text"},"code":{"type":"keyword","ignore_above":5},
		"v":{"type":"dense_vector","dims":2,"index":true,"similarity":"l2_norm"},"ali":{"type":"alias","path":"score"},"big":{"type":"double"}}}}`, items...)
	index(tb, "e2e-others", `{"aliases":{"e2e-fruit":{}}}`, document{"o", []byte(`{"title":"apple of another index","n":7}`)})
	index(tb, "e2e-logs-2024.01.02", `{"mappings":{"properties":{"score":{"type":"text"}}}}`, document{"1", []byte(`{"score":"1"}`)})
}

// feature is one search and the hits it must give.
type feature struct {
	name   string
	path   string // default /e2e-items/_search
	query  string // URL parameters
	method string // default POST
	field  string // default score
	child  string // default all
	more   string // members of the reranker
	beside string // members beside the retriever
	header []string
	pack   bool   // send the body packed
	want   string // id=score …, in order
	total  string // hits.total, where it matters
	same   string // part of the answer that must equal the plain query's: hits, spelling (of hits), aggregations, suggest
	check  func(t *testing.T, got found)
}

func (f feature) body() string {
	field, child := f.field, f.child
	if field == "" {
		field = "score"
	}
	if child == "" {
		child = all
	}
	beside := ""
	if f.beside != "" {
		beside = "," + f.beside
	}
	return fmt.Sprintf(`{"retriever":%s%s}`, reranker(mock, "q", field, child, f.more), beside)
}

func TestSearchesAreRerankedWithAllTheyAskFor(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	list := append(append(pages(), parts()...), values()...)
	for _, f := range list {
		t.Run(f.name, func(t *testing.T) {
			method, path, body, header := f.method, f.path, f.body(), f.header
			if method == "" {
				method = http.MethodPost
			}
			if path == "" {
				path = "/e2e-items/_search"
			}
			if f.query != "" {
				path += "?" + f.query
			}
			if f.pack {
				body, header = gzipped(body), append(header, "Content-Encoding", "gzip")
			}
			a := send(t, method, p.url+path, body, header...)
			if a.Status != http.StatusOK {
				t.Fatalf("%s\n%s", f.body(), a)
			}
			if a.Header.Get("Content-Encoding") == "gzip" {
				a.Body = unpack(t, a.Body)
			}
			got := decode[found](t, a.Body)
			var list []string
			for i, id := range got.ids() {
				list = append(list, fmt.Sprintf("%s=%v", id, got.scores(t)[i]))
			}
			if s := strings.Join(list, " "); s != f.want {
				t.Errorf("%s\ngot  %s\nwant %s", f.body(), s, f.want)
			}
			if f.total != "" && string(got.Hits.Total) != f.total {
				t.Errorf("%s\ntotal = %s, want %s", f.body(), got.Hits.Total, f.total)
			}
			for _, h := range got.Hits.Hits {
				if h.Sort != nil {
					t.Errorf("hit %s has sort values: %s", h.ID, h.Sort)
				}
			}
			if f.same != "" {
				f.compareWithPlain(t, path, a.Body)
			}
			if f.check != nil {
				f.check(t, got)
			}
		})
	}
}

// compareWithPlain runs the child retriever on the cluster itself, with the same
// members beside it, and expects the same part of the answer.
func (f feature) compareWithPlain(t *testing.T, path string, body []byte) {
	t.Helper()
	child := f.child
	if child == "" {
		child = all
	}
	plain := send(t, http.MethodPost, cluster(t).URL+path, fmt.Sprintf(`{"retriever":%s,%s}`, child, f.beside))
	if plain.Status != http.StatusOK {
		t.Fatalf("plain query: %s", plain)
	}
	want, got := part(t, plain.Body, f.same), part(t, body, f.same)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s of the plain query (-) and of the reranked one (+):\n%s", f.same, d)
	}
	if len(want) == 0 {
		t.Errorf("the plain query gives no %s: nothing was compared", f.same)
	}
}

// part is one member of an answer; of the hits, what each one holds beside its
// score, by id.
func part(t *testing.T, body []byte, name string) map[string]any {
	t.Helper()
	if name != "hits" && name != "spelling" {
		value, _ := decode[map[string]any](t, body)[name].(map[string]any)
		return value
	}
	var a struct {
		Hits struct {
			Hits []map[string]json.RawMessage `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatal(err)
	}
	hits := map[string]any{}
	for _, h := range a.Hits.Hits {
		id := string(h["_id"])
		if id == `"d"` {
			continue // has no score, so that only the plain query gives it
		}
		delete(h, "_score")
		delete(h, "sort")
		rest := map[string]any{}
		for key, value := range h {
			if rest[key] = string(value); name == "hits" {
				rest[key] = exact(t, value)
			}
		}
		hits[id] = rest
	}
	return hits
}

// exact decodes JSON with its numbers as they are spelt. The order of keys is
// lost: that of a filtered source differs from one search to the next.
func exact(t *testing.T, data []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// pages are searches that cut the order in their own way.
func pages() []feature {
	const five = `{"value":5,"relation":"eq"}`
	return []feature{
		{name: "all of it", want: every, total: five},
		{name: "a page", beside: `"size":2,"from":1`, want: "e=3 a=1", total: five},
		{name: "a page by the URL", query: "size=2&from=2", want: "a=1 c=0.36787945"},
		{name: "the URL wins over the body", beside: `"size":3`, query: "size=1", want: "b=5"},
		{name: "a page beyond the end", beside: `"from":4`, want: "", total: five},
		{name: "no hits, only counts", beside: `"size":0,"aggs":{"t":{"terms":{"field":"tag"}}}`, want: "", total: five, same: "aggregations"},
		{name: "a window", more: `,"rank_window_size":2`, want: "b=5 a=1", total: five},
		{name: "a window in a string", more: `,"rank_window_size":"2"`, want: "b=5 a=1"},
		{name: "a first stage with an order of its own", child: `{"standard":{"query":{"match_all":{}},"sort":[{"n":{"order":"desc","mode":"min"}}]}}`, more: `,"rank_window_size":3`, want: "e=3 c=0.36787945"},
		{name: "a filter", more: `,"filter":{"term":{"tag":"x"}}`, want: "e=3 a=1 c=0.36787945", total: `{"value":3,"relation":"eq"}`},
		{name: "a list of filters", more: `,"filter":[{"term":{"tag":"x"}},{"range":{"n":{"gt":1}}}]`, want: "e=3 c=0.36787945", total: `{"value":2,"relation":"eq"}`},
		{name: "filters on both", child: `{"standard":{"query":{"match":{"title":"apple"}},"filter":{"term":{"tag":"x"}}}}`, more: `,"filter":{"range":{"n":{"lt":4}}}`, want: "a=1 c=0.36787945"},
		{name: "a filter on vectors", child: `{"knn":{"field":"v","query_vector":[0,0],"k":3,"num_candidates":5}}`, more: `,"filter":{"term":{"tag":"x"}}`, want: "e=3 a=1 c=0.36787945"},
		{name: "vectors", child: `{"knn":{"field":"v","query_vector":[0,0],"k":2,"num_candidates":5}}`, want: "b=5 a=1"},
		{name: "a rescorer", child: `{"rescorer":{"retriever":` + all + `,"rescore":{"window_size":5,"query":{"rescore_query":{"range":{"n":{"gte":3,"lte":3}}},"query_weight":0}}}}`, more: `,"rank_window_size":1`, want: "c=0.36787945"},
		{name: "a least raw score", more: `,"min_score":0.5`, want: "b=5 e=3", total: `{"value":2,"relation":"eq"}`},
		{name: "a least raw score below zero", more: `,"min_score":-0.5`, want: "b=5 e=3 a=1"},
		{name: "a least score in a string", more: `,"min_score":"2"`, want: "b=5 e=3"},
		{name: "a least score that none has", more: `,"min_score":1000`, want: "", total: `{"value":0,"relation":"eq"}`},
		{name: "a least shown score", beside: `"min_score":1.5`, want: "b=5 e=3", total: `{"value":2,"relation":"eq"}`},
		{name: "a least score of the first stage", child: `{"standard":{"query":{"constant_score":{"filter":{"term":{"tag":"y"}},"boost":3}},"min_score":2}}`, want: "b=5"},
		{name: "no count", beside: `"track_total_hits":false`, want: every, check: noTotal},
		{name: "a full count", beside: `"track_total_hits":true`, want: every, total: five},
		{name: "a count up to a limit", beside: `"track_total_hits":2`, want: every, total: `{"value":2,"relation":"gte"}`},
		{name: "a count by the URL", query: "track_total_hits=3", want: every, total: `{"value":3,"relation":"gte"}`},
		{name: "a count as a number", query: "rest_total_hits_as_int=true", want: every, total: `5`},
		{name: "nothing matches", child: `{"standard":{"query":{"match":{"title":"zebra"}}}}`, want: "", total: `{"value":0,"relation":"eq"}`, check: noBestScore},
	}
}

// parts are searches that want more of the hits, or come in another way.
func parts() []feature {
	return []feature{
		{name: "the source, in the cluster's own spelling", child: apple, beside: `"_source":true`, want: every, same: "spelling"},
		{name: "no source", beside: `"_source":false`, want: every, check: noSource},
		{name: "some of the source", beside: `"_source":["title","n"]`, want: every, same: "hits"},
		{name: "the source without the text", beside: `"_source":{"excludes":["score"]}`, want: every, same: "hits"},
		{name: "no source by the URL", query: "_source=false", want: every, check: noSource},
		{name: "some of the source by the URL", query: "_source_includes=ti*", beside: `"size":10`, want: every, same: "hits"},
		{name: "the source without the text by the URL", query: "_source_excludes=score,v", beside: `"size":10`, want: every, same: "hits"},
		{name: "other fields", beside: `"fields":["n","day"],"_source":false`, want: every, same: "hits"},
		{name: "the text among the fields", beside: `"fields":["score"],"_source":false`, want: every, same: "hits"},
		{name: "the text by a pattern", beside: `"fields":["sc*","n"],"_source":false`, want: every, same: "hits"},
		{name: "stored values", beside: `"docvalue_fields":["n",{"field":"day","format":"yyyy"}],"_source":false`, want: every, same: "hits"},
		{name: "no fields that were not asked for", beside: `"_source":false`, want: every, check: noFields},
		{name: "highlights", child: apple, beside: `"highlight":{"fields":{"title":{}}},"_source":false`, want: every, same: "hits"},
		{name: "versions", child: apple, beside: `"version":true,"seq_no_primary_term":true`, want: every, same: "hits"},
		{name: "names of queries", child: `{"standard":{"query":{"match":{"title":{"query":"red","_name":"by title"}}}}}`, beside: `"size":10`, want: "a=1", same: "hits"},
		{name: "suggestions", beside: `"suggest":{"s":{"text":"aple","term":{"field":"title","min_word_length":3}}}`, want: every, same: "suggest"},
		{name: "aggregations", child: apple, beside: `"aggs":{"t":{"terms":{"field":"tag"},"aggs":{"s":{"sum":{"field":"n"}}}},"d":{"date_histogram":{"field":"day","calendar_interval":"day"}}}`, want: every, same: "aggregations"},
		{name: "aggregations with types", query: "typed_keys=true", beside: `"aggregations":{"t":{"terms":{"field":"tag"}}}`, want: every, same: "aggregations"},
		{name: "explain and profile switched off", beside: `"explain":false,"profile":false`, want: every},
		{name: "a timeout", beside: `"timeout":"10s"`, want: every},
		{name: "routing and preference", query: "preference=_local&routing=r", want: every},
		{name: "a packed body", pack: true, want: every},
		{name: "a packed answer", header: []string{"Accept-Encoding", "gzip"}, want: every},
		{name: "GET with a body", method: http.MethodGet, want: every},
		{name: "a slash at the end", path: "/e2e-items/_search/", want: every},
		{name: "an escaped index", path: "/e2e%2Ditem%73/_search", want: every},
		{name: "an index by date", path: "/%3Ce2e-logs-%7B2024.01.02%7C%7C%2Fd%7D%3E/_search", want: "1=2"},
		{name: "an alias of two indices", path: "/e2e-fruit/_search", want: every, total: `{"value":6,"relation":"eq"}`},
		{name: "two indices", path: "/e2e-items,e2e-others/_search", child: apple, want: every, total: `{"value":6,"relation":"eq"}`},
		{name: "a pattern of indices", path: "/e2e-it*/_search", want: every},
		{name: "an absent index, ignored", path: "/e2e-items,e2e-absent/_search", query: "ignore_unavailable=true", want: every},
		{name: "the vendor's type", header: []string{"Content-Type", fmt.Sprintf(vendorType, 8), "Accept", fmt.Sprintf(vendorType, 8)}, want: every},
	}
}

func noSource(t *testing.T, got found) {
	t.Helper()
	for _, h := range got.Hits.Hits {
		if h.Source != nil {
			t.Errorf("hit %s has a source: %s", h.ID, h.Source)
		}
	}
}

func noTotal(t *testing.T, got found) {
	t.Helper()
	if got.Hits.Total != nil {
		t.Errorf("total = %s, want none", got.Hits.Total)
	}
}

func noBestScore(t *testing.T, got found) {
	t.Helper()
	if got.Hits.MaxScore != nil {
		t.Errorf("max_score = %v, want null", *got.Hits.MaxScore)
	}
}

func noFields(t *testing.T, got found) {
	t.Helper()
	for _, h := range got.Hits.Hits {
		if h.Fields != nil {
			t.Errorf("hit %s has fields %s", h.ID, h.Fields)
		}
	}
}

// values are searches that take the text from fields of other kinds.
func values() []feature {
	return []feature{
		{name: "an unknown field", field: "nope", want: "", total: `{"value":5,"relation":"eq"}`},
		{name: "an object", field: "*", want: ""},
		{name: "several values: the first counts", field: "multi", want: "b=4 a=2"},
		{name: "an integer", field: "n", want: "e=6 d=5 c=4 b=3 a=2"},
		{name: "a double", field: "dbl", want: "e=8 a=3.5 b=0.2865048"},
		{name: "a boolean", field: "flag", want: "a=1.25 b=1.2"},
		{name: "a date", field: "day", more: `,"filter":{"term":{"n":1}}`, want: "a=1.0416666"},
		{name: "a keyword; one that is too long has no value", field: "code", want: "c=8 a=6"},
		{name: "a second form of a field", field: "score.raw", want: every},
		{name: "another name of a field", field: "ali", want: every},
	}
}

func TestAnUnknownEndpointIsNotFoundUnlessTheRequestIsLenient(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	nothing := `{"standard":{"query":{"match":{"title":"zebra"}}}}`
	for name, child := range map[string]string{"with hits": apple, "without hits": nothing} {
		a := send(t, http.MethodPost, p.url+"/e2e-items/_search", `{"retriever":`+reranker("no-such", "q", "score", child, "")+`}`)
		e := wantError(t, a, http.StatusNotFound, "Inference endpoint not found [no-such]")
		if e.Error.Type != "status_exception" || len(e.Error.Suppressed) != 1 || e.Error.Suppressed[0].CausedBy.Type != "resource_not_found_exception" {
			t.Errorf("%s: not the original's form: %s", name, a)
		}
	}
	plain, _ := search(t, cluster(t).URL+"/e2e-items/_search", `{"retriever":`+apple+`}`)
	got, a := search(t, p.url+"/e2e-items/_search", `{"retriever":`+reranker("no-such", "q", "score", apple, `,"allow_rerank_failures":true`)+`}`)
	if d := cmp.Diff(plain.ids(), got.ids()); d != "" {
		t.Errorf("the lenient answer is not in first-stage order:\n%s", d)
	}
	if d := cmp.Diff([]float32{1, 0.5, 1. / 3, 0.25, 0.2}, got.scores(t)); d != "" {
		t.Errorf("scores:\n%s", d)
	}
	if outcome := a.Header.Get("X-Rerankd-Outcome"); !strings.HasPrefix(outcome, "degraded; reason=") {
		t.Errorf("X-Rerankd-Outcome = %q", outcome)
	}
}

func TestTheDefaultsAreThirtyCandidatesAndTenHits(t *testing.T) {
	documents := make([]document, 40)
	for i := range documents {
		documents[i] = document{fmt.Sprint(i), fmt.Appendf(nil, `{"score":"%d","n":%d}`, i, i)}
	}
	index(t, "e2e-forty", `{}`, documents...)
	p := startProxy(t, nil)
	child := `{"standard":{"query":{"match_all":{}},"sort":["n"]}}`
	got, a := search(t, p.url+"/e2e-forty/_search", `{"retriever":{"text_similarity_reranker":{"inference_text":"q","field":"score","retriever":`+child+`}}}`)
	if d := cmp.Diff(strings.Fields("29 28 27 26 25 24 23 22 21 20"), got.ids()); d != "" {
		t.Errorf("the best ten of the first thirty:\n%s\n%s", d, a)
	}
	got, _ = search(t, p.url+"/e2e-forty/_search", `{"retriever":`+reranker(mock, "q", "score", child, `,"rank_window_size":35`)+`}`)
	if len(got.ids()) != 35 || got.ids()[0] != "34" {
		t.Errorf("a window of 35 gives %v", got.ids())
	}
}

// The program filters the final answer itself, by the cluster's rules. A search
// with one hit looks the same with and without a reranker, but for its scores.
func TestFilterPathKeepsWhatTheClusterKeeps(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	const (
		child = `{"standard":{"query":{"ids":{"values":["a"]}}}}`
		aggs  = `"aggs":{"t":{"terms":{"field":"tag"}},"u":{"max":{"field":"n"}}}`
	)
	for _, paths := range []string{
		"hits", "hits.hits._id", "hits.hits._score,took", "hits.total", "hits.total.value", "hits.hits._source.t*",
		"**._id", "**.value", "*.*.e*", "aggregations.*.buckets.key", "hits.hits", "hits.hits._source.multi", "nothing", "hits.nothing",
		"-hits", "-hits.hits._source", "-**._source,hits.hits", "hits.**,-hits.hits._source.v", "took,timed_out,-took", "", "hits.hits._source",
		"**", "*", "aggregations,-aggregations.t", " hits.total , took",
	} {
		t.Run(paths, func(t *testing.T) {
			path := "/e2e-items/_search?filter_path=" + url.QueryEscape(paths)
			want := send(t, http.MethodPost, cluster(t).URL+path, `{"retriever":`+child+`,`+aggs+`}`)
			got := send(t, http.MethodPost, p.url+path, `{"retriever":`+reranker(mock, "q", "score", child, "")+`,`+aggs+`}`)
			if want.Status != got.Status {
				t.Fatalf("the cluster: %s\nthe program: %s", want, got)
			}
			score := regexp.MustCompile(`"(_score|max_score|took)":[\d.]+`)
			if d := cmp.Diff(score.ReplaceAllString(string(want.Body), `"$1":0`), score.ReplaceAllString(string(got.Body), `"$1":0`)); d != "" {
				t.Errorf("the cluster (-) and the program (+):\n%s", d)
			}
		})
	}
}
