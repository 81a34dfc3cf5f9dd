package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/e2e/conformance"
)

// responses takes a multi search's answer apart, without the time of each.
func responses(t *testing.T, a answer) []map[string]any {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("multi search: %s", a)
	}
	list := decode[struct {
		Responses []map[string]any `json:"responses"`
	}](t, a.Body).Responses
	for _, one := range list {
		delete(one, "took")
	}
	return list
}

// Each search of a multi search gets in its place what it would get alone.
func TestSearchesOfAMultiSearchGetWhatTheyWouldGetAlone(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	searches := []struct{ index, body string }{
		{"e2e-items", `{"query":{"match":{"title":"apple"}},"size":2}`},
		{"e2e-items", feature{}.body()},
		{"e2e-absent", feature{}.body()},
		{"e2e-others", `{"size":0,"aggs":{"n":{"max":{"field":"n"}}}}`},
		{"e2e-items", feature{beside: `"explain":true,"size":1`}.body()},
		{"e2e-items", strings.Replace(feature{}.body(), mock, "none", 1)},
		{"e2e-absent", `{}`},
		{"e2e-fruit", feature{more: `,"rank_window_size":3`, child: `{"standard":{"query":{"match_all":{}},"sort":[{"n":{"mode":"min"}}]}}`}.body()},
	}
	var lines strings.Builder
	var want []map[string]any
	for _, s := range searches {
		lines.WriteString(`{"index":"` + s.index + `"}` + "\n" + s.body + "\n")
		alone := send(t, http.MethodPost, p.url+"/"+s.index+"/_search", s.body)
		one := decode[map[string]any](t, alone.Body)
		delete(one, "took")
		one["status"] = float64(alone.Status)
		want = append(want, one)
	}
	for form, header := range map[string][]string{
		"lines":      {"Content-Type", "application/x-ndjson"},
		"packed":     {"Content-Type", "application/x-ndjson", "Content-Encoding", "gzip"},
		"JSON alone": {"Content-Type", "application/json"}, // as the Java client calls it
	} {
		t.Run(form, func(t *testing.T) {
			body := lines.String()
			if form == "packed" {
				body = gzipped(body)
			}
			got := responses(t, send(t, http.MethodPost, p.url+"/_msearch", body, header...))
			if d := cmp.Diff(shardless(t, want), shardless(t, got)); d != "" {
				t.Errorf("alone (-) and in a multi search (+):\n%s", d)
			}
		})
	}
}

// shardless is the list without what an explanation tells of shards: it comes
// from another point in time each time.
func shardless(t *testing.T, list []map[string]any) any {
	t.Helper()
	data, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return conformance.Steady(exact(t, data))
}

// As in Elasticsearch, a request that can't be read fails the whole.
func TestAFaultyRerankerFailsTheWholeMultiSearch(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), nil)
	r.take()
	body := `{"index":"e2e-items"}` + "\n" + `{"size":0}` + "\n{}\n" + `{"retriever":{"text_similarity_reranker":{}}}` + "\n"
	a := send(t, http.MethodPost, p.url+"/e2e-items/_msearch", body, "Content-Type", "application/x-ndjson")
	wantError(t, a, http.StatusBadRequest, "Required [retriever, inference_text, field]")
	if seen := r.requests(t); len(seen) > 0 {
		t.Errorf("the cluster was asked: %v", seen)
	}
}
