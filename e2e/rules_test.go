package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

// ruled is a proxy that reranks the first 10 hits of e2e-plain by rule.
func ruled(t *testing.T, r configs.Rule) *program {
	t.Helper()
	documents := make([]document, 25)
	for i := range documents {
		score := fmt.Sprintf(`"score":"%d",`, i*7%25)
		if i%6 == 5 {
			score = "" // nothing to score
		}
		title := strings.TrimSpace("apple " + strings.Repeat("pie ", i*11%25)) // longer ones match less well
		documents[i] = document{strconv.Itoa(i), fmt.Appendf(nil, `{%s"title":%q,"n":%d}`, score, title, i)}
	}
	index(t, "e2e-plain", `{"mappings":{"properties":{"score":{"type":"text"},"title":{"type":"text"},"n":{"type":"integer"}}}}`, documents...)
	r.Index, r.Field, r.Window = "e2e-pl*", "score", 10
	return startProxy(t, func(c *configs.Config) { c.Rules = []configs.Rule{r} })
}

const appleMatch = `"query":{"match":{"title":"apple"}}`

// Paging through everything gives the reranked window, then the rest of the
// plain ranking, whatever the size of the pages; it ends, and its scores fall.
func TestPagesOfARuledSearchAreTheRerankedWindowAndThenThePlainRanking(t *testing.T) {
	p := ruled(t, configs.Rule{})
	page := func(base string, from, size int, header ...string) found {
		a := send(t, http.MethodPost, fmt.Sprintf("%s/e2e-plain/_search?from=%d", base, from), fmt.Sprintf(`{%s,"size":%d}`, appleMatch, size), header...)
		if a.Status != http.StatusOK {
			t.Fatalf("from %d, size %d: %s", from, size, a)
		}
		return decode[found](t, a.Body)
	}
	plain := page(cluster(t).URL, 0, 25).ids()
	if len(plain) != 25 {
		t.Fatalf("%d plain hits", len(plain))
	}
	window := slices.Clone(plain[:10])
	slices.SortStableFunc(window, func(a, b string) int { return value(t, b) - value(t, a) })
	want := append(window, plain[10:]...)
	if cmp.Equal(plain, want) {
		t.Fatal("reranking changes nothing here: the test shows nothing")
	}
	for _, size := range []int{1, 3, 7, 10, 25, 40} {
		var got []string
		last := float64(1000)
		for from := 0; ; from += size {
			one := page(p.url, from, size, "X-Rerankd-Rerank", "true")
			if len(one.ids()) == 0 {
				break
			}
			if string(one.Hits.Total) != `{"value":25,"relation":"eq"}` {
				t.Fatalf("total %s", one.Hits.Total)
			}
			got = append(got, one.ids()...)
			for _, score := range one.scores(t) {
				if float64(score) > last {
					t.Errorf("pages of %d: score %v after %v", size, score, last)
				}
				last = float64(score)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, d)
		}
	}
}

// A ruled search of a multi search gets what it gets alone.
func TestARuledSearchOfAMultiSearchGetsWhatItGetsAlone(t *testing.T) {
	p := ruled(t, configs.Rule{})
	body := `{` + appleMatch + `,"size":12,"highlight":{"fields":{"title":{}}}}`
	ask := []string{"X-Rerankd-Rerank", "true", "Content-Type", "application/x-ndjson"}
	want := timeless(t, send(t, http.MethodPost, p.url+"/e2e-plain/_search", body, ask[:2]...))
	plain := timeless(t, send(t, http.MethodPost, p.url+"/e2e-plain/_search", body))
	want["status"], plain["status"] = float64(http.StatusOK), float64(http.StatusOK)
	lines := `{"index":"e2e-plain"}` + "\n" + body + "\n" + `{"index":"e2e-*lain"}` + "\n" + body + "\n"
	got := responses(t, send(t, http.MethodPost, p.url+"/_msearch", lines, ask...))
	if d := cmp.Diff([]map[string]any{want, plain}, got); d != "" || cmp.Equal(want, plain) {
		t.Errorf("alone (-) and in a multi search (+):\n%s", d)
	}
}

