package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const plainBody = `{"query":{"match":{"t":"SECRETQUERY"}},"size":3,"x_other":[1.0]}`

// ruling has the searches of docs-* reranked when they ask.
func ruling(rules ...Rule) func(*Options) {
	if len(rules) == 0 {
		rules = []Rule{{Index: "docs*", Field: "t", Endpoint: ".rerank-v1-elasticsearch", Window: 4, FromBody: true, FromRequest: true}}
	}
	return func(o *Options) { o.Rules = rules }
}

func TestAnOrdinarySearchIsRerankedWhereARuleAndTheRequestSaySo(t *testing.T) {
	always := Rule{Index: "*", Field: "t", Endpoint: ".rerank-v1-elasticsearch", Window: 4, Always: true, FromBody: true}
	for _, tc := range []struct {
		name, target string
		change       func(*Options)
		header       []string
		reranked     bool
		uri          string
	}{
		{"by the header", "/docs/_search?typed_keys=true", ruling(), []string{wishHeader, "true"}, true, "/docs/_search?typed_keys=true"},
		{"by the endpoint", "/docs/_search", ruling(), []string{wishHeader, ".rerank-v1-elasticsearch"}, true, "/docs/_search"},
		{"by the parameter", "/docs-1,docs-2/_search?rerankd=true&routing=r", ruling(), nil, true, "/docs-1,docs-2/_search?routing=r"},
		{"always", "/_search", ruling(always), nil, true, "/_search"},
		{"without asking", "/docs/_search?a=%2f", ruling(), nil, false, "/docs/_search?a=%2f"},
		{"asking not to", "/docs/_search", ruling(always), []string{wishHeader, "false"}, false, "/docs/_search"},
		{"the parameter wins", "/docs/_search?rerankd=false", ruling(always), []string{wishHeader, "true"}, false, "/docs/_search?rerankd=false"},
		{"another index", "/docs,logs/_search", ruling(), []string{wishHeader, "true"}, false, "/docs,logs/_search"},
		{"every index", "/_all/_search", ruling(), []string{wishHeader, "true"}, false, "/_all/_search"},
		{"another endpoint", "/docs/_search?rerankd=x", ruling(), nil, false, "/docs/_search?rerankd=x"},
		{"no rules at all", "/docs/_search", nil, []string{"X-Other", "true"}, false, "/docs/_search"},
		{"an order of its own", "/docs/_search?sort=n&&rerankd=true&x=%2f", ruling(), nil, false, "/docs/_search?sort=n&&x=%2f"},
		{"an answer in a format that is not written", "/docs/_search", ruling(always), []string{"Accept", "application/smile"}, false, "/docs/_search"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen arrived
			b := start(t, []string{searched(t, &seen).URL}, tc.change)
			a := send(t, http.MethodPost, b.url+tc.target, plainBody, tc.header...)
			want := []string{"a 4.0", "b 3.0", "c 2.0", "d 1.0"}
			body := plainBody
			if tc.reranked {
				want, body = []string{"b 5.0", "d 4.0", "a 3.0"}, `{"size":4,"fields":["t"],"query":{"match":{"t":"SECRETQUERY"}},"x_other":[1.0]}`
			}
			if d := cmp.Diff(want, ids(t, a.Body)); d != "" {
				t.Errorf("order (-want +got):\n%s", d)
			}
			if seen.URI != tc.uri || string(seen.Body) != body {
				t.Errorf("the cluster was asked %s %s", seen.URI, seen.Body)
			}
			for _, name := range []string{wishHeader, queryHeader} {
				if value, has := seen.Header[name]; has && tc.change != nil {
					t.Errorf("%s: %s reached the cluster", name, value)
				}
			}
			if got := a.Header.Get(outcomeHeader); got != map[bool]string{true: "reranked"}[tc.reranked] {
				t.Errorf("outcome %q", got)
			}
		})
	}
}

