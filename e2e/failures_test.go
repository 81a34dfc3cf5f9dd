package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

// longTexts is how many documents e2e-long has: enough work for any model to be
// overtaken by a deadline, or by the next request.
const longTexts = 200

func longIndex(tb testing.TB) {
	tb.Helper()
	documents := make([]document, longTexts)
	for i := range documents {
		text := strings.Repeat(fmt.Sprintf("text %d about pumps and valves, ", i), 40)
		documents[i] = document{fmt.Sprint(i), encode(tb, map[string]any{"text": text, "n": i})}
	}
	index(tb, "e2e-long", `{}`, documents...)
}

// longSearch asks to rerank them all. Each question is one that no cache has.
func longSearch(question, more string) string {
	child := `{"standard":{"query":{"match_all":{}},"sort":["n"]}}`
	return fmt.Sprintf(`{"_source":false,"size":5,"retriever":%s}`,
		reranker("m", question, "text", child, fmt.Sprintf(`,"rank_window_size":%d%s`, longTexts, more)))
}

// slowModel configures a real model behind the endpoint m.
func slowModel(c *configs.Config) {
	c.Endpoints = append(c.Endpoints, configs.Endpoint{ID: "m", Model: referenceModel})
}

// trouble is a way for the rerank step to fail, by a real cause.
type trouble struct {
	name   string
	change func(*configs.Config)
	status int // where the search fails for it
	reason string
	text   string
}

func troubles(t *testing.T) []trouble {
	t.Helper()
	broken := breakingModel(t)
	return []trouble{
		{"a deadline of 1 ms", func(c *configs.Config) {
			endlessModel(t, c)
			c.Rerank.Timeout = time.Millisecond
		}, http.StatusRequestTimeout, "deadline", "timeout"},
		{"a model whose run fails", func(c *configs.Config) {
			c.Endpoints = append(c.Endpoints, configs.Endpoint{ID: "m", Model: broken})
		}, http.StatusBadRequest, "model_error", "could not score"},
	}
}

func TestAFailedRerankDegradesOrFailsAsTheRequestOrTheConfigurationSays(t *testing.T) {
	longIndex(t)
	for _, tc := range troubles(t) {
		for _, by := range []struct {
			policy, more string
			degrades     bool
		}{
			{configs.OnFailureDegrade, "", true},
			{configs.OnFailureFail, "", false},
			{configs.OnFailureFail, `,"allow_rerank_failures":true`, true},
			{configs.OnFailureDegrade, `,"allow_rerank_failures":false`, false},
		} {
			t.Run(tc.name+", "+by.policy+by.more, func(t *testing.T) {
				p := startProxy(t, func(c *configs.Config) {
					tc.change(c)
					c.Rerank.OnFailure = by.policy
				})
				a := send(t, http.MethodPost, p.url+"/e2e-long/_search", longSearch("q", by.more))
				outcome := tc.reason
				if by.degrades {
					outcome = "degraded"
					checkDegraded(t, a, tc.reason)
				} else {
					checkFailed(t, a, tc)
				}
				line := p.logs.waitFor(t, map[string]any{"msg": "search", "outcome": outcome})
				if line["level"] != "WARN" || line["error"] == nil {
					t.Errorf("log line %v, want a warning with its error", line)
				}
				if n := p.metric(t, `rerankd_requests_total{outcome="`+outcome+`",route="rerank"}`); n != "1" {
					t.Errorf("requests counted as %s: %s, want 1", outcome, n)
				}
			})
		}
	}
}

// checkDegraded expects the first stage's order, and to be told.
func checkDegraded(t *testing.T, a answer, reason string) {
	t.Helper()
	if a.Status != http.StatusOK {
		t.Fatalf("want a degraded answer, got %s", a)
	}
	got := decode[found](t, a.Body)
	if d := cmp.Diff(strings.Fields("0 1 2 3 4"), got.ids()); d != "" {
		t.Errorf("not the order of the first stage:\n%s", d)
	}
	if d := cmp.Diff([]float32{1, 0.5, 1. / 3, 0.25, 0.2}, got.scores(t)); d != "" {
		t.Errorf("scores:\n%s", d)
	}
	if h := a.Header.Get("X-Rerankd-Outcome"); h != "degraded; reason="+reason {
		t.Errorf("X-Rerankd-Outcome = %q", h)
	}
	if h := a.Header.Get("Warning"); !strings.HasPrefix(h, `299 rerankd "`) || !strings.Contains(h, reason) {
		t.Errorf("Warning = %q", h)
	}
}

// checkFailed expects Elasticsearch's form, with the cause where the original
// puts it, and no status by which clients take a node out of use.
func checkFailed(t *testing.T, a answer, tc trouble) {
	t.Helper()
	e := wantError(t, a, tc.status, tc.text)
	if len(e.Error.Suppressed) != 1 || !strings.Contains(e.Error.Suppressed[0].CausedBy.Reason, tc.text) {
		t.Errorf("the cause is not among the suppressed exceptions: %s", a)
	}
	if h := a.Header.Get("X-Rerankd-Outcome"); h != "failed; reason="+tc.reason {
		t.Errorf("X-Rerankd-Outcome = %q", h)
	}
	if strings.Contains(string(a.Body), "onnx") || strings.Contains(string(a.Body), "indices element") {
		t.Errorf("the answer tells an internal error: %s", a)
	}
}