// value is the number that scores a document; those without come last.
func value(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	if n%6 == 5 {
		return -1
	}
	return n * 7 % 25
}

// What a ruled search asks for besides its order is what the plain one gives.
func TestARuledSearchKeepsEverythingButTheOrder(t *testing.T) {
	p := ruled(t, configs.Rule{Apply: configs.RuleApplyAlways})
	for _, body := range []string{
		`{` + appleMatch + `,"size":10,"aggs":{"n":{"stats":{"field":"n"}}},"highlight":{"fields":{"title":{}}}}`,
		`{` + appleMatch + `,"size":10,"fields":["n","score"],"_source":false,"track_total_hits":3}`,
		`{` + appleMatch + `,"size":10,"explain":true,"version":true,"docvalue_fields":["n"],"suggest":{"s":{"text":"aple","term":{"field":"title"}}}}`,
		`{"query":{"bool":{"must":{"multi_match":{"query":"apple","fields":["title"]}},"filter":{"range":{"n":{"gte":3}}}}},"size":10,"post_filter":{"range":{"n":{"lte":20}}},"collapse":{"field":"n"}}`,
	} {
		want := send(t, http.MethodPost, cluster(t).URL+"/e2e-plain/_search?typed_keys=true&rest_total_hits_as_int="+strconv.FormatBool(!strings.Contains(body, "track")), body)
		got := send(t, http.MethodPost, p.url+"/e2e-plain/_search?typed_keys=true&rest_total_hits_as_int="+strconv.FormatBool(!strings.Contains(body, "track")), body)
		if got.Header.Get("X-Rerankd-Outcome") != "reranked" {
			t.Errorf("%s\nnot reranked: %s", body, got)
			continue
		}
		if d := cmp.Diff(orderless(t, want), orderless(t, got)); d != "" {
			t.Errorf("%s\nthe cluster's (-) and the proxy's (+):\n%s", body, d)
		}
	}
}

// orderless is an answer by document, without scores and time.
func orderless(t *testing.T, a answer) any {
	t.Helper()
	all := decode[map[string]any](t, a.Body)
	delete(all, "took")
	hits, _ := all["hits"].(map[string]any)
	list, _ := hits["hits"].([]any)
	byID := map[string]any{}
	for _, one := range list {
		hit, _ := one.(map[string]any)
		delete(hit, "_score")
		id, _ := hit["_id"].(string)
		byID[id] = hit
	}
	hits["hits"] = byID
	delete(hits, "max_score")
	return all
}

// A search that no rule is for reaches the cluster as it came, and so does one
// whose order is its own; nothing meant for the proxy goes on.
func TestSearchesWithoutARuleReachTheClusterAsTheyCame(t *testing.T) {
	ruled(t, configs.Rule{})
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), func(c *configs.Config) {
		c.Rules = []configs.Rule{{Index: "e2e-pl*", Field: "score"}}
	})
	for _, tc := range []struct{ name, target, query, body string }{
		{"no wish", "/e2e-plain/_search?typed_keys=true", "secret", `{"query": {"match":{"title":"apple"}}, "size" :1}`},
		{"an order of its own", "/e2e-plain/_search?rerankd=true&typed_keys=true", "secret", `{` + appleMatch + `,"sort":["n"]}`},
		{"no text", "/e2e-plain/_search?rerankd=true", " ", `{"query":{"match_all":{}}}`},
		{"another index", "/_search", "secret", `{"size":0}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r.take()
			a := send(t, http.MethodPost, p.url+tc.target, tc.body, "X-Rerankd-Query", tc.query)
			if a.Status != http.StatusOK {
				t.Fatal(a)
			}
			seen := r.take()
			if len(seen) != 1 {
				t.Fatalf("the cluster was asked %d times", len(seen))
			}
			request := string(seen[0].request)
			if strings.Contains(strings.ToLower(request), "rerankd") || !strings.HasSuffix(request, "\r\n\r\n"+tc.body) {
				t.Errorf("the cluster got %q", request)
			}
		})
	}
}
