package scorer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/rerankd/rerankd/scorer"
)

// numbers scores a passage by the number that it is, and counts the passages of each call.
func numbers(calls *[]int) scorer.Scorer {
	return scoreFunc(func(_ context.Context, _ string, passages []string) ([]float32, error) {
		*calls = append(*calls, len(passages))
		scores := make([]float32, len(passages))
		for i, p := range passages {
			n, err := strconv.Atoi(p)
			if err != nil {
				return nil, err
			}
			scores[i] = float32(n)
		}
		return scores, nil
	})
}

func texts(numbers ...int) []string {
	list := make([]string, len(numbers))
	for i, n := range numbers {
		list[i] = strconv.Itoa(n)
	}
	return list
}

func TestPatienceEndsWhenManyInARowBringNothingIntoTheBest(t *testing.T) {
	for _, tc := range []struct {
		name     string
		passages []int
		scored   int
		calls    []int
	}{
		{"nothing better behind the best", []int{9, 8, 1, 1, 1, 7, 7, 7, 7, 99}, 5, []int{5}},
		{"something better, and then no more", []int{9, 8, 1, 1, 10, 1, 1, 1, 1, 1, 99}, 9, []int{5, 4}},
		{"an equal one is no better", []int{9, 8, 8, 8, 8, 8}, 5, []int{5}},
		{"always something better", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10, []int{5, 4, 1}},
		{"no more than can end", []int{9, 8, 1, 1, 1}, 5, []int{5}},
		{"none", nil, 0, []int{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls []int
			passages := texts(tc.passages...)
			scores, err := scorer.NewPatience(numbers(&calls), 3).Score(scorer.WithBest(t.Context(), 2), "q", passages)
			if !slices.Equal(calls, tc.calls) {
				t.Errorf("calls of %v passages, want %v", calls, tc.calls)
			}
			if tc.scored == len(passages) {
				if err != nil || len(scores) != len(passages) {
					t.Errorf("%v, %v, want all scores", scores, err)
				}
				return
			}
			partial, ok := scorer.PartialOf(err, len(passages))
			if !ok || !errors.Is(err, scorer.ErrEnough) || scores != nil {
				t.Fatalf("%v, %v, want %v with scores in it", scores, err, scorer.ErrEnough)
			}
			for i := range passages {
				if want := i < tc.scored; partial.Scored[i] != want || want && partial.Scores[i] != float32(tc.passages[i]) {
					t.Errorf("passage %d: scored %t as %v, want %t", i, partial.Scored[i], partial.Scores[i], want)
				}
			}
		})
	}
}

func TestWithoutAPageEverythingIsScored(t *testing.T) {
	for _, ctx := range []context.Context{t.Context(), scorer.WithBest(t.Context(), 0)} {
		var calls []int
		if scores, err := scorer.NewPatience(numbers(&calls), 1).Score(ctx, "q", texts(9, 1, 1, 1, 1, 1, 1, 1)); err != nil || len(scores) != 8 || len(calls) != 1 {
			t.Errorf("%v, %v in %d calls, want all scores in one", scores, err, len(calls))
		}
	}
}

// What is scored decides about the end, and the end about nothing else: the best
// are those of the passages scored, and the last ones of these, as many as the
// patience, are none of them.
func TestTheBestOfThoseScoredStandBeforeTheRunThatEndedIt(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		list := make([]int, rng.IntN(60))
		for i := range list {
			list[i] = rng.IntN(40) - i/2
		}
		patience, best := 1+rng.IntN(8), 1+rng.IntN(12)
		var calls []int
		_, err := scorer.NewPatience(numbers(&calls), patience).Score(scorer.WithBest(t.Context(), best), "q", texts(list...))
		partial, ok := scorer.PartialOf(err, len(list))
		if !ok {
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			continue
		}
		n := partial.Count()
		if n < best+patience || slices.Contains(partial.Scored[:n], false) {
			t.Fatalf("seed %d: scored %v, want the first %d or more", seed, partial.Scored, best+patience)
		}
		before := slices.Clone(list[:n-patience])
		slices.SortFunc(before, func(a, b int) int { return b - a })
		for _, late := range list[n-patience : n] {
			if late > before[best-1] {
				t.Errorf("seed %d: it ended after %v with a best of %d, though %d is among them", seed, list[:n], best, late)
			}
		}
	}
}

func TestATimeThatEndsBetweenBlocksLeavesTheScoresOfThoseBefore(t *testing.T) {
	for name, fails := range map[string]func(ctx context.Context) error{
		"with scores of its own": func(ctx context.Context) error {
			return scorer.Partial([]float32{5, 0, 0, 0}, []bool{true, false, false, false}, ctx.Err())
		},
		"without": func(ctx context.Context) error { return fmt.Errorf("wait: %w", ctx.Err()) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(scorer.WithBest(t.Context(), 1))
			s := scoreFunc(func(ctx context.Context, _ string, passages []string) ([]float32, error) {
				if len(passages) == 4 {
					cancel()
					return nil, fails(ctx)
				}
				return []float32{1, 2, 3}, nil
			})
			_, err := scorer.NewPatience(s, 2).Score(ctx, "q", texts(1, 2, 3, 4, 5, 6, 7))
			partial, ok := scorer.PartialOf(err, 7)
			if !ok || !errors.Is(err, context.Canceled) || errors.Is(err, scorer.ErrEnough) {
				t.Fatalf("%v, want the scores there are with %v", err, context.Canceled)
			}
			if want := map[bool]int{true: 4, false: 3}[name == "with scores of its own"]; partial.Count() != want {
				t.Errorf("%d scores, want %d", partial.Count(), want)
			}
		})
	}
	failed := errors.New("broken")
	s := scoreFunc(func(context.Context, string, []string) ([]float32, error) { return nil, failed })
	if _, err := scorer.NewPatience(s, 1).Score(scorer.WithBest(t.Context(), 1), "q", texts(1, 2, 3)); !errors.Is(err, failed) {
		t.Errorf("%v, want %v", err, failed)
	}
	short := scoreFunc(func(context.Context, string, []string) ([]float32, error) { return []float32{1}, nil })
	if _, err := scorer.NewPatience(short, 1).Score(scorer.WithBest(t.Context(), 1), "q", texts(1, 2, 3)); !errors.Is(err, scorer.ErrScores) {
		t.Errorf("%v, want %v", err, scorer.ErrScores)
	}
}
