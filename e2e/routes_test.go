package e2e

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// timeless is an answer without the time it has needed.
func timeless(t *testing.T, a answer) map[string]any {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatal(a)
	}
	got := decode[map[string]any](t, a.Body)
	delete(got, "took")
	return got
}

// A search gets the same answer on whatever way it comes in.
func TestASearchIsAnsweredAlikeOnEveryRoute(t *testing.T) {
	itemIndex(t)
	f := feature{child: apple, beside: `"size":3,"aggs":{"n":{"stats":{"field":"n"}}},"highlight":{"fields":{"title":{}}}`, more: `,"rank_window_size":4`}
	body := f.body()
	template := strings.Replace(body, "apple", "{{word}}", 1)
	front := mustache(t, map[string]string{"reranked": template, "ordinary": `{"query":{"match":{"title":"{{word}}"}},"size":1}`})
	p := startProxyAt(t, front.URL, nil)
	want := timeless(t, send(t, http.MethodPost, p.url+"/e2e-items/_search?typed_keys=true", body))
	inline := `{"source":` + strconv.Quote(template) + `,"params":{"word":"apple"}}`
	stored := `{"id":"reranked","params":{"word":"apple"}}`
	source := "source_content_type=application/json&source=" + url.QueryEscape(body)
	for _, tc := range []struct{ name, method, path, body, inside string }{
		{"the URL", http.MethodGet, "/e2e-items/_search?typed_keys=true&" + source, "", ""},
		{"a template", http.MethodPost, "/e2e-items/_search/template?typed_keys=true", inline, ""},
		{"a template by GET", http.MethodGet, "/e2e-items/_search/template?typed_keys=true", inline, ""},
		{"a stored template", http.MethodPost, "/e2e-items/_search/template?typed_keys=true", stored, ""},
		{"an asynchronous search", http.MethodPost, "/e2e-items/_async_search?typed_keys=true&wait_for_completion_timeout=1s", body, "response"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := timeless(t, send(t, tc.method, p.url+tc.path, tc.body))
			if tc.inside != "" {
				got, _ = got[tc.inside].(map[string]any)
				delete(got, "took")
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("in the body (-) and on this way (+):\n%s", d)
			}
		})
	}
	want["status"] = float64(http.StatusOK)
	ordinary := `{"id":"ordinary","params":{"word":"apple"}}`
	for name, lines := range map[string][]string{
		"templates of a multi search":        {ordinary, inline, stored},
		"stored templates of a multi search": {ordinary, stored},
	} {
		t.Run(name, func(t *testing.T) {
			multi := `{"index":"e2e-items"}` + "\n" + strings.Join(lines, "\n"+`{"index":"e2e-items"}`+"\n") + "\n"
			got := responses(t, send(t, http.MethodPost, p.url+"/_msearch/template?typed_keys=true", multi, "Content-Type", "application/x-ndjson"))
			if len(got) != len(lines) || got[0]["status"] != float64(http.StatusOK) {
				t.Fatalf("%d answers, the first %v", len(got), got[0])
			}
			for _, one := range got[1:] {
				if d := cmp.Diff(want, one); d != "" {
					t.Errorf("alone (-) and as a template of a multi search (+):\n%s", d)
				}
			}
		})
	}
}
