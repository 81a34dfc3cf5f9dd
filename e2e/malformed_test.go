package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/configs"
)

// malformed are searches with a reranker that is wrong in one way each. names is
// what the answer must say.
func malformed() []struct{ name, body, names string } {
	const child = `"retriever":{"standard":{"query":{"match_all":{}}}}`
	const good = child + `,"field":"score","inference_text":"q","inference_id":"mock"`
	of := func(members string) string { return `{"retriever":{"text_similarity_reranker":{` + members + `}}}` }
	beside := func(member string) string { return strings.TrimSuffix(of(good), "}") + "," + member + "}" }
	return []struct{ name, body, names string }{
		{"cut off", `{"retriever":{"text_similarity_reranker":{"field":"score","inf`, "Unexpected end-of-input"},
		{"a comma too many", of(good + ","), "[1:"},
		{"something behind", of(good) + ` x`, "[1:"},
		{"a key twice", of(good + `,"field":"title"`), "Duplicate field 'field'"},
		{"a string for the retriever", `{"retriever":{"text_similarity_reranker":"x"}}`, "no [START_OBJECT] after retriever name"},
		{"a list for the retriever", `{"retriever":{"text_similarity_reranker":[1]}}`, "no [START_OBJECT] after retriever name"},
		{"two retrievers", `{"retriever":{"text_similarity_reranker":{` + good + `},"standard":{}}}`, "expected [END_OBJECT] but found [FIELD_NAME]"},
		{"nothing in it", of(""), "Required [retriever, inference_text, field]"},
		{"no field", of(child + `,"inference_text":"q"`), "Required [field]"},
		{"no text", of(child + `,"field":"score"`), "Required [inference_text]"},
		{"no child", of(`"field":"score","inference_text":"q"`), "Required [retriever]"},
		{"an empty child", of(`"field":"score","inference_text":"q","retriever":{}`), "failed to parse field [retriever]"},
		{"an unknown key", of(good + `,"rank_windw_size":3`), "unknown field [rank_windw_size] did you mean [rank_window_size]?"},
		{"a number for the text", of(child + `,"field":"score","inference_text":7`), "inference_text doesn't support values of type: VALUE_NUMBER"},
		{"a list for the field", of(child + `,"field":["score"],"inference_text":"q"`), "field doesn't support values of type: START_ARRAY"},
		{"null for the endpoint", of(child + `,"field":"score","inference_text":"q","inference_id":null`), "inference_id doesn't support values of type: VALUE_NULL"},
		{"a window in words", of(good + `,"rank_window_size":"many"`), "failed to parse field [rank_window_size]"},
		{"a window below zero", of(good + `,"rank_window_size":-1`), "[rank_window_size] parameter cannot be negative"},
		{"a window of zero", of(good + `,"rank_window_size":0`), "[rank] requires [size] greater than [0]"},
		{"a window beyond numbers", of(good + `,"rank_window_size":1e99`), "out of range for an integer"},
		{"a window beyond the limit", of(good + `,"rank_window_size":9999`), "[limits.window: 1000]"},
		{"a page beyond the window", strings.TrimSuffix(of(good+`,"rank_window_size":5`), "}") + `,"size":6}`, "be greater than or equal to [size: 6]"},
		{"a least score in words", of(good + `,"min_score":"high"`), "failed to parse field [min_score]"},
		{"a number for a switch", of(good + `,"allow_rerank_failures":1`), "allow_rerank_failures doesn't support values of type: VALUE_NUMBER"},
		{"a string for the filter", of(good + `,"filter":"x"`), "filter doesn't support values of type: VALUE_STRING"},
		{"a query beside it", beside(`"query":{"match_all":{}}`), "cannot specify [retriever] and [query]"},
		{"an order beside it", beside(`"sort":["n"]`), "cannot specify [retriever] and [sort]"},
		{"a search_after below it", of(strings.Replace(good, `"match_all":{}}`, `"match_all":{}},"search_after":[1]`, 1)), "[search_after] cannot be used in children of compound retrievers"},
		{"inside of one that only the cluster knows", `{"retriever":{"rule":{"retriever":{"text_similarity_reranker":{` + good + `}}}}}`, "inside [rule]"},
		{"unknown key inside of another", `{"retriever":{"rrf":{"retrievers":[{"text_similarity_reranker":{` + good + `}}],"windw":1}}}`, "[rrf] unknown field [windw]"},
		{"nested without end", of(good + `,"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "unknown field [x]"},
		{"nested beyond all measure", of(good + `,"x":` + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000)), ""},
		{"its name in escapes", `{"retriever":{"text\u005fsimilarity\u005freranker":{}}}`, "Required [retriever, inference_text, field]"},
		{"bytes that are no text", of(good + ",\"inference_id\":\"\xff\x00\""), "[1:"},
	}
}

// What is refused is refused here: the cluster is not asked.
func TestMalformedRerankersGetABadRequestAndTheClusterHearsNothing(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), nil)
	r.take()
	list := malformed()
	for _, tc := range list {
		for form, header := range map[string][]string{"plain": nil, "packed": {"Content-Encoding", "gzip"}} {
			t.Run(tc.name+", "+form, func(t *testing.T) {
				body := tc.body
				if header != nil {
					body = gzipped(body)
				}
				a := send(t, http.MethodPost, p.url+"/e2e-items/_search", body, header...)
				wantError(t, a, http.StatusBadRequest, tc.names)
			})
		}
	}
	if seen := r.requests(t); len(seen) > 0 {
		t.Errorf("the cluster was asked: %v", seen)
	}
	if len(list) < 20 {
		t.Errorf("%d malformed bodies, want at least 20", len(list))
	}
	// The program is none the worse for it.
	search(t, p.url+"/e2e-items/_search", `{"retriever":`+reranker(mock, "q", "score", all, "")+`}`)
}

func TestABodyBeyondTheLimitIsTooLargeIfItHoldsAReranker(t *testing.T) {
	itemIndex(t)
	const limit = 64 << 10
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), func(c *configs.Config) { c.Limits.BodyBytes = limit })
	r.take()
	filler := strings.Repeat(" ", limit)
	good := `{"retriever":` + reranker(mock, "q", "score", all, "") + `}`
	for _, tc := range []struct {
		name, body string
		packed     bool
	}{
		{"its name in front", good + filler, false},
		{"its name behind the limit", filler + good, false},
		{"its name across the limit", filler[:limit-30] + good + filler, false},
		{"packed small, of large text", good + strings.Repeat(filler, 100), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var header []string
			body := tc.body
			if tc.packed {
				body, header = gzipped(body), []string{"Content-Encoding", "gzip"}
			}
			a := send(t, http.MethodPost, p.url+"/e2e-items/_search", body, header...)
			e := wantError(t, a, http.StatusRequestEntityTooLarge, "[limits.body_bytes]")
			if e.Error.Type != "illegal_argument_exception" {
				t.Errorf("type = %q", e.Error.Type)
			}
		})
	}
	if seen := r.requests(t); len(seen) > 0 {
		t.Errorf("the cluster was asked: %v", seen)
	}
	// The limit is for searches that are reranked. Others may be of any size.
	a := send(t, http.MethodPost, p.url+"/e2e-items/_search", `{"query":{"match_all":{}}}`+strings.Repeat(filler, 3))
	if a.Status != http.StatusOK {
		t.Errorf("a large search without a reranker: %s", a)
	}
	// One that just fits is reranked.
	a = send(t, http.MethodPost, p.url+"/e2e-items/_search", good+filler[:limit-len(good)])
	if a.Status != http.StatusOK || a.Header.Get("X-Rerankd-Outcome") != "reranked" {
		t.Errorf("a body of just the limit: %s", a)
	}
}

// What the program can't answer as the original would is refused by name, never
// answered in another way.
func TestWhatCannotBeAnsweredIsRefusedByName(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), nil)
	r.take()
	retriever := `"retriever":` + reranker(mock, "q", "score", all, "")
	for _, tc := range []struct{ path, body, names string }{
		{"/e2e-items/_search", `{` + retriever + `,"slice":{"id":0,"max":2}}`, "[slice]"},
		{"/e2e-items/_search?format=smile", `{` + retriever + `}`, "[smile]"},
		{"/e2e-items/_search", `{"retriever":` + reranker(mock, "q", "score", `{"rrf":{"retrievers":[`+all+`]}}`, "") + `,"slice":{"id":0,"max":2}}`, "[slice]"},
		{"/e2e-items/_search", `{"retriever":{"rrf":{"retrievers":[` + reranker(mock, "q", "score", all, "") + `,{"rule":{}}]}}}`, "a [rule] in one tree"},
		{"/e2e-items/_async_search?keep_on_completion=true", `{` + retriever + `}`, "keep_on_completion"},
	} {
		a := send(t, http.MethodPost, p.url+tc.path, tc.body)
		e := wantError(t, a, http.StatusBadRequest, tc.names)
		if !strings.HasPrefix(e.Error.Reason, "rerankd does not support") {
			t.Errorf("%s: reason %q does not say who refuses", tc.names, e.Error.Reason)
		}
	}
	if seen := r.requests(t); len(seen) > 0 {
		t.Errorf("the cluster was asked: %v", seen)
	}
}
