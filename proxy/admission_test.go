package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rerankd/rerankd/scorer"
)

// crowd is a proxy with one place, and a search in it that stays until leave, which
// must be called before the test ends.
type crowd struct {
	*bench
	leave func()
	mu    sync.Mutex
	asked []string // paths at the cluster
}

func (c *crowd) paths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

func crowded(t *testing.T, change func(*Options)) *crowd {
	t.Helper()
	c := &crowd{}
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.asked = append(c.asked, r.URL.Path)
		c.mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, firstStageAnswer)
	})
	entered, release := make(chan struct{}), make(chan struct{})
	c.bench = start(t, []string{node.URL}, func(o *Options) {
		first := true
		o.Endpoint = func(string) (scorer.Scorer, bool) {
			return scoreFunc(func(ctx context.Context, query string, passages []string) ([]float32, error) {
				if first {
					first = false
					close(entered)
					<-release
				}
				return byLength(ctx, query, passages)
			}), true
		}
		o.Searches = 1
		if change != nil {
			change(o)
		}
	})
	var client sync.WaitGroup
	client.Go(func() {
		if a := send(t, http.MethodPost, c.url+"/docs/_search", rerankBody); a.Status != http.StatusOK {
			t.Errorf("the search that has the place: %d %s", a.Status, a.Body)
		}
	})
	wait(t, entered, "the first search to reach the model")
	c.leave = sync.OnceFunc(func() {
		close(release)
		client.Wait()
	})
	return c
}

func multiOf(bodies ...string) string {
	var b strings.Builder
	for _, body := range bodies {
		b.WriteString("{}\n" + body + "\n")
	}
	return b.String()
}

// Whatever the policy: the first stage is work for the cluster, too.
func TestARequestBeyondThoseThatMayBeHereIsRefusedBeforeAnyWork(t *testing.T) {
	evaluation := `{"requests":[{"id":"q","request":` + rerankBody + `,"ratings":[]}],"metric":{"precision":{}}}`
	for _, fail := range []bool{false, true} {
		c := crowded(t, func(o *Options) { o.FailOnRerank = fail })
		before := c.paths()
		for _, tc := range []struct{ path, body string }{
			{"/docs/_search", rerankBody},
			{"/docs/_search", lenient("true")},
			{"/docs/_msearch", multiOf(rerankBody, plainBody)},
			{"/docs/_async_search", rerankBody},
			{"/docs/_rank_eval", evaluation},
		} {
			a := send(t, http.MethodPost, c.url+tc.path, tc.body)
			e := wantError(t, a, http.StatusTooManyRequests, "[limits.searches]")
			if e.Error.Type != "es_rejected_execution_exception" || a.Header.Get(outcomeHeader) != "failed; reason=overloaded" {
				t.Errorf("%s: type %q, outcome %q", tc.path, e.Error.Type, a.Header.Get(outcomeHeader))
			}
		}
		c.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeOverloaded, "level": "WARN", "status": 429.0, "path": "/docs/_rank_eval"})
		if now := c.paths(); !slices.Equal(now, before) {
			t.Errorf("the cluster was asked for %q by requests that were refused", now[len(before):])
		}
		if requests, bytes := c.handler.Load(); requests != 1 || bytes < int64(len(rerankBody)+len(firstStageAnswer)) {
			t.Errorf("%d requests hold %d bytes, want 1 with its body and answer", requests, bytes)
		}
		c.leave()
		if a := send(t, http.MethodPost, c.url+"/docs/_msearch", multiOf(rerankBody, rerankBody)); a.Status != http.StatusOK {
			t.Errorf("with the place free again: %d %s", a.Status, a.Body)
		}
		if requests, bytes := c.handler.Load(); requests != 0 || bytes != 0 {
			t.Errorf("%d requests hold %d bytes after all have ended", requests, bytes)
		}
	}
}

func TestWhatPassesThroughNeedsNoPlace(t *testing.T) {
	c := crowded(t, ruling())
	defer c.leave()
	for _, tc := range []struct{ path, body string }{
		{"/docs/_search", plainBody},
		{"/docs/_search", `{"query":{"match":{"t":"text_similarity_reranker"}}}`},
		{"/docs/_msearch", multiOf(plainBody)},
		{"/docs/_bulk", plainBody},
	} {
		a := send(t, http.MethodPost, c.url+tc.path, tc.body)
		if a.Status != http.StatusOK || string(a.Body) != firstStageAnswer || a.Header.Get(outcomeHeader) != "" {
			t.Errorf("%s: %d, outcome %q", tc.path, a.Status, a.Header.Get(outcomeHeader))
		}
	}
}

