package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// treeBody holds two leaves and two rerankers, one above the other.
const treeBody = `{"retriever":{"text_similarity_reranker":{"field":"text","inference_text":"q","retriever":{"rrf":{"retrievers":[
	{"text_similarity_reranker":{"field":"text","inference_text":"q","retriever":{"standard":{"query":{"match":{"text":"x"}}}}}},
	{"standard":{"query":{"match_all":{}}}}]}}}},"size":3}`

// leaf is the answer to one leaf's search: documents with a text of as many bytes
// as their id says.
func leaf(docs ...int) string {
	hits := make([]string, len(docs))
	for i, n := range docs {
		hits[i] = fmt.Sprintf(`{"_index":"docs","_id":"%d","_score":%d,"sort":[%d,%d],"fields":{"text":[%q]}}`,
			n, len(docs)-i, len(docs)-i, n, strings.Repeat("x", n))
	}
	return `{"pit_id":"NEWER","took":1,"hits":{"hits":[` + strings.Join(hits, ",") + `]},"status":200}`
}

// wooded is a cluster that answers the searches of treeBody's leaves; answer may
// take a request's answer into its own hands.
func wooded(t *testing.T, answer func(w http.ResponseWriter, r *http.Request) bool) (*httptest.Server, func() []string) {
	t.Helper()
	return phased(t, func(w http.ResponseWriter, r *http.Request) bool {
		if answer != nil && answer(w, r) {
			return true
		}
		if r.URL.Path != "/_msearch" {
			return false
		}
		_, _ = io.WriteString(w, `{"took":3,"responses":[`+leaf(1, 2, 3)+`,`+leaf(4, 2)+`]}`)
		return true
	})
}

func TestATreeIsOneMultiSearchForItsLeavesAndOneSearchForItsAnswer(t *testing.T) {
	node, asked := wooded(t, nil)
	b := start(t, []string{node.URL}, nil)
	a := send(t, http.MethodPost, b.url+"/docs/_search?preference=p", treeBody)
	if a.Status != 200 || strings.Contains(string(a.Body), "pit_id") {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	want := []string{"POST /docs/_pit", "POST /_msearch PIT", "POST /_search NEWER", "DELETE /_pit PIT"}
	if diff := cmp.Diff(want, lines(asked())); diff != "" {
		t.Error(diff)
	}
	if first := asked()[0]; !strings.Contains(first, "preference=p") {
		t.Errorf("opened by %s", first)
	}
	// The longest of the four documents of either leaf, once each.
	final := asked()[2]
	last := -1
	for _, clause := range []string{`"boost":5.0,"filter":{"bool":{"filter":[{"term":{"_index":"docs"}},{"ids":{"values":["4"]`, `"boost":4.0`, `"boost":3.0`, `"boost":2.0`} {
		at := strings.Index(final, clause)
		if at <= last {
			t.Errorf("no %s in its place in %s", clause, final)
		}
		last = at
	}
	if !strings.Contains(final, `{"match":{"text":"x"}}`) || !strings.Contains(final, `{"match_all":{}}`) {
		t.Errorf("the final search matches less than the leaves: %s", final)
	}
	b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeOK, "passages": 7.0})
}

