package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// One search and two phases are two ways to the same answer. Asking for an
// explanation forces the second way and adds nothing but the explanation.
func TestBothPlansGiveTheSameAnswer(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), nil)
	compared := 0
	for _, f := range append(append(pages(), parts()...), values()...) {
		if strings.Contains(f.beside, `"explain"`) || f.pack || f.method != "" {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			path := "/e2e-items/_search"
			if f.path != "" {
				path = f.path
			}
			if f.query != "" {
				path += "?" + f.query
			}
			r.take()
			one := send(t, http.MethodPost, p.url+path, f.body())
			asked := slices.DeleteFunc(r.requests(t), func(line string) bool {
				return strings.HasPrefix(line, "DELETE /_pit") // of the case before
			})
			if len(asked) != 1 {
				t.Fatalf("the cluster was asked %d times, want once: %v", len(asked), asked)
			}
			explained := strings.TrimSuffix(f.body(), "}") + `,"explain":true}`
			two := send(t, http.MethodPost, p.url+path, explained)
			if one.Status != http.StatusOK || two.Status != http.StatusOK {
				t.Fatalf("%s\nin one search: %s\nin two phases: %s", explained, one, two)
			}
			if d := cmp.Diff(visible(t, one.Body), visible(t, two.Body)); d != "" {
				t.Errorf("%s\nin one search (-) and in two phases (+):\n%s", explained, d)
			}
		})
		compared++
	}
	if compared < 50 {
		t.Errorf("%d searches compared, want at least 50", compared)
	}
}

// visible is an answer without its time and what an explanation brings along.
func visible(t *testing.T, body []byte) map[string]any {
	t.Helper()
	a, _ := exact(t, body).(map[string]any)
	delete(a, "took")
	hits, _ := a["hits"].(map[string]any)
	list, _ := hits["hits"].([]any)
	for _, item := range list {
		hit, _ := item.(map[string]any)
		for _, name := range []string{"_explanation", "_shard", "_node"} {
			delete(hit, name)
		}
	}
	return a
}

func TestSearchesOfTwoPhasesSeeTheRerankedOrder(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	before := openContexts(t)
	for _, tc := range []struct {
		name, more, beside string
		want               string
		holds              []string // parts of the answer
	}{
		{"the best of each group", "", `"collapse":{"field":"tag"}`, "b=5 e=3", nil},
		{"a filter after the order", "", `"post_filter":{"term":{"tag":"x"}},"aggs":{"t":{"terms":{"field":"tag"}}}`, "e=3 a=1 c=0.36787945", []string{`{"key":"y","doc_count":2}`}},
		{"an explanation", "", `"explain":true,"size":1`, "b=5", []string{"text_similarity_reranker match using inference endpoint: [mock] on document field: [score]"}},
		{"a profile", "", `"profile":true,"size":1`, "b=5", []string{`"profile":{"shards":[`}},
		{"no stored fields", "", `"stored_fields":["_none_"],"_source":false`, "=5 =3 =1 =0.36787945", nil},
		{"hits in an aggregation, by their new scores", "", `"size":1,"aggs":{"t":{"terms":{"field":"tag","order":{"_key":"asc"}},"aggs":{"h":{"top_hits":{"size":1,"_source":false}}}}}`, "b=5", []string{`"_id":"e","_score":3.0`, `"_id":"b","_score":5.0`}},
		{"an aggregation with a least score", `,"min_score":0.5`, `"aggs":{"n":{"value_count":{"field":"tag"}}}`, "b=5 e=3", []string{`"aggregations":{"n":{"value":2}}`}},
		{"the reranker's name", `,"_name":"mine"`, `"size":1`, "b=5", []string{`"matched_queries":["mine"]`}},
		{"the text in another form", "", `"size":1,"_source":false,"docvalue_fields":["score.raw"],"fields":[{"field":"score"}]`, "b=5", []string{`"score":["4"]`, `"score.raw":["4"]`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := feature{more: tc.more, beside: tc.beside}.body()
			got, a := search(t, p.url+"/e2e-items/_search", body)
			var list []string
			for i, id := range got.ids() {
				list = append(list, fmt.Sprintf("%s=%v", id, got.scores(t)[i]))
			}
			if s := strings.Join(list, " "); s != tc.want {
				t.Errorf("%s\ngot  %s\nwant %s", body, s, tc.want)
			}
			for _, part := range tc.holds {
				if !strings.Contains(string(a.Body), part) {
					t.Errorf("%s\nno %s in %s", body, part, a)
				}
			}
			if strings.Contains(string(a.Body), `"pit_id"`) {
				t.Errorf("the point in time of the program is shown: %s", a)
			}
		})
	}
	// A failing search must give its point in time back as well.
	send(t, http.MethodPost, p.url+"/e2e-items/_search", feature{beside: `"explain":true,"aggs":{"bad":{"terms":{}}}`}.body())
	send(t, http.MethodPost, p.url+"/e2e-items/_search", strings.Replace(feature{beside: `"explain":true`}.body(), mock, "none", 1))
	eventually(t, "every point in time is closed", func() (bool, string) {
		now := openContexts(t)
		return now <= before, fmt.Sprintf("%d open, %d before", now, before)
	})
}

// openContexts counts the points in time that the cluster holds.
func openContexts(t *testing.T) (open int) {
	t.Helper()
	a := send(t, http.MethodGet, cluster(t).URL+"/_nodes/stats/indices/search?filter_path=nodes.*.indices.search.open_contexts", "")
	var stats struct {
		Nodes map[string]struct {
			Indices struct {
				Search struct {
					Open int `json:"open_contexts"`
				} `json:"search"`
			} `json:"indices"`
		} `json:"nodes"`
	}
	if err := json.Unmarshal(a.Body, &stats); err != nil || len(stats.Nodes) == 0 {
		t.Fatalf("read the cluster's statistics: %v, %s", err, a)
	}
	for _, n := range stats.Nodes {
		open += n.Indices.Search.Open
	}
	return open
}

func TestTheCallersOwnPointInTimeIsUsedAndStaysOpen(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	opened := send(t, http.MethodPost, p.url+"/e2e-items/_pit?keep_alive=1m", "")
	id := decode[struct{ ID string }](t, opened.Body).ID
	// What comes later is not in it.
	send(t, http.MethodPut, cluster(t).URL+"/e2e-items/_doc/late?refresh=true", `{"score":"9"}`)
	body := strings.TrimSuffix(feature{}.body(), "}") + fmt.Sprintf(`,"pit":{"id":%q,"keep_alive":"1m"}}`, id)
	for range 2 {
		got, a := search(t, p.url+"/_search", body)
		if d := cmp.Diff(strings.Fields("b e a c"), got.ids()); d != "" {
			t.Error(d)
		}
		if !strings.Contains(string(a.Body), `"pit_id":"`) {
			t.Errorf("the point in time is not named in the answer: %s", a)
		}
	}
	closed := send(t, http.MethodDelete, p.url+"/_pit", fmt.Sprintf(`{"id":%q}`, id))
	if !strings.Contains(string(closed.Body), `"num_freed":1`) {
		t.Errorf("it was closed before: %s", closed)
	}
}
