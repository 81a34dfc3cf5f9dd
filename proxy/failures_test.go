package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// failing gives every endpoint id a scorer that fails in one way.
func failing(f scoreFunc) func(*Options) {
	return func(o *Options) {
		o.Endpoint = func(string) (scorer.Scorer, bool) { return f, true }
	}
}

func lenient(value string) string {
	return strings.Replace(rerankBody, `"field"`, `"allow_rerank_failures":`+value+`,"field"`, 1)
}

var troubles = []struct {
	name   string
	change func(*Options)
	status int // where the search fails
	reason string
	text   string
}{
	{"overload", failing(func(context.Context, string, []string) ([]float32, error) {
		return nil, fmt.Errorf("admit: %w", scorer.ErrOverloaded)
	}), http.StatusTooManyRequests, OutcomeOverloaded, "overloaded"},
	{"deadline", func(o *Options) {
		failing(func(ctx context.Context, _ string, _ []string) ([]float32, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})(o)
		o.RerankTimeout = time.Millisecond
	}, http.StatusRequestTimeout, OutcomeDeadline, "timeout"},
	{"model", failing(func(context.Context, string, []string) ([]float32, error) {
		return nil, errors.New("run session: SECRETPATH")
	}), http.StatusBadRequest, OutcomeModelError, "could not score"},
	{"too few scores", failing(func(context.Context, string, []string) ([]float32, error) {
		return []float32{1}, nil
	}), http.StatusInternalServerError, OutcomeModelError, "count mismatch"},
}

func TestTroubleOfTheRerankerDegradesOrFailsByPolicy(t *testing.T) {
	for _, tc := range troubles {
		for _, by := range []struct {
			name, body string
			failPolicy bool
			degrades   bool
		}{
			{"default policy", rerankBody, false, true},
			{"policy fail", rerankBody, true, false},
			{"request allows", lenient("true"), true, true},
			{"request forbids", lenient("false"), false, false},
		} {
			t.Run(tc.name+", "+by.name, func(t *testing.T) {
				var seen arrived
				b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
					tc.change(o)
					o.FailOnRerank = by.failPolicy
				})
				a := send(t, http.MethodPost, b.url+"/docs/_search", by.body)
				if strings.Contains(string(a.Body), "SECRETPATH") {
					t.Errorf("the answer tells an internal error: %s", a.Body)
				}
				if by.degrades {
					wantDegraded(t, b, a, tc.reason)
					return
				}
				e := wantError(t, a, tc.status, tc.text)
				if len(e.Error.Suppressed) != 1 || !strings.Contains(e.Error.Suppressed[0].CausedBy.Reason, tc.text) {
					t.Errorf("the cause is not where Elasticsearch puts it: %s", a.Body)
				}
				if got := a.Header.Get("X-Rerankd-Outcome"); got != "failed; reason="+tc.reason {
					t.Errorf("X-Rerankd-Outcome = %q", got)
				}
				b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": tc.reason, "level": "WARN", "status": float64(tc.status)})
				if !slices.Equal(b.seen.requests, []string{"rerank " + tc.reason}) {
					t.Errorf("observed %v", b.seen.requests)
				}
			})
		}
	}
}

func wantDegraded(t *testing.T, b *bench, a answer, reason string) {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("status = %d: %s", a.Status, a.Body)
	}
	var order []string
	for _, hit := range ids(t, a.Body) {
		order = append(order, hit[:1])
	}
	if !slices.Equal(order, []string{"a", "b", "c"}) {
		t.Errorf("hits = %v, want the first stage's", order)
	}
	if got := a.Header.Get("X-Rerankd-Outcome"); got != "degraded; reason="+reason {
		t.Errorf("X-Rerankd-Outcome = %q", got)
	}
	warnings := a.Header.Values("Warning")
	if len(warnings) != 2 || !strings.HasPrefix(warnings[1], `299 rerankd "`) || !strings.Contains(warnings[1], reason) {
		t.Errorf("Warning = %q, want the cluster's and ours", warnings)
	}
	b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeDegraded, "level": "WARN", "reason": reason, "status": 200.0})
	if !slices.Equal(b.seen.requests, []string{"rerank degraded"}) {
		t.Errorf("observed %v", b.seen.requests)
	}
}