func TestEveryFailureInATreeClosesThePointInTime(t *testing.T) {
	refuse := func(path string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	failedLeaf := `{"error":{"root_cause":[{"type":"x"}],"type":"search_phase_execution_exception","reason":"all shards failed","caused_by":{"type":"y"}},"status":503}`
	boom := func(context.Context, string, []string) ([]float32, error) { return nil, fmt.Errorf("boom") }
	for _, f := range []failedSearch{
		{"refused leaves", refuse("/_msearch", 400, `{"error":{"type":"x"},"status":400}`), byLength, 400, `{"error":{"type":"x"},"status":400}`, 3},
		{"a failed leaf", refuse("/_msearch", 200, `{"responses":[`+leaf(1)+`,`+failedLeaf+`]}`), byLength, 503, `[rrf] search failed - retrievers '[standard]' returned errors`, 3},
		{"the reranker's own leaf", refuse("/_msearch", 200, `{"responses":[`+failedLeaf+`,`+failedLeaf+`]}`), byLength, 503, `[text_similarity_reranker] search failed - retrievers '[standard]' returned errors`, 3},
		{"an answer for too few leaves", refuse("/_msearch", 200, `{"responses":[`+leaf(1)+`]}`), byLength, 502, "can't read", 3},
		{"a leaf without a point in time", refuse("/_msearch", 200, `{"responses":[`+leaf(1)+`,{"hits":{"hits":[]}}]}`), byLength, 502, "can't read", 3},
		{"a refused final search", refuse("/_search", 400, `{"error":{"type":"x"},"status":400}`), byLength, 400, `{"error":{"type":"x"},"status":400}`, 4},
		{"a failing model", nil, boom, 400, "[text_similarity_reranker] search failed - retrievers '[standard]' returned errors", 3},
	} {
		t.Run(f.name, func(t *testing.T) { f.check(t, wooded, treeBody) })
	}
}

func TestRerankersThatFailKeepTheOrderBelowThem(t *testing.T) {
	node, asked := wooded(t, nil)
	b := start(t, []string{node.URL}, failing(func(context.Context, string, []string) ([]float32, error) {
		return nil, fmt.Errorf("boom")
	}))
	a := send(t, http.MethodPost, b.url+"/docs/_search", treeBody)
	if a.Status != 200 || a.Header.Get(outcomeHeader) != "degraded; reason=model_error" {
		t.Errorf("status %d, outcome %q: %s", a.Status, a.Header.Get(outcomeHeader), a.Body)
	}
	// 2 stands in both lists, 1 and 4 lead one each.
	final := asked()[2]
	for _, clause := range []string{`"boost":1.0,"filter":{"bool":{"filter":[{"term":{"_index":"docs"}},{"ids":{"values":["2"]`, `"boost":0.5,"filter":{"bool":{"filter":[{"term":{"_index":"docs"}},{"ids":{"values":["1"]`} {
		if !strings.Contains(final, clause) {
			t.Errorf("no %s in %s", clause, final)
		}
	}
}

func TestClientLeavingATreeClosesThePointInTime(t *testing.T) {
	begun, closed := make(chan struct{}), make(chan struct{})
	node, _ := wooded(t, func(_ http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodDelete:
			close(closed)
		case r.URL.Path == "/_msearch":
			close(begun)
			<-r.Context().Done()
			return true
		}
		return false
	})
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	if _, err := io.WriteString(conn, rawSearch(treeBody)); err != nil {
		t.Fatal(err)
	}
	wait(t, begun, "the leaves to be searched")
	_ = conn.Close()
	wait(t, closed, "the point in time to be closed")
	b.logs.waitFor(t, map[string]any{"msg": "search", "status": 499.0, "outcome": OutcomeClientGone})
}

func TestFusionsWithoutARerankerAreTheClustersUnlessSwitchedOn(t *testing.T) {
	fusion := `{"retriever":{"rrf":{"retrievers":[{"standard":{}},{"standard":{"query":{"match_all":{}}}}]}}}`
	for _, alone := range []bool{false, true} {
		node, asked := wooded(t, nil)
		b := start(t, []string{node.URL}, func(o *Options) { o.Retriever.FuseAlone = alone })
		send(t, http.MethodPost, b.url+"/docs/_search", fusion)
		want := []string{"POST /docs/_search"}
		if alone {
			want = []string{"POST /docs/_pit", "POST /_msearch PIT", "POST /_search NEWER", "DELETE /_pit PIT"}
		}
		if diff := cmp.Diff(want, lines(asked())); diff != "" {
			t.Errorf("switched on: %v: %s", alone, diff)
		}
	}
}