func TestMoreRequestsThanTheModelTakesAreRefusedAtOnce(t *testing.T) {
	longIndex(t)
	for _, policy := range []string{configs.OnFailureDegrade, configs.OnFailureFail} {
		t.Run(policy, func(t *testing.T) {
			var model string
			p := startProxy(t, func(c *configs.Config) {
				model = endlessModel(t, c)
				c.Engine.Running, c.Engine.Waiting = 1, 0
				c.Rerank.OnFailure = policy
			})
			leave(t, p, "e2e-long", longSearch("q", ""), func() {
				p.awaitRunning(t, model, 1) // the only place is taken, until its caller hangs up
				a := send(t, http.MethodPost, p.url+"/e2e-long/_search", longSearch("another question", ""))
				if policy == configs.OnFailureFail {
					checkFailed(t, a, trouble{status: http.StatusTooManyRequests, reason: "overloaded", text: "overloaded"})
				} else {
					checkDegraded(t, a, "overloaded")
				}
			})
			// What was refused has left no trace: the next one is reranked.
			p.awaitRunning(t, model, 0)
			a := send(t, http.MethodPost, p.url+"/e2e-long/_search", longSearch("afterwards", ""))
			if a.Header.Get("X-Rerankd-Outcome") != "reranked" {
				t.Errorf("after the refusal: %s, %q", a, a.Header.Get("X-Rerankd-Outcome"))
			}
		})
	}
}

// A crowd is no flood on the cluster, whatever the policy, and what passes through
// doesn't see it.
func TestMoreRerankedRequestsThanThereArePlacesAreRefusedBeforeTheClusterIsAsked(t *testing.T) {
	longIndex(t)
	r := startRelay(t, cluster(t).URL)
	var model string
	p := startProxyAt(t, r.url(), func(c *configs.Config) {
		model = endlessModel(t, c)
		c.Limits.Searches = 1
	})
	leave(t, p, "e2e-long", longSearch("q", ""), func() {
		p.awaitRunning(t, model, 1)
		p.await(t, "rerankd_requests_running", func(n int) bool { return n == 1 })
		p.await(t, "rerankd_held_bytes", func(n int) bool { return n > longTexts })
		r.take()
		e := wantError(t, send(t, http.MethodPost, p.url+"/e2e-long/_search", longSearch("another question", `,"allow_rerank_failures":true`)),
			http.StatusTooManyRequests, "[1] are executed already, by [limits.searches] of rerankd")
		if e.Error.Type != "es_rejected_execution_exception" {
			t.Errorf("type %q", e.Error.Type)
		}
		if seen := r.requests(t); len(seen) > 0 {
			t.Errorf("the cluster was asked %q", seen)
		}
		search(t, p.url+"/e2e-long/_search", `{"query":{"match_all":{}}}`)
	})
	p.await(t, "rerankd_requests_running", func(n int) bool { return n == 0 })
	p.await(t, "rerankd_held_bytes", func(n int) bool { return n == 0 })
	if n := p.metric(t, `rerankd_requests_total{outcome="overloaded",route="rerank"}`); n != "1" {
		t.Errorf("requests counted as overloaded: %s, want 1", n)
	}
	if a := send(t, http.MethodPost, p.url+"/e2e-long/_search", longSearch("afterwards", "")); a.Header.Get("X-Rerankd-Outcome") != "reranked" {
		t.Errorf("after the refusal: %s", a)
	}
}

func TestAClusterKilledInTheMiddleIsABadGatewayUntilItIsBack(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), func(c *configs.Config) { c.Upstream.HealthInterval = 100 * time.Millisecond })
	for name, body := range map[string]string{
		"reranked":       `{"retriever":` + reranker(mock, "q", "score", all, "") + `}`,
		"passed through": `{"query":{"match_all":{}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			r.take()
			r.mute()
			answered := make(chan answer, 1)
			go func() {
				a, err := try(t, http.MethodPost, p.url+"/e2e-items/_search", body)
				if err != nil {
					t.Errorf("no answer at all: %v", err)
				}
				answered <- a
			}()
			awaitSearch(t, r)
			r.sever()
			a := <-answered
			e := wantError(t, a, http.StatusBadGateway, "no answer from Elasticsearch")
			if e.Error.Type != "upstream_exception" || strings.Contains(string(a.Body), "127.0.0.1") {
				t.Errorf("the error has another type, or tells an address: %s", a)
			}
			eventually(t, "the program is not ready", func() (bool, string) {
				a := send(t, http.MethodGet, p.admin+"/-/ready", "")
				return a.Status == http.StatusServiceUnavailable, a.String()
			})
			r.mend()
			p.awaitReady(t)
			search(t, p.url+"/e2e-items/_search", body)
		})
	}
	p.logs.waitFor(t, map[string]any{"msg": "upstream node is down", "level": "WARN"})
	p.logs.waitFor(t, map[string]any{"msg": "upstream node is back"})
}

// awaitSearch waits until a search has arrived behind the relay.
func awaitSearch(t *testing.T, r *relay) {
	t.Helper()
	eventually(t, "the search is on its way", func() (bool, string) {
		seen := r.requests(t)
		return slices.ContainsFunc(seen, func(s string) bool { return strings.Contains(s, "/_search") }), fmt.Sprint(seen)
	})
}