func TestTheTextOfARuledSearchComesFromTheRequestOrFromTheBody(t *testing.T) {
	both := Rule{Index: "*", Field: "t", Endpoint: "e", Window: 4, Always: true, FromBody: true, FromRequest: true}
	request, body := both, both
	request.FromBody, body.FromRequest = false, false
	for _, tc := range []struct {
		name, method, target, body string
		rule                       Rule
		header                     []string
		want                       string
	}{
		{"header", http.MethodPost, "/i/_search", plainBody, both, []string{queryHeader, "crème"}, "crème"},
		{"parameter before header", http.MethodPost, "/i/_search?rerankd_query=cr%C3%A8me+br", plainBody, both, []string{queryHeader, "no"}, "crème br"},
		{"body", http.MethodPost, "/i/_search", plainBody, both, nil, "SECRETQUERY"},
		{"body alone", http.MethodPost, "/i/_search?rerankd_query=no", plainBody, body, nil, "SECRETQUERY"},
		{"request alone, which has none", http.MethodPost, "/i/_search", plainBody, request, nil, ""},
		{"no UTF-8", http.MethodPost, "/i/_search?rerankd_query=%ff", plainBody, both, nil, ""},
		{"no body", http.MethodGet, "/i/_search?q=fox", "", both, nil, "fox"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen arrived
			asked := ""
			b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
				ruling(tc.rule)(o)
				failing(func(ctx context.Context, query string, passages []string) ([]float32, error) {
					asked = query
					return byLength(ctx, query, passages)
				})(o)
			})
			if a := send(t, tc.method, b.url+tc.target, tc.body, tc.header...); a.Status != 200 || asked != tc.want {
				t.Errorf("status %d, scored against %q, want %q", a.Status, asked, tc.want)
			}
			if seen.Header.Get("Content-Type") == "" {
				t.Error("the cluster was sent a body without a type")
			}
		})
	}
}

func TestARuledSearchThatFailsToRerankIsAnsweredInPlainOrderUnlessToldToFail(t *testing.T) {
	broken := failing(func(context.Context, string, []string) ([]float32, error) { return nil, errors.New("broken") })
	for _, fails := range []bool{false, true} {
		var seen arrived
		b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
			ruling()(o)
			broken(o)
			o.FailOnRerank = fails
		})
		a := send(t, http.MethodPost, b.url+"/docs/_search", plainBody, wishHeader, "true")
		if fails {
			wantError(t, a, http.StatusBadRequest, "could not score")
			continue
		}
		if d := cmp.Diff([]string{"a 4.0", "b 3.0", "c 2.0"}, ids(t, a.Body)); d != "" || a.Status != 200 {
			t.Errorf("status %d, order (-want +got):\n%s", a.Status, d)
		}
		if a.Header.Get(outcomeHeader) != "degraded; reason=model_error" || len(a.Header["Warning"]) != 2 {
			t.Errorf("headers %v", a.Header)
		}
	}
}

