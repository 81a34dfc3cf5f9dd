package e2e

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

// A search in a hurry is asked again and again: each time the scores that were
// ready are kept, so that the answer is degraded at first, then partial, and whole
// in the end.
func TestASearchThatRunsOutOfTimeHasWhatIsScoredFirst(t *testing.T) {
	longIndex(t)
	p := startProxy(t, slowModel)
	body := strings.Replace(longSearch("what do valves do", ""), `"size":5`, `"size":`+strconv.Itoa(longTexts), 1)
	target := p.url + "/e2e-long/_search"
	partial := 0
	last := 0
	for deadline := time.Millisecond; ; deadline += deadline / 8 {
		a := send(t, http.MethodPost, target, body, "X-Rerankd-Deadline", deadline.String())
		if a.Status != http.StatusOK {
			t.Fatalf("status %d: %s", a.Status, a)
		}
		outcome := a.Header.Get("X-Rerankd-Outcome")
		if outcome == "reranked" {
			break
		}
		if deadline > time.Minute {
			t.Fatalf("not reranked within %v: %s", deadline, outcome)
		}
		if counts, ok := strings.CutPrefix(outcome, "partial; scored="); ok {
			partial++
			scored := checkPartial(t, a, counts)
			if scored < last {
				t.Errorf("%d passages are scored, %d were before: what is scored must be kept", scored, last)
			}
			last = scored
			p.awaitCached(t, scored)
		}
	}
	if partial == 0 {
		t.Fatal("no answer was partial")
	}
	t.Logf("%d partial answers", partial)
	if n := p.metric(t, `rerankd_requests_total{outcome="partial",route="rerank"}`); n != strconv.Itoa(partial) {
		t.Errorf("requests counted as partial: %s, want %d", n, partial)
	}
}

// checkPartial expects all documents: those scored, as many as the header says, by
// score, and below them the others in first-stage order.
func checkPartial(t *testing.T, a answer, counts string) (scored int) {
	t.Helper()
	first, all, _ := strings.Cut(counts, "/")
	scored, err := strconv.Atoi(first)
	if err != nil || all != strconv.Itoa(longTexts) || scored < 1 || scored >= longTexts {
		t.Fatalf("outcome %q", counts)
	}
	if h := a.Header.Get("Warning"); !strings.HasPrefix(h, `299 rerankd "`) || !strings.Contains(h, first+" of "+all) {
		t.Errorf("Warning = %q", h)
	}
	got := decode[found](t, a.Body)
	ids, scores := got.ids(), got.scores(t)
	if len(ids) != longTexts {
		t.Fatalf("%d hits of %d", len(ids), longTexts)
	}
	for i := range scores[1:] {
		if scores[i+1] > scores[i] {
			t.Errorf("score %v at place %d after %v", scores[i+1], i+1, scores[i])
		}
	}
	var rest []string
	for i := range longTexts {
		if id := strconv.Itoa(i); !slices.Contains(ids[:scored], id) {
			rest = append(rest, id)
		}
	}
	if d := cmp.Diff(rest, ids[scored:]); d != "" {
		t.Errorf("what is not scored is not in first-stage order:\n%s", d)
	}
	return scored
}

func TestAnEndpointsDeadlineHoldsForTheSearchesThatNameIt(t *testing.T) {
	longIndex(t)
	p := startProxy(t, func(c *configs.Config) {
		endlessModel(t, c)
		c.Endpoints[len(c.Endpoints)-1].Deadline = time.Millisecond
	})
	checkDegraded(t, send(t, http.MethodPost, p.url+"/e2e-long/_search", longSearch("q", "")), "deadline")
}
