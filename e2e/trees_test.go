package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

// Leaves with orders that are plain to see, over e2e-items.
const (
	upwards   = `{"standard":{"query":{"match_all":{}},"sort":[{"n":"asc"}]}}`                                          // a b c d e
	tagX      = `{"standard":{"query":{"constant_score":{"filter":{"term":{"tag":"x"}},"boost":2}}}}`                   // a c e, 2 each
	nearest   = `{"knn":{"field":"v","query_vector":[0,0],"k":3,"num_candidates":10}}`                                  // a b c
	byNumber  = `{"standard":{"query":{"function_score":{"field_value_factor":{"field":"n"},"boost_mode":"replace"}}}}` // e d c b a, 5 to 1
	rescoring = `{"window_size":10,"query":{"rescore_query":{"constant_score":{"filter":{"term":{"tag":"y"}},"boost":10}}}}`
)

// scoring is the reranker that reads the scores b=5 e=3 a=1 c=0.36787945.
func scoring(child, more string) string { return reranker(mock, "q", "score", child, more) }

// list is the hits of an answer as id=score …, in order.
func (f found) list(t *testing.T) string {
	t.Helper()
	list := make([]string, len(f.Hits.Hits))
	for i, score := range f.scores(t) {
		list[i] = fmt.Sprintf("%s=%v", f.Hits.Hits[i].ID, score)
	}
	return strings.Join(list, " ")
}