// What the cluster refuses in the form that reranking needs is sent again as it
// came, so that the answer speaks of the caller's own search.
func TestARefusedRuledSearchIsSentAsItCame(t *testing.T) {
	var bodies []string
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies = append(bodies, string(body))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"refusal":%d}`, len(bodies))
	})
	b := start(t, []string{node.URL}, ruling())
	a := send(t, http.MethodPost, b.url+"/docs/_search", plainBody, wishHeader, "true")
	if a.Status != 400 || string(a.Body) != `{"refusal":2}` || len(bodies) != 2 || bodies[1] != plainBody {
		t.Errorf("status %d: %s, sent %q", a.Status, a.Body, bodies)
	}
}

func TestAnExplicitRerankerComesBeforeARule(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, ruling())
	a := send(t, http.MethodPost, b.url+"/docs/_search?rerankd=true", rerankBody, queryHeader, "x")
	if d := cmp.Diff([]string{"b 4.0", "d 3.0", "a 2.0"}, ids(t, a.Body)); d != "" || seen.Header.Get(queryHeader) != "" {
		t.Errorf("order (-want +got):\n%s\n%v", d, seen.Header)
	}
	named := strings.Replace(plainBody, "x_other", "text_similarity_reranker", 1)
	if a := send(t, http.MethodPost, b.url+"/docs/_search?rerankd=true", named); a.Header.Get(outcomeHeader) != "reranked" {
		t.Errorf("a search that names the reranker elsewhere: %s", a.Body)
	}
}

func TestPatternsOfRulesMatchWholeNames(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"docs", "docs", true},
		{"docs", "docs2", false},
		{"docs*", "docs", true},
		{"*", "anything", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "ac", false},
		{"a*a", "a", false},
		{"*-x", "a-x-y", false},
		{"**", "", true},
	} {
		if got := matchPattern(tc.pattern, tc.name); got != tc.want {
			t.Errorf("matchPattern(%q, %q) = %v", tc.pattern, tc.name, got)
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	if err := (Options{Rules: []Rule{{}}}).validate(); err == nil ||
		!strings.Contains(err.Error(), "a rule needs an index") || !strings.Contains(err.Error(), "a rule needs a source") {
		t.Errorf("validate: %v", err)
	}
}

func TestOrdinarySearchesOfAMultiSearchAreRerankedByRuleEachInItsPlace(t *testing.T) {
	node, asked := multiCluster(t)
	b := start(t, []string{node.URL}, ruling())
	body := strings.Join([]string{
		`{"index":"docs"}`, plainBody,
		`{"index":"logs"}`, plainBody,
		`{"index":"docs","routing":"r"}`, rerankBody,
		`{"index":"docs"}`, `{"size":0}`,
		`{"index":"absent,docs"}`, plainBody, "",
	}, "\n")
	a := send(t, http.MethodPost, b.url+"/_msearch?rerankd=true&typed_keys=true", body, "Content-Type", "application/x-ndjson")
	if a.Status != 200 {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	list := responses(t, a.Body)
	if len(list) != 5 || string(list[1]) != `{"plain":0,"status":200}` || string(list[3]) != `{"plain":1,"status":200}` || string(list[4]) != `{"plain":2,"status":200}` {
		t.Fatalf("answers %s", a.Body)
	}
	if d := cmp.Diff([]string{"b 5.0", "d 4.0", "a 3.0"}, ids(t, list[0])); d != "" {
		t.Errorf("by rule: %s", d)
	}
	if d := cmp.Diff([]string{"b 4.0", "d 3.0", "a 2.0"}, ids(t, list[2])); d != "" {
		t.Errorf("by the body: %s", d)
	}
	seen := asked()
	if got := seen["/docs/_search?typed_keys=true"]; len(got) != 1 || !strings.HasPrefix(got[0], `{"size":4,"fields":["t"],`) || len(seen["/_msearch?typed_keys=true"]) != 1 {
		t.Errorf("the cluster was asked %q", seen)
	}
	for _, target := range []string{"/_msearch", "/logs/_msearch?rerankd=true", "/_msearch?rerankd=false"} {
		body := "{\"index\":\"logs\"}\n" + plainBody + "\n"
		if send(t, http.MethodPost, b.url+target, body, "Content-Type", "application/x-ndjson"); len(asked()[target]) != 1 || asked()[target][0] != body {
			t.Errorf("%s: the cluster was asked %q", target, asked())
		}
	}
}

// The lines of a compressed multi search go on one by one, and uncompressed.
func TestASearchOfACompressedMultiSearchThatARuleLeavesToTheClusterIsReadable(t *testing.T) {
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		if string(body) != plainBody { // as the rule sends it
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if encoding := r.Header.Get("Content-Encoding"); encoding != "" {
			t.Errorf("sent plain as %q", encoding)
		}
		_, _ = io.WriteString(w, `{"plain":true}`)
	})
	b := start(t, []string{node.URL}, ruling())
	a := send(t, http.MethodPost, b.url+"/docs/_msearch?rerankd=true", zip(t, "{}\n"+plainBody+"\n"), "Content-Type", "application/x-ndjson", "Content-Encoding", "gzip")
	if list := responses(t, a.Body); len(list) != 1 || string(list[0]) != `{"plain":true,"status":200}` {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
}
