package rerank_test

import (
	"context"
	"errors"
	"fmt"
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
			ranking, err := rerank.Rank(t.Context(), &fixed{scores: tc.scores},
				rerank.Request{Passages: make([]string, len(tc.scores)), MinScore: tc.min})
			if err != nil {
				t.Fatal(err)
			}
			if ranking.Scored != len(tc.scores) || ranking.Cut != nil {
				t.Errorf("%d scored, %v", ranking.Scored, ranking.Cut)
			}
			got := []int{}
			for _, r := range ranking.Ranked {
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
	if ranking, err := rerank.Rank(t.Context(), s, rerank.Request{Query: "q"}); err != nil || len(ranking.Ranked) != 0 || s.calls != 0 {
		t.Errorf("got %v, %v after %d calls", ranking, err, s.calls)
	}
}

func TestWhatWasNotScoredInTimeStandsBelowInItsOwnOrder(t *testing.T) {
	cut := fmt.Errorf("score: %w", context.DeadlineExceeded)
	least := float32(0.5)
	for _, tc := range []struct {
		name   string
		scores []float32
		scored []bool
		min    *float32
		want   []rerank.Ranked
	}{
		{"some", []float32{0, 1, 0, 3}, []bool{false, true, false, true}, nil, []rerank.Ranked{
			{Index: 3, Passage: 3, Logit: 3, Score: 4},
			{Index: 1, Passage: 1, Logit: 1, Score: 2},
			{Index: 0, Score: 2 * 2 / 3.},
			{Index: 2, Passage: 2, Score: 2 / 3.},
		}},
		{"in the order of a cascade's first step", []float32{0.5, 1, 0.7}, []bool{false, true, false}, nil, []rerank.Ranked{
			{Index: 1, Passage: 1, Logit: 1, Score: 2}, {Index: 2, Passage: 2, Score: 2 * 2 / 3.}, {Index: 0, Score: 2 / 3.},
		}},
		{"nobody knows who reaches a least score", []float32{0, 1, 0, 0.25}, []bool{false, true, false, true}, &least, []rerank.Ranked{
			{Index: 1, Passage: 1, Logit: 1, Score: 2},
		}},
		{"none reaches it", []float32{0, 0.25}, []bool{false, true}, &least, []rerank.Ranked{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &fixed{err: scorer.Partial(tc.scores, tc.scored, cut)}
			got, err := rerank.Rank(t.Context(), s, rerank.Request{Passages: make([]string, len(tc.scores)), MinScore: tc.min})
			if err != nil || !errors.Is(got.Cut, context.DeadlineExceeded) {
				t.Fatalf("got %v, %v, want the deadline as what cut it short", got.Cut, err)
			}
			if !slices.Equal(got.Ranked, tc.want) {
				t.Errorf("ranked %+v, want %+v", got.Ranked, tc.want)
			}
		})
	}
}

func TestWhatWasNotScoredSinceEnoughWasFollowsInItsOrder(t *testing.T) {
	s := &fixed{err: scorer.Partial([]float32{1, 3, 0, 0}, []bool{true, true, false, false}, scorer.ErrEnough)}
	got, err := rerank.Rank(t.Context(), s, rerank.Request{Passages: make([]string, 4)})
	if err != nil || !errors.Is(got.Cut, scorer.ErrEnough) || got.Scored != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	for i, want := range []int{1, 0, 2, 3} {
		if got.Ranked[i].Index != want || i > 0 && got.Ranked[i].Score >= got.Ranked[i-1].Score {
			t.Errorf("ranked %+v, want 1, 0, 2, 3 by falling scores", got.Ranked)
		}
	}
}

func TestATimeThatEndedWhenAllWasDoneCutsNothing(t *testing.T) {
	s := &fixed{err: scorer.Partial([]float32{1, 3}, []bool{true, true}, context.DeadlineExceeded)}
	got, err := rerank.Rank(t.Context(), s, rerank.Request{Passages: make([]string, 2)})
	if err != nil || got.Cut != nil || got.Scored != 2 || got.Ranked[0].Index != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestADocumentIsRatedByItsPassagesThatWereScoredInTime(t *testing.T) {
	// Document 0 has its second passage scored, 1 none, 2 its first.
	s := &fixed{err: scorer.Partial([]float32{0, 1, 0, 0, 3, 0}, []bool{false, true, false, false, true, false}, context.DeadlineExceeded)}
	got, err := rerank.Rank(t.Context(), s, rerank.Request{Passages: make([]string, 6), Of: []int{0, 0, 1, 1, 2, 2}})
	want := []rerank.Ranked{{Index: 2, Passage: 4, Logit: 3, Score: 4}, {Index: 0, Passage: 1, Logit: 1, Score: 2}, {Index: 1, Passage: 2, Score: 1}}
	if err != nil || !slices.Equal(got.Ranked, want) || got.Scored != 2 {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// However many there are, and however low the lowest score is, the scores shown fall.
func TestTheScoresOfWhatWasNotScoredFall(t *testing.T) {
	const n = 10_000
	for _, lowest := range []float32{12, 0, -12, -50} {
		scores, scored := make([]float32, n), make([]bool, n)
		scores[n/2], scored[n/2] = lowest, true
		got, err := rerank.Rank(t.Context(), &fixed{err: scorer.Partial(scores, scored, context.DeadlineExceeded)},
			rerank.Request{Passages: make([]string, n)})
		if err != nil || len(got.Ranked) != n {
			t.Fatalf("%d ranked, %v", len(got.Ranked), err)
		}
		for i, r := range got.Ranked[1:] {
			if before := got.Ranked[i]; r.Score >= before.Score || r.Score <= 0 {
				t.Fatalf("lowest logit %v: score %v at place %d after %v", lowest, r.Score, i+1, before.Score)
			}
		}
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