// The distribution that these tests start has no rrf, linear or pinned retriever,
// and its licence grants none of them: what comes back is the program's own work.
func TestTreesOfRetrieversAreExecutedByTheProgram(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	for _, tc := range []struct {
		name, retriever, beside string
		want, total             string
		holds                   []string // parts of the answer
	}{
		{"rrf of a reranker and a sort", `{"rrf":{"retrievers":[` + scoring(all, "") + `,` + upwards + `]}}`, "", "b=0.032522473 a=0.03226646 e=0.031513646 c=0.031498015 d=0.015625", `{"value":5,"relation":"eq"}`, nil},
		{"rrf with weights and a constant", `{"rrf":{"rank_constant":1,"retrievers":[{"retriever":` + scoring(all, "") + `,"weight":2},{"retriever":` + upwards + `,"weight":0.5}]}}`, "", "b=1.1666666 a=0.75 e=0.75 c=0.525 d=0.1", "", nil},
		{"linear of rerankers, with normalizers", `{"linear":{"retrievers":[{"retriever":` + scoring(all, "") + `,"normalizer":"minmax","weight":2},{"retriever":` + tagX + `}]}}`, "", "e=3.1364646 a=2.2729292 b=2 c=2", `{"value":5,"relation":"eq"}`, nil},
		{"linear with one normalizer for all", `{"linear":{"normalizer":"minmax","retrievers":[{"retriever":` + scoring(all, "") + `},{"retriever":` + tagX + `,"weight":3}]}}`, "", "e=3.5682323 a=3.1364646 c=3 b=1", "", nil},
		{"linear with a least score", `{"linear":{"min_score":2.5,"retrievers":[{"retriever":` + scoring(all, "") + `},{"retriever":` + tagX + `}]}}`, "", "b=5 e=5 a=3", `{"value":3,"relation":"eq"}`, nil},
		{"a reranker over rrf", scoring(`{"rrf":{"rank_window_size":3,"retrievers":[`+upwards+`,`+byNumber+`]}}`, `,"rank_window_size":3`), "", "e=3 a=1 c=0.36787945", `{"value":5,"relation":"eq"}`, nil},
		{"a reranker over linear", scoring(`{"linear":{"retrievers":[{"retriever":`+byNumber+`},{"retriever":`+tagX+`}]}}`, `,"rank_window_size":2`), "", "e=3 c=0.36787945", "", nil},
		{"a reranker over the short form of rrf", scoring(`{"rrf":{"query":"juice green","fields":["title","tag"]}}`, ""), "", "b=5 e=3", `{"value":2,"relation":"eq"}`, nil},
		{"a reranker over the short form of linear", scoring(`{"linear":{"query":"juice","fields":["title^2"],"normalizer":"minmax"}}`, ""), "", "e=3", "", nil},
		{"a reranker over a short form without fields", scoring(`{"rrf":{"query":"juice"}}`, ""), "", "e=3", "", nil},
		{"a reranker over a reranker", scoring(scoring(all, `,"rank_window_size":5`), `,"rank_window_size":2`), "", "b=5 e=3", `{"value":5,"relation":"eq"}`, nil},
		{"pins over a reranker", `{"pinned":{"ids":["d","none","c"],"retriever":` + scoring(all, "") + `}}`, "", "d=1.7014126e+38 c=1.7014122e+38 b=5 e=3 a=1", `{"value":5,"relation":"eq"}`, nil},
		{"pins by index", `{"pinned":{"docs":[{"_index":"e2e-items","_id":"a"},{"_index":"e2e-others","_id":"b"}],"retriever":` + scoring(tagX, "") + `}}`, "", "a=1.7014124e+38 e=3 c=0.36787945", `{"value":3,"relation":"eq"}`, nil},
		{"pins are counted", `{"pinned":{"ids":["b"],"retriever":` + scoring(tagX, "") + `}}`, "", "b=1.7014122e+38 e=3 a=1 c=0.36787945", `{"value":4,"relation":"eq"}`, nil},
		{"a reranker over pins", scoring(`{"pinned":{"ids":["c"],"retriever":`+byNumber+`}}`, `,"rank_window_size":2`), "", "e=3 c=0.36787945", "", nil},
		{"a rescorer over a reranker", `{"rescorer":{"retriever":` + scoring(all, "") + `,"rescore":` + rescoring + `}}`, "", "b=15 e=3 a=1 c=0.36787945", `{"value":5,"relation":"eq"}`, nil},
		{"two rescorers over one another", `{"rescorer":{"retriever":{"rescorer":{"retriever":` + scoring(all, "") + `,"rescore":` + rescoring + `}},"rescore":[` + rescoring + `]}}`, "", "b=25 e=3 a=1 c=0.36787945", "", nil},
		{"a rescorer over a leaf beside a reranker", `{"linear":{"retrievers":[{"retriever":` + scoring(all, "") + `},{"retriever":{"rescorer":{"retriever":` + tagX + `,"rescore":` + strings.Replace(rescoring, `"y"`, `"x"`, 1) + `}}}]}}`, "", "e=15 a=13 c=12.36788 b=5", "", nil},
		{"nearest vectors beside a reranker", `{"rrf":{"retrievers":[` + scoring(all, "") + `,` + nearest + `]}}`, "", "b=0.032522473 a=0.03226646 c=0.031498015 e=0.016129032", `{"value":5,"relation":"eq"}`, nil},
		{"a filter above reaches every leaf", `{"rrf":{"filter":{"term":{"tag":"y"}},"retrievers":[` + scoring(all, "") + `,` + nearest + `]}}`, "", "b=0.032786883 d=0.016129032", `{"value":2,"relation":"eq"}`, nil},
		{"a least score of a reranker below", `{"linear":{"retrievers":[{"retriever":` + scoring(all, `,"min_score":1`) + `}]}}`, "", "b=5 e=3", `{"value":2,"relation":"eq"}`, nil},
		{"equal scores in the order of the documents", `{"linear":{"retrievers":[{"retriever":` + scoring(all, `,"min_score":99`) + `},{"retriever":` + tagX + `}]}}`, "", "a=2 c=2 e=2", "", nil},
		{"a collapsing leaf", scoring(`{"standard":{"query":{"match_all":{}},"collapse":{"field":"tag"}}}`, ""), "", "b=5 a=1", `{"value":5,"relation":"eq"}`, nil},
		{"a page", `{"rrf":{"retrievers":[` + scoring(all, "") + `,` + upwards + `]}}`, `"from":1,"size":2`, "a=0.03226646 e=0.031513646", "", nil},
		{"a page beyond", `{"rrf":{"retrievers":[` + scoring(all, "") + `]}}`, `"from":4,"size":2`, "", `{"value":5,"relation":"eq"}`, nil},
		{"the best of each group", `{"rrf":{"retrievers":[` + scoring(all, "") + `]}}`, `"collapse":{"field":"tag","inner_hits":{"name":"g","_source":false}}`, "b=0.016393442 e=0.016129032", "", []string{`"inner_hits":{"g"`}},
		{"aggregations over all that matches", `{"rrf":{"retrievers":[` + scoring(tagX, "") + `,` + nearest + `],"rank_window_size":1}}`, `"aggs":{"t":{"terms":{"field":"tag"}}}`, "a=0.016393442", `{"value":4,"relation":"eq"}`, []string{`{"key":"x","doc_count":3}`, `{"key":"y","doc_count":1}`}},
		{"a filter after the order", `{"rrf":{"retrievers":[` + scoring(all, "") + `]}}`, `"post_filter":{"term":{"tag":"x"}}`, "e=0.016129032 a=0.015873017 c=0.015625", "", nil},
		{"a highlight of the leaves' words", `{"rrf":{"retrievers":[` + scoring(apple, "") + `]}}`, `"size":1,"highlight":{"fields":{"title":{}}}`, "b=0.016393442", "", []string{`green <em>apple</em>`}},
		{"the names of the retrievers", `{"linear":{"_name":"fused","retrievers":[{"retriever":` + scoring(all, `,"_name":"first"`) + `}]}}`, `"size":1`, "b=5", "", []string{`"matched_queries":["fused","first"]`}},
		{"an explanation", `{"rrf":{"retrievers":[` + scoring(tagX, `,"_name":"first"`) + `,` + nearest + `]}}`, `"size":1,"explain":true`, "a=0.032522473", "", []string{
			`"description":"rrf score: [0.032522473] computed for initial ranks [2, 1] with rankConstant: [60] as sum of [1 / (rank + rankConstant)] for each query"`,
			`"description":"rrf score: [0.016129032], for rank [2] in query at index [0] [first] computed as [1 / (2 + 60)], for matching query with score","details":[{"value":1.0,"description":"text_similarity_reranker match using inference endpoint: [mock] on document field: [score] matching on source query ","details":[{"value":2.0`,
		}},
		{"no total", `{"rrf":{"retrievers":[` + scoring(all, "") + `]}}`, `"track_total_hits":false,"size":1`, "b=0.016393442", "", nil},
		{"nothing matches", scoring(`{"rrf":{"retrievers":[{"standard":{"query":{"term":{"tag":"none"}}}}]}}`, ""), "", "", `{"value":0,"relation":"eq"}`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := `{"retriever":` + tc.retriever + `}`
			if tc.beside != "" {
				body = `{"retriever":` + tc.retriever + `,` + tc.beside + `}`
			}
			got, a := search(t, p.url+"/e2e-items/_search", body)
			if list := got.list(t); list != tc.want {
				t.Errorf("%s\n got %s\nwant %s", body, list, tc.want)
			}
			if tc.total != "" && string(got.Hits.Total) != tc.total {
				t.Errorf("%s\ntotal = %s, want %s", body, got.Hits.Total, tc.total)
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
}

// A tree takes the same four round trips as every search in two phases, however
// many leaves and rerankers it has; a rescorer above one takes one more.
func TestATreeTakesFourRoundTripsAndOneForEachRescorerAboveAReranker(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), nil)
	wide := `{"linear":{"retrievers":[{"retriever":` + scoring(scoring(all, ""), "") + `},{"retriever":` + nearest + `},{"retriever":{"rrf":{"retrievers":[` + upwards + `,` + scoring(tagX, "") + `]}}}]}}`
	for _, tc := range []struct {
		name, retriever string
		want            []string
	}{
		{"four leaves and three rerankers", wide, []string{"POST /e2e-items/_pit", "POST /_msearch", "POST /_search", "DELETE /_pit"}},
		{"a rescorer above", `{"rescorer":{"retriever":` + wide + `,"rescore":` + rescoring + `}}`, []string{"POST /e2e-items/_pit", "POST /_msearch", "POST /_search", "POST /_search", "DELETE /_pit"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.take()
			search(t, p.url+"/e2e-items/_search", `{"retriever":`+tc.retriever+`}`)
			// The point in time is closed when the answer is out.
			eventually(t, "every round trip", func() (bool, string) {
				var lines []string
				for _, one := range r.requests(t) {
					path, _, _ := strings.Cut(one, "?")
					lines = append(lines, path)
				}
				d := cmp.Diff(tc.want, lines)
				return d == "", d
			})
		})
	}
}

func TestFaultsOfTheClusterInATreeAreToldAsElasticsearchTellsThem(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	tree := func(leaf string) string {
		return "{\"retriever\":\n {\"rrf\":{\"retrievers\":[" + upwards + ",\n  " + scoring(leaf, "") + "]}}}"
	}
	for _, tc := range []struct {
		name, leaf string
		want       []string
	}{
		{"a query that there is not", `{"standard":{"query":{"mtach":{}}}}`, []string{
			`"type":"x_content_parse_exception","reason":"[3:133] [rrf] failed to parse field [retrievers]"`,
			`"root_cause":[{"type":"parsing_exception","reason":"unknown query [mtach] did you mean [match]?","line":3,"col":133}]`,
		}},
		{"the same with a filter", `{"standard":{"query":{"mtach":{}},"filter":{"term":{"tag":"x"}}}}`, []string{`[3:133] [standard] failed to parse field [query]`}},
		{"a fault in the filter", `{"standard":{"filter":[{"mtach":{}}]}}`, []string{`[3:135] [standard] failed to parse field [filter]`}},
		{"a fault in a bool of the caller's", `{"standard":{"query":{"bool":{"must":[{"mtach":{}}]}}}}`, []string{`[standard] failed to parse field [query]`, `[bool] failed to parse field [must]`}},
		{"the same with a filter beside it", `{"standard":{"query":{"bool":{"must":[{"mtach":{}}]}},"filter":{"term":{"tag":"x"}}}}`, []string{`[standard] failed to parse field [query]`, `[bool] failed to parse field [must]`}},
		{"a fault in the filter of vectors", `{"knn":{"field":"v","query_vector":[0,0],"k":3,"num_candidates":9,"filter":{"mtach":{}}}}`, []string{`[retriever] failed to parse field [knn]","caused_by":{"type":"x_content_parse_exception","reason":"[3:187] [knn] failed to parse field [filter]","caused_by":{"type":"parsing_exception"`}},
		{"a fault while searching", `{"standard":{"query":{"query_string":{"query":"a AND"}}}}`, []string{
			`"type":"status_exception","reason":"[text_similarity_reranker] search failed - retrievers '[standard]' returned errors. All failures are attached as suppressed exceptions."`,
			`"suppressed":[{`,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := send(t, http.MethodPost, p.url+"/e2e-items/_search", tree(tc.leaf))
			if a.Status != http.StatusBadRequest {
				t.Fatalf("%s", a)
			}
			for _, part := range tc.want {
				if !strings.Contains(string(a.Body), part) {
					t.Errorf("no %s in %s", part, a)
				}
			}
		})
	}
}

func TestFailuresOfARerankerInATree(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, func(c *configs.Config) {
		c.Endpoints = append(c.Endpoints, configs.Endpoint{ID: "broken", Model: breakingModel(t)})
	})
	broken := func(more string) string { return reranker("broken", "q", "score", upwards, more) }
	t.Run("its error names it", func(t *testing.T) {
		body := `{"retriever":{"rrf":{"retrievers":[` + reranker("nope", "q", "score", upwards, "") + `,` + upwards + `]}}}`
		a := send(t, http.MethodPost, p.url+"/e2e-items/_search", body)
		if a.Status != http.StatusNotFound || !strings.Contains(string(a.Body), "Inference endpoint not found [nope]") ||
			!strings.Contains(string(a.Body), "[text_similarity_reranker] search failed - retrievers '[standard]' returned errors") {
			t.Error(a)
		}
	})
	t.Run("the order below stays where it is allowed to fail", func(t *testing.T) {
		body := `{"retriever":{"linear":{"retrievers":[{"retriever":` + broken(`,"allow_rerank_failures":true`) + `},{"retriever":` + scoring(all, "") + `}]}}}`
		got, a := search(t, p.url+"/e2e-items/_search", body)
		if want := "b=5.5 e=3.2 a=2 c=0.70121276 d=0.25"; got.list(t) != want {
			t.Errorf("got %s, want %s", got.list(t), want)
		}
		if outcome := a.Header.Get("X-Rerankd-Outcome"); !strings.HasPrefix(outcome, "degraded") {
			t.Errorf("outcome %q", outcome)
		}
	})
}

