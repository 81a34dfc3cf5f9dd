package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Documents that the reranker finds equal and the first stage does not, over
// several shards: one search must give them in the order that the cluster itself
// gives in the second of two phases.
func TestEqualScoresAreOrderedAlikeInBothPlans(t *testing.T) {
	var documents []document
	for i := range 60 {
		documents = append(documents, document{
			ID:     fmt.Sprintf("t%02d", i),
			Source: fmt.Appendf(nil, `{"score":"%d","title":"tie %s"}`, i%3, strings.Repeat("word ", i*7%11)),
		})
	}
	index(t, "e2e-ties", `{"settings":{"number_of_shards":3,"number_of_replicas":0},"mappings":{"properties":{"score":{"type":"text"},"title":{"type":"text"}}}}`, documents...)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), nil)
	tie := `{"standard":{"query":{"match":{"title":"tie word"}}}}`
	for _, tc := range []struct {
		name, beside string
		asked        int
	}{
		{"a page of equal scores", `"size":20`, 2},
		{"a page that ends among them", `"size":5,"from":17`, 2},
		{"no page", `"size":0`, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := func(more string) string {
				return `{"retriever":` + scoring(tie, `,"rank_window_size":60`) + `,"_source":false,` + tc.beside + more + `}`
			}
			r.take()
			one, _ := search(t, p.url+"/e2e-ties/_search", body(""))
			// The point in time of the case before may be closed only now.
			if n := strings.Count(strings.Join(r.requests(t), " "), "/e2e-ties/_search"); n != tc.asked {
				t.Errorf("the cluster was asked %d times, want %d: %v", n, tc.asked, r.requests(t))
			}
			two, _ := search(t, p.url+"/e2e-ties/_search", body(`,"explain":true`))
			if d := cmp.Diff(two.list(t), one.list(t)); d != "" {
				t.Errorf("in two phases (-) and in one search (+):\n%s", d)
			}
		})
	}
	t.Run("where the first stage finds them equal, too", func(t *testing.T) {
		r.take()
		send(t, http.MethodPost, p.url+"/e2e-ties/_search", `{"retriever":`+scoring(all, `,"rank_window_size":60`)+`}`)
		if n := strings.Count(strings.Join(r.requests(t), " "), "/e2e-ties/_search"); n != 1 {
			t.Errorf("the cluster was asked %d times, want once: %v", n, r.requests(t))
		}
	})
}
