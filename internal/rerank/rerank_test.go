package rerank_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/rerankd/rerankd/internal/rerank"
	"github.com/rerankd/rerankd/scorer"
)

// fixed answers every call with the same scores, right or wrong.
type fixed struct {
	scores []float32
	err    error
	calls  int
}

func (f *fixed) Score(context.Context, string, []string) ([]float32, error) {
	f.calls++
	return f.scores, f.err
}

func TestShownIsElasticsearchsScoreOfALogit(t *testing.T) {
	for logit, want := range map[float32]float32{
		4: 5, 2.5: 3.5, 1: 2, 0.5: 1.5, 0: 1, -0.5: 0.60653067, -1: 0.36787945, -2: 0.13533528,
		-5: 0.006737947, -11.3: 1.2372922e-05, -50: 1.9287499e-22, -110: 0,
	} {
		if got := rerank.Shown(logit); got != want {
			t.Errorf("Shown(%v) = %v, want %v", logit, got, want)
		}
	}
}

func TestRankOrdersByScoreAndKeepsTheOrderOfEquals(t *testing.T) {
	least := float32(-200)
	for _, tc := range []struct {
		name   string
		scores []float32
		min    *float32
		want   []int
	}{
		{"plain", []float32{0, 4, -1}, nil, []int{1, 0, 2}},
		{"equal logits", []float32{1, 2, 1, 2}, nil, []int{1, 3, 0, 2}},
		{"logits that float32 merges into one score", []float32{-120, -110, 3}, nil, []int{2, 0, 1}},
		{"a least logit that all reach", []float32{-1, -3}, &least, []int{0, 1}},
		{"a least logit compares the logit, not the score", []float32{0.2, 0.6}, new(float32(0.5)), []int{1}},
		{"a least logit that equals one", []float32{0.5}, new(float32(0.5)), []int{0}},
		{"a least logit that none reaches", []float32{1, 2}, new(float32(9)), []int{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ranked, err := rerank.Rank(t.Context(), &fixed{scores: tc.scores},
				rerank.Request{Passages: make([]string, len(tc.scores)), MinScore: tc.min})
			if err != nil {
				t.Fatal(err)
			}
			got := []int{}
			for _, r := range ranked {
				got = append(got, r.Index)
				if r.Logit != tc.scores[r.Index] || r.Score != rerank.Shown(r.Logit) {
					t.Errorf("%+v does not carry logit %v and its score", r, tc.scores[r.Index])
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("scores %v: order %v, want %v", tc.scores, got, tc.want)
			}
		})
	}
}

func TestRankWithoutPassagesAsksNoScorer(t *testing.T) {
	s := &fixed{}
	if ranked, err := rerank.Rank(t.Context(), s, rerank.Request{Query: "q"}); err != nil || len(ranked) != 0 || s.calls != 0 {
		t.Errorf("got %v, %v after %d calls", ranked, err, s.calls)
	}
}

func TestRankReportsTheScorersFailure(t *testing.T) {
	request := rerank.Request{Passages: []string{"a", "b"}}
	if _, err := rerank.Rank(t.Context(), &fixed{err: scorer.ErrOverloaded}, request); !errors.Is(err, scorer.ErrOverloaded) {
		t.Errorf("got %v, want ErrOverloaded", err)
	}
	if _, err := rerank.Rank(t.Context(), &fixed{scores: []float32{1}}, request); !errors.Is(err, scorer.ErrScores) {
		t.Errorf("one score for two passages: got %v, want ErrScores", err)
	}
}

func TestShownGrowsWithTheLogit(t *testing.T) {
	last := float32(-1)
	for logit := float32(-100); logit < 100; logit += 0.25 {
		shown := rerank.Shown(logit)
		if shown <= last || math.IsNaN(float64(shown)) {
			t.Fatalf("Shown(%v) = %v after %v", logit, shown, last)
		}
		last = shown
	}
}
