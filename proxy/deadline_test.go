package proxy

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// slow scores the second passage and then waits for its caller to leave.
func slow(ctx context.Context, _ string, passages []string) ([]float32, error) {
	<-ctx.Done()
	scores, scored := make([]float32, len(passages)), make([]bool, len(passages))
	scores[1], scored[1] = 2, true
	return nil, scorer.Partial(scores, scored, ctx.Err())
}

func TestWhatIsScoredWhenTheDeadlineStrikesComesFirst(t *testing.T) {
	for _, by := range []struct {
		name, body string
		failPolicy bool
		answered   bool
	}{
		{"default policy", rerankBody, false, true},
		{"policy fail", rerankBody, true, false},
		{"request allows", lenient("true"), true, true},
		{"request forbids", lenient("false"), false, false},
	} {
		t.Run(by.name, func(t *testing.T) {
			var seen arrived
			b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
				failing(slow)(o)
				o.RerankTimeout, o.FailOnRerank = 10*time.Millisecond, by.failPolicy
			})
			a := send(t, http.MethodPost, b.url+"/docs/_search", by.body)
			if !by.answered {
				wantError(t, a, http.StatusRequestTimeout, "timeout")
				return
			}
			var order []string
			for _, hit := range ids(t, a.Body) {
				order = append(order, hit[:1])
			}
			if a.Status != http.StatusOK || !slices.Equal(order, []string{"b", "a", "d"}) { // c has no text
				t.Fatalf("status %d, hits %v, want b and then the first stage's", a.Status, order)
			}
			if got := a.Header.Get("X-Rerankd-Outcome"); got != "partial; scored=1/3" {
				t.Errorf("X-Rerankd-Outcome = %q", got)
			}
			if w := a.Header.Values("Warning"); len(w) != 2 || !strings.Contains(w[1], "1 of 3 passages") {
				t.Errorf("Warning = %q, want the cluster's and ours", w)
			}
			b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomePartial, "level": "WARN", "passages": 3.0, "scored": 1.0})
			if !slices.Equal(b.seen.requests, []string{"rerank partial"}) {
				t.Errorf("observed %v", b.seen.requests)
			}
		})
	}
}

// However long it takes to get there, the time began between the request and the
// call of the scorer.
func TestACallerMayGiveTheRerankStepLessTimeButNotMore(t *testing.T) {
	const configured = 300 * time.Millisecond
	for header, want := range map[string]time.Duration{
		"": configured, "20ms": 20 * time.Millisecond, "0.02s": 20 * time.Millisecond, "10h": configured,
	} {
		t.Run(header, func(t *testing.T) {
			var seen arrived
			var deadline, called time.Time
			b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
				failing(func(ctx context.Context, query string, passages []string) ([]float32, error) {
					deadline, _ = ctx.Deadline()
					called = time.Now()
					return slow(ctx, query, passages)
				})(o)
				o.RerankTimeout = configured
			})
			sent := time.Now()
			a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody, "X-Rerankd-Deadline", header)
			if a.Status != http.StatusOK {
				t.Fatalf("status %d: %s", a.Status, a.Body)
			}
			if begun := deadline.Add(-want); begun.Before(sent) || begun.After(called) {
				t.Errorf("the scorer's time ended %v after the request and %v after its call, want %v after a moment between",
					deadline.Sub(sent), deadline.Sub(called), want)
			}
		})
	}
}

func TestADeadlineThatIsNoTimeIsRefusedBeforeAnySearch(t *testing.T) {
	for _, value := range []string{"soon", "20", "0s", "-5ms", strings.Repeat("9", 4000)} {
		var seen arrived
		b := start(t, []string{searched(t, &seen).URL}, nil)
		a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody, "X-Rerankd-Deadline", value)
		e := wantError(t, a, http.StatusBadRequest, "failed to parse header [X-Rerankd-Deadline]")
		if e.Error.Type != "illegal_argument_exception" || len(a.Body) > 2000 {
			t.Errorf("type %q in %d bytes", e.Error.Type, len(a.Body))
		}
	}
}

// The limit of an endpoint strikes inside the scorer, whose caller has time left.
func TestAnEndpointsOwnDeadlineIsADeadline(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
		late := scorer.NewDeadline(scoreFunc(func(ctx context.Context, _ string, _ []string) ([]float32, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}), time.Millisecond)
		o.Endpoint = func(string) (scorer.Scorer, bool) { return late, true }
	})
	wantDegraded(t, b, send(t, http.MethodPost, b.url+"/docs/_search", rerankBody), OutcomeDeadline)
}

func TestARuledSearchThatRunsOutOfTimeIsPartialToo(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
		ruling()(o)
		failing(slow)(o)
	})
	a := send(t, http.MethodPost, b.url+"/docs/_search", plainBody, wishHeader, "true", deadlineHeader, "5ms")
	var order []string
	for _, hit := range ids(t, a.Body) {
		order = append(order, hit[:1])
	}
	if a.Status != http.StatusOK || !strings.HasPrefix(a.Header.Get(outcomeHeader), "partial; scored=1/") || order[0] != "b" || order[1] != "a" {
		t.Errorf("status %d, outcome %q, order %v, want b and then the plain order", a.Status, a.Header.Get(outcomeHeader), order)
	}
}

// One reranker of a tree has its scores in time, the other above it only some.
func TestATreeThatRunsOutOfTimeIsPartial(t *testing.T) {
	node, asked := wooded(t, nil)
	calls := 0
	b := start(t, []string{node.URL}, failing(func(ctx context.Context, query string, passages []string) ([]float32, error) {
		if calls++; calls == 2 {
			return slow(ctx, query, passages)
		}
		return byLength(ctx, query, passages)
	}))
	a := send(t, http.MethodPost, b.url+"/docs/_search", treeBody, deadlineHeader, "200ms")
	if got := a.Header.Get(outcomeHeader); a.Status != http.StatusOK || got != "partial; scored=4/7" {
		t.Errorf("status %d, outcome %q: %s", a.Status, got, a.Body)
	}
	if n := len(asked()); n != 4 {
		t.Errorf("%d requests to the cluster, want 4", n)
	}
	b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomePartial, "passages": 7.0, "scored": 4.0})
}
