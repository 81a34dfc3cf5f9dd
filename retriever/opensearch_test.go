package retriever_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

func TestALeafBecomesAQueryForOpenSearch(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"a query", `{"retriever":{"standard":{"query":{"match":{"t":"x"}}}},"size":5}`, `{"query":{"match":{"t":"x"}},"size":5}`},
		{"no query", `{"size":5,"retriever":{"standard":{}}}`, `{"size":5,"query":{"match_all":{}}}`},
		{
			"a filter behind it", `{"retriever":{"standard":{"query":{"match":{"t":"x"}},"filter":{"term":{"a":1}}}}}`,
			`{"query":{"bool":{"must":{"match":{"t":"x"}},"filter":{"term":{"a":1}}}}}`,
		},
		{
			"a filter before it", `{"retriever":{"standard":{"filter":[{"term":{"a":1}}],"query":{"match":{"t":"x"}}}}}`,
			`{"query":{"bool":{"filter":[{"term":{"a":1}}],"must":{"match":{"t":"x"}}}}}`,
		},
		{"a filter alone", `{"retriever":{"standard":{"filter":{"term":{"a":1}}}}}`, `{"query":{"bool":{"filter":{"term":{"a":1}},"must":{"match_all":{}}}}}`},
		{
			"what stands beside", `{"retriever":{"standard":{"query":{"match_all":{}},"sort":["n"],"min_score":0.5,"collapse":{"field":"a"}}},"size":1}`,
			`{"query":{"match_all":{}},"sort":["n"],"min_score":0.5,"collapse":{"field":"a"},"size":1}`,
		},
		{
			"a name", `{"retriever":{"standard":{"query":{"match_all":{}},"_name":"n"}}}`,
			`{"query":{"bool":{"must":{"match_all":{}},"_name":"n"}}}`,
		},
		{
			"a rescorer with filters", `{"retriever":{"rescorer":{"retriever":{"standard":{"query":{"match_all":{}},"filter":{"term":{"a":1}}}},"rescore":{"window_size":3},"filter":[{"term":{"b":2}}]}}}`,
			`{"query":{"bool":{"must":{"match_all":{}},"filter":[{"term":{"a":1}},{"term":{"b":2}}]}},"rescore":{"window_size":3}}`,
		},
		{"the last sort key", `{"query":{},"sort":[{"n":"desc"},"_shard_doc"]}`, `{"query":{},"sort":[{"n":"desc"},"_doc"]}`},
		{"no sort beside a rescorer", `{"query":{},"sort":["_score","_shard_doc"],"rescore":{"window_size":3},"size":1}`, `{"query":{},"rescore":{"window_size":3},"size":1}`},
		{"nothing of ours", `{"query":{"match_all":{}}}`, `{"query":{"match_all":{}}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for form, body := range map[string]string{"one line": tc.body, "many lines": indented(t, tc.body)} {
				got, err := retriever.ForOpenSearch([]byte(body))
				if err != nil {
					t.Fatal(err)
				}
				var have, want any
				if err := errors.Join(json.Unmarshal(got, &have), json.Unmarshal([]byte(tc.want), &want)); err != nil {
					t.Fatalf("%s: %v in %s", form, err, got)
				}
				if d := cmp.Diff(want, have); d != "" {
					t.Errorf("%s:\n%s", form, d)
				}
			}
		})
	}
}

func indented(t *testing.T, body string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// The cluster names the line and column of a fault in a query; they must be those of
// the caller's own body.
func TestTheQueryKeepsItsPlaceForOpenSearch(t *testing.T) {
	reranked := `{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":{"mtach":{"t":"x"}},"filter":{"trem":{"a":1}},"sort":["n"]}},` +
		`"field":"f","inference_text":"q"}},"track_total_hits":true}`
	for form, body := range map[string]string{"one line": reranked, "many lines": indented(t, reranked)} {
		s, err := retriever.Parse(retriever.Request{Body: []byte(body), Indexed: true}, retriever.Options{DefaultWindow: 10, MaxWindow: 100})
		if err != nil {
			t.Fatal(err)
		}
		_, upstream := s.Upstream()
		got, err := retriever.ForOpenSearch(upstream)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(got) {
			t.Fatalf("%s: no JSON: %s", form, got)
		}
		for _, word := range []string{`"mtach"`, `"trem"`} {
			if want, at := placeOf(body, word), placeOf(string(got), word); want != at {
				t.Errorf("%s: %s is at %v, was at %v, in %s", form, word, at, want, got)
			}
		}
	}
}

// placeOf is the line and column of a word.
func placeOf(body, word string) [2]int {
	before := body[:strings.Index(body, word)]
	return [2]int{strings.Count(before, "\n"), len(before) - strings.LastIndexByte(before, '\n')}
}

func TestWhatOpenSearchHasNoEqualOfIsRefused(t *testing.T) {
	for _, tc := range []struct{ name, body, typ, reason string }{
		{"vectors", `{"retriever":{"knn":{"field":"v"}}}`, "illegal_argument_exception", "rerankd does not support a [knn] retriever on OpenSearch"},
		{"vectors of a leaf", `{"knn":{"field":"v"},"size":1}`, "illegal_argument_exception", "rerankd does not support a [knn] retriever on OpenSearch"},
		{"vectors below", `{"retriever":{"rescorer":{"retriever":{"knn":{}},"rescore":{}}}}`, "illegal_argument_exception", "a [knn] retriever on OpenSearch"},
		{"an unknown retriever", `{"retriever":{"standrad":{}}}`, "parsing_exception", "unknown retriever [standrad] did you mean [standard]?"},
		{"a string", `{"retriever":{"standard":"x"}}`, "parsing_exception", "no [START_OBJECT] after retriever name"},
		{"an unknown member", `{"retriever":{"standard":{"qeury":{}}}}`, "x_content_parse_exception", "[1:27] [standard] unknown field [qeury] did you mean [query]?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := retriever.ForOpenSearch([]byte(tc.body))
			var bad *retriever.RequestError
			if !errors.As(err, &bad) || bad.Status != 400 || bad.Cause.Type != tc.typ || !strings.Contains(bad.Cause.Reason, tc.reason) {
				t.Errorf("got %v, want %s: %s", err, tc.typ, tc.reason)
			}
		})
	}
}