// Without the rule it would have passed through, and so it does.
func TestASearchThatARuleWouldHaveRerankedPassesThroughACrowd(t *testing.T) {
	for _, path := range []string{"/docs/_search", "/docs/_msearch"} {
		body := plainBody
		if path == "/docs/_msearch" {
			body = multiOf(plainBody)
		}
		c := crowded(t, ruling())
		a := send(t, http.MethodPost, c.url+path, body, wishHeader, "true")
		if a.Status != http.StatusOK || string(a.Body) != firstStageAnswer || a.Header.Get(outcomeHeader) != "degraded; reason=overloaded" {
			t.Errorf("%s: %d, outcome %q: %s", path, a.Status, a.Header.Get(outcomeHeader), a.Body)
		}
		c.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeDegraded, "reason": OutcomeOverloaded, "status": 200.0})
		c.leave()

		c = crowded(t, func(o *Options) {
			ruling()(o)
			o.FailOnRerank = true
		})
		wantError(t, send(t, http.MethodPost, c.url+path, body, wishHeader, "true"), http.StatusTooManyRequests, "[limits.searches]")
		c.leave()
	}
}

func TestBytesThatOthersHoldCount(t *testing.T) {
	room := len(rerankBody) + len(firstStageAnswer) + 16
	for name, more := range map[string]int{"for its body": 0, "for its answer": len(rerankBody)} {
		t.Run(name, func(t *testing.T) {
			c := crowded(t, func(o *Options) { o.Searches, o.HeldBytes = 10, int64(room+more) })
			a := send(t, http.MethodPost, c.url+"/docs/_search", rerankBody)
			wantError(t, a, http.StatusTooManyRequests, fmt.Sprintf("[%d] bytes together, by [limits.held_bytes]", room+more))
			if requests, bytes := c.handler.Load(); requests != 1 || bytes > int64(room) {
				t.Errorf("%d requests hold %d bytes, want what the first one does", requests, bytes)
			}
			c.leave()
			if a := send(t, http.MethodPost, c.url+"/docs/_search", rerankBody); a.Status != http.StatusOK {
				t.Errorf("with the room free again: %d %s", a.Status, a.Body)
			}
		})
	}
}

// The searches of a multi search give back what they held, one after the other.
func TestAMultiSearchMayHaveMoreSearchesThanThereIsRoomForAtOnce(t *testing.T) {
	body := multiOf(slices.Repeat([]string{rerankBody}, 40)...)
	b := start(t, []string{steady(t).URL}, func(o *Options) {
		o.HeldBytes = int64(len(body) + 40*len(firstStageAnswer) + 4*len(firstStageAnswer))
		o.AnswerLimit = o.HeldBytes
	})
	a := send(t, http.MethodPost, b.url+"/docs/_msearch?max_concurrent_searches=1", body)
	if a.Status != http.StatusOK || strings.Contains(string(a.Body), "rejected") {
		t.Errorf("%d %.300s", a.Status, a.Body)
	}
}

func TestAMultiSearchRunsAsManyAtATimeAsItSays(t *testing.T) {
	for parameter, want := range map[string]int{"": 4, "?max_concurrent_searches=2": 2, "?max_concurrent_searches=9": 9, "?max_concurrent_searches=1000": 16} {
		t.Run(parameter, func(t *testing.T) {
			var mu sync.Mutex
			inside, most := 0, 0
			full := make(chan struct{})
			fill := sync.OnceFunc(func() { close(full) })
			b := start(t, []string{steady(t).URL}, failing(func(ctx context.Context, query string, passages []string) ([]float32, error) {
				mu.Lock()
				inside++
				if most = max(most, inside); inside == want {
					fill()
				}
				mu.Unlock()
				select {
				case <-full: // stays open to the rest
				case <-ctx.Done():
				}
				mu.Lock()
				inside--
				mu.Unlock()
				return byLength(ctx, query, passages)
			}))
			a := send(t, http.MethodPost, b.url+"/docs/_msearch"+parameter, multiOf(slices.Repeat([]string{rerankBody}, 20)...))
			if a.Status != http.StatusOK || most != want {
				t.Errorf("status %d, %d searches at a time, want %d", a.Status, most, want)
			}
		})
	}
}

func TestAMultiSearchOfTooManyRerankersOrWithAWrongNumberIsRefused(t *testing.T) {
	b := start(t, []string{steady(t).URL}, nil)
	many := multiOf(slices.Repeat([]string{rerankBody}, mostOfMulti+1)...)
	wantError(t, send(t, http.MethodPost, b.url+"/docs/_msearch", many), http.StatusBadRequest, "at most [1000] searches")
	for value, reason := range map[string]string{
		"0": "maxConcurrentSearchRequests must be positive", "-3": "maxConcurrentSearchRequests must be positive",
		"many": "Failed to parse int parameter [max_concurrent_searches] with value [many]",
	} {
		wantError(t, send(t, http.MethodPost, b.url+"/docs/_msearch?max_concurrent_searches="+value, multiOf(rerankBody)), http.StatusBadRequest, reason)
	}
}

// steady is a node that gives every search the same answer.
func steady(t *testing.T) *httptest.Server {
	t.Helper()
	return cluster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, firstStageAnswer)
	})
}