// A fusion of one list with itself alone changes nothing about which documents a
// reranker gets. It makes the search a tree, which must have the same answer.
func TestATreeGivesTheAnswerOfThePlainReranker(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	compared := 0
	for _, f := range append(append(pages(), parts()...), values()...) {
		if f.pack || f.method != "" || strings.Contains(f.child, `"rescorer"`) {
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
			tree := f
			if tree.child == "" {
				tree.child = all
			}
			tree.child = `{"rrf":{"rank_window_size":1000,"retrievers":[` + tree.child + `]}}`
			plain, treed := send(t, http.MethodPost, p.url+path, f.body()), send(t, http.MethodPost, p.url+path, tree.body())
			if plain.Status != http.StatusOK || treed.Status != http.StatusOK {
				t.Fatalf("%s\nplain: %s\nas a tree: %s", tree.body(), plain, treed)
			}
			if d := cmp.Diff(visible(t, plain.Body), visible(t, treed.Body)); d != "" {
				t.Errorf("%s\nplain (-) and as a tree (+):\n%s", tree.body(), d)
			}
		})
		compared++
	}
	if compared < 50 {
		t.Errorf("%d searches compared, want at least 50", compared)
	}
}

func TestTreesInOtherFormsOfASearch(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, func(c *configs.Config) { c.Rerank.FusionAlone = true })
	tree := `"retriever":{"rrf":{"retrievers":[` + scoring(all, "") + `,` + upwards + `]}},"_source":false`
	want := strings.Fields("b a e c d")
	t.Run("in a multi search", func(t *testing.T) {
		lines := `{"index":"e2e-items"}` + "\n{" + tree + "}\n" + `{"index":"e2e-items"}` + "\n" + `{"query":{"match_all":{}},"size":1}` + "\n"
		a := send(t, http.MethodPost, p.url+"/_msearch", lines, "Content-Type", "application/x-ndjson")
		got := decode[struct{ Responses []found }](t, a.Body)
		if len(got.Responses) != 2 || len(got.Responses[1].Hits.Hits) != 1 {
			t.Fatal(a)
		}
		if d := cmp.Diff(want, got.Responses[0].ids()); d != "" {
			t.Error(d)
		}
	})
	t.Run("on a point in time of the caller's", func(t *testing.T) {
		opened := send(t, http.MethodPost, p.url+"/e2e-items/_pit?keep_alive=1m", "")
		id := decode[struct{ ID string }](t, opened.Body).ID
		got, a := search(t, p.url+"/_search", fmt.Sprintf(`{%s,"pit":{"id":%q}}`, tree, id))
		if d := cmp.Diff(want, got.ids()); d != "" {
			t.Error(d)
		}
		if !strings.Contains(string(a.Body), `"pit_id":"`) {
			t.Errorf("the point in time is not named in the answer: %s", a)
		}
		closed := send(t, http.MethodDelete, p.url+"/_pit", fmt.Sprintf(`{"id":%q}`, id))
		if !strings.Contains(string(closed.Body), `"num_freed":1`) {
			t.Errorf("it was closed before: %s", closed)
		}
	})
	t.Run("over several indices by an alias", func(t *testing.T) {
		got, _ := search(t, p.url+"/e2e-fruit/_search", `{"retriever":{"linear":{"retrievers":[{"retriever":`+scoring(all, "")+`},{"retriever":`+apple+`,"weight":0}]}}}`)
		if d := cmp.Diff(strings.Fields("b e a c d o"), got.ids()); d != "" {
			t.Error(d)
		}
	})
	t.Run("without a reranker, where that is switched on", func(t *testing.T) {
		got, _ := search(t, p.url+"/e2e-items/_search", `{"retriever":{"rrf":{"retrievers":[`+byNumber+`,`+upwards+`,`+byNumber+`],"rank_constant":1}}}`)
		// 1/2 + 1/6 + 1/2, 1/3 + 1/5 + 1/3, …
		if want := "e=1.1666667 d=0.8666667 a=0.8333334 c=0.75 b=0.73333335"; got.list(t) != want {
			t.Errorf("got %s, want %s", got.list(t), want)
		}
	})
}

func TestFusionsAreLeftToTheClusterWhereConfigured(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), func(c *configs.Config) { c.Rerank.Fusion = configs.FusionCluster })
	for _, tc := range []struct {
		name, retriever, asked string
	}{
		{"below a reranker", scoring(`{"rrf":{"retrievers":[`+all+`,`+upwards+`]}}`, ""), "POST /e2e-items/_search"},
		{"alone", `{"rrf":{"retrievers":[` + all + `,` + upwards + `]}}`, "POST /e2e-items/_search"},
		{"above a reranker, where the cluster can't", `{"rrf":{"retrievers":[` + scoring(all, "") + `]}}`, "POST /e2e-items/_pit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.take()
			send(t, http.MethodPost, p.url+"/e2e-items/_search", `{"retriever":`+tc.retriever+`}`)
			if seen := r.requests(t); len(seen) == 0 || !strings.HasPrefix(seen[0], tc.asked) {
				t.Errorf("the cluster was asked %v, want %s first", seen, tc.asked)
			}
		})
	}
}