// An endpoint that doesn't exist is the client's mistake: the policy for trouble
// does not hide it, only the request's own word does.
func TestUnknownEndpointFailsEvenWithoutHits(t *testing.T) {
	var seen arrived
	named := strings.Replace(rerankBody, `"field"`, `"inference_id":"i-dont-exist","field"`, 1)
	full := searched(t, &seen)
	empty := cluster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"took":1,"hits":{"total":{"value":0,"relation":"eq"},"max_score":null,"hits":[]}}`)
	})
	for _, node := range []string{full.URL, empty.URL} {
		b := start(t, []string{node}, nil)
		a := send(t, http.MethodPost, b.url+"/docs/_search", named)
		e := wantError(t, a, http.StatusNotFound, "Inference endpoint not found [i-dont-exist]")
		if e.Error.Type != "status_exception" {
			t.Errorf("type = %q", e.Error.Type)
		}
	}
	b := start(t, []string{full.URL}, nil)
	a := send(t, http.MethodPost, b.url+"/docs/_search", strings.Replace(named, `"field"`, `"allow_rerank_failures":true,"field"`, 1))
	wantDegraded(t, b, a, OutcomeBadRequest)
}

func TestEmptyAnswerNeedsNoScorer(t *testing.T) {
	node := cluster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"took":1,"hits":{"total":{"value":0,"relation":"eq"},"max_score":null,"hits":[]}}`)
	})
	b := start(t, []string{node.URL}, failing(func(context.Context, string, []string) ([]float32, error) {
		return nil, errors.New("asked for nothing")
	}))
	a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody)
	if a.Status != 200 || len(ids(t, a.Body)) != 0 || a.Header.Get("X-Rerankd-Outcome") != "reranked" {
		t.Errorf("answer = %d %s %v", a.Status, a.Body, a.Header)
	}
}

func TestUnusableFirstStageIsABadGateway(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"no JSON": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"hits":`)
		},
		"another document": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"acknowledged":true}`)
		},
		"a page of a balancer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, firstStageAnswer)
		},
		"compressed unasked": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "\x1f\x8b")
		},
		"killed before the answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"killed in the answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", fmt.Sprint(len(firstStageAnswer)))
			_, _ = io.WriteString(w, firstStageAnswer[:100])
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, []string{cluster(t, h).URL}, nil)
			a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody)
			wantError(t, a, http.StatusBadGateway, "Elasticsearch")
			b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeUpstreamError, "status": 502.0})
		})
	}
}

// A client that reads "connection reset" takes the node out of use; one that
// reads a 500 doesn't.
func TestPanicIsAnInternalError(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, failing(func(context.Context, string, []string) ([]float32, error) {
		panic("a fault")
	}))
	a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody)
	wantError(t, a, http.StatusInternalServerError, "internal error")
	b.logs.waitFor(t, map[string]any{"msg": "handler panicked", "error": "a fault"})
}

func TestOversizedFirstStageIsRefused(t *testing.T) {
	for _, announced := range []bool{true, false} {
		node := cluster(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			body := strings.Replace(firstStageAnswer, "SECRETDOC", strings.Repeat("x", 5000), 1)
			if announced {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			}
			_, _ = io.WriteString(w, body)
		})
		b := start(t, []string{node.URL}, func(o *Options) { o.AnswerLimit = 4000 })
		a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody)
		wantError(t, a, http.StatusRequestEntityTooLarge, "[4000] bytes")
	}
}

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	_, err := New(Options{})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"upstream", "endpoint", "observer", "logger", "body limit", "answer limit", "number of searches", "bytes held", "default window", "largest window", "timeout"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
}
