package proxy

import (
	"net/http"
	"strings"
	"testing"
)

// Each body is refused in Elasticsearch's form, the text names the fault, and the
// cluster sees nothing of it.
func TestMalformedRerankersAreRefusedByName(t *testing.T) {
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the cluster got %s %s", r.Method, r.URL) })
	b := start(t, []string{node.URL}, nil)
	const child = `"retriever":{"standard":{"query":{"match_all":{}}}}`
	ranker := func(members string) string { return `{"retriever":{"text_similarity_reranker":{` + members + `}}}` }
	good := child + `,"field":"t","inference_text":"q"`
	for _, tc := range []struct{ name, body, want string }{
		{"cut off", `{"retriever":{"text_similarity_reranker":{`, "Unexpected end"},
		{"trailing comma", ranker(good + ","), "]"},
		{"two values", ranker(good) + `{}`, "found after the main object"},
		{"duplicate key", ranker(good + `,"field":"u"`), "field"},
		{"string for object", `{"retriever":{"text_similarity_reranker":"x"}}`, "text_similarity_reranker"},
		{"array for object", `{"retriever":{"text_similarity_reranker":[]}}`, "text_similarity_reranker"},
		{"nothing in it", ranker(""), "Required [retriever, inference_text, field]"},
		{"no field", ranker(child + `,"inference_text":"q"`), "[field]"},
		{"no text", ranker(child + `,"field":"t"`), "[inference_text]"},
		{"no retriever", ranker(`"field":"t","inference_text":"q"`), "[retriever]"},
		{"unknown key", ranker(good + `,"windw":3`), "unknown field [windw]"},
		{"number for text", ranker(child + `,"field":"t","inference_text":7`), "inference_text doesn't support values of type"},
		{"object for field", ranker(child + `,"field":{},"inference_text":"q"`), "field doesn't support values of type"},
		{"window of words", ranker(good + `,"rank_window_size":"many"`), "rank_window_size"},
		{"negative window", ranker(good + `,"rank_window_size":-1`), "rank_window_size"},
		{"window beyond the limit", ranker(good + `,"rank_window_size":100000`), "limits.window"},
		{"window beyond int", ranker(good + `,"rank_window_size":99999999999999999999`), "rank_window_size"},
		{"size beyond the window", strings.TrimSuffix(ranker(good+`,"rank_window_size":5`), "}") + `,"size":6}`, "greater than or equal to [size: 6]"},
		{"query beside", strings.TrimSuffix(ranker(good), "}") + `,"query":{"match_all":{}}}`, "[query]"},
		{"sort beside", strings.TrimSuffix(ranker(good), "}") + `,"sort":["n"]}`, "[sort]"},
		{"two retrievers", `{"retriever":{"text_similarity_reranker":{` + good + `},"standard":{}}}`, "text_similarity_reranker"},
		{"bad min_score", ranker(good + `,"min_score":"high"`), "min_score"},
		{"bad switch", ranker(good + `,"allow_rerank_failures":1`), "allow_rerank_failures"},
		{"in a retriever that only the cluster knows", `{"retriever":{"rule":{"retriever":{"text_similarity_reranker":{` + good + `}}}}}`, "[rule]"},
		{"in another one's array", `{"retriever":{"rrf":{"retrievers":[{"text_similarity_reranker":{` + child + `}}]}}}`, "[rrf] failed to parse field [retrievers]"},
		{"deep nesting", `{"retriever":{"text_similarity_reranker":` + strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}}`, ""},
		{"escaped name", `{"retriever":{"text\u005fsimilarity_reranker":{}}}`, "Required"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := send(t, http.MethodPost, b.url+"/docs/_search", tc.body)
			wantError(t, a, http.StatusBadRequest, tc.want)
		})
	}
}
