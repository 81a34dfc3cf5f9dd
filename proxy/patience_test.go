package proxy

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/scorer"
)

// impatient gives up after one passage that is no better, and scores each passage
// lower than the one before.
func impatient(o *Options) {
	patience := scorer.NewPatience(scoreFunc(func(_ context.Context, _ string, passages []string) ([]float32, error) {
		scores := make([]float32, len(passages))
		for i := range scores {
			scores[i] = float32(-i)
		}
		return scores, nil
	}), 1)
	o.Endpoint = func(string) (scorer.Scorer, bool) { return patience, true }
	o.FailOnRerank = true // it is no failure
}

// What is scored depends on how far down the caller looks.
func TestASearchWithPatienceScoresWhatItsPageNeeds(t *testing.T) {
	for _, tc := range []struct {
		name, page, outcome string
		scored              float64
		hits                []string
	}{
		{"the first hit", `"size":1`, "reranked; scored=2/3", 2, []string{"a"}},
		{"the second one", `"from":1,"size":1`, "reranked", 3, []string{"b"}},
		{"all", `"size":3`, "reranked", 3, []string{"a", "b", "d"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen arrived
			b := start(t, []string{searched(t, &seen).URL}, impatient)
			a := send(t, http.MethodPost, b.url+"/docs/_search", strings.Replace(rerankBody, `"size":3`, tc.page, 1))
			var order []string
			for _, hit := range ids(t, a.Body) {
				order = append(order, hit[:1])
			}
			if got := a.Header.Get(outcomeHeader); a.Status != http.StatusOK || got != tc.outcome || !slices.Equal(order, tc.hits) {
				t.Errorf("status %d, outcome %q, hits %v, want %q and %v", a.Status, got, order, tc.outcome, tc.hits)
			}
			if w := a.Header.Values("Warning"); len(w) != 1 {
				t.Errorf("Warning = %q, want the cluster's alone", w)
			}
			b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeOK, "level": "INFO", "passages": 3.0, "scored": tc.scored})
		})
	}
}

func TestARuledSearchWithPatienceScoresWhatItsPageNeeds(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
		ruling()(o)
		impatient(o)
	})
	a := send(t, http.MethodPost, b.url+"/docs/_search", strings.Replace(plainBody, `"size":3`, `"size":1`, 1), wishHeader, "true")
	if got := a.Header.Get(outcomeHeader); a.Status != http.StatusOK || got != "reranked; scored=2/3" {
		t.Errorf("status %d, outcome %q", a.Status, got)
	}
}

// Of a list that others read nobody can tell how far down it matters.
func TestARerankerInATreeScoresAllWhateverThePatience(t *testing.T) {
	node, _ := wooded(t, nil)
	b := start(t, []string{node.URL}, impatient)
	a := send(t, http.MethodPost, b.url+"/docs/_search", strings.Replace(treeBody, `"size":3`, `"size":1`, 1))
	if got := a.Header.Get(outcomeHeader); a.Status != http.StatusOK || got != "reranked" {
		t.Errorf("status %d, outcome %q: %s", a.Status, got, a.Body)
	}
}
