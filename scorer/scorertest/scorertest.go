// Package scorertest is the contract of [scorer.Scorer] as a test suite. Every
// implementation and every decorator passes it.
package scorertest

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/rerankd/rerankd/scorer"
)

// Options say what the suite can't know of a scorer.
type Options struct {
	// Tolerance is how far the score of a pair may move with its place in a
	// batch, for models whose arithmetic depends on it. 0: not at all.
	Tolerance float32
}

const query = "how do I stop a program"

var passages = []string{
	"Stop stops the program.", "", "A program reads its arguments and does what they say.",
	"naïve café, 日本語, 🙂", "Exit causes the current program to exit with the given status code.",
	"x", "how do I stop a program", "Stop stops the program, however long a text about something else comes after it.",
}

// Run checks the contract on scorers that open makes, a fresh one for each part.
func Run(t *testing.T, o Options, open func(testing.TB) scorer.Scorer) {
	t.Helper()
	t.Run("one finite score for each passage, the same each time", func(t *testing.T) {
		s := open(t)
		first, again := score(t, s, passages), score(t, s, passages)
		for i := range first {
			if math.IsNaN(float64(first[i])) || math.IsInf(float64(first[i]), 0) {
				t.Errorf("score of %q is %v", passages[i], first[i])
			}
		}
		same(t, o, first, again)
	})
	t.Run("a score belongs to its passage, not to its place", func(t *testing.T) {
		s := open(t)
		forward := score(t, s, passages)
		turned := slices.Clone(passages)
		slices.Reverse(turned)
		backward := score(t, s, turned)
		slices.Reverse(backward)
		same(t, o, forward, backward)
	})
	t.Run("equal passages have equal scores", func(t *testing.T) {
		got := score(t, open(t), []string{passages[0], passages[2], passages[0]})
		same(t, o, got[:1], got[2:])
	})
	t.Run("no passages, no scores, no error", func(t *testing.T) {
		for _, none := range [][]string{nil, {}} {
			if got, err := open(t).Score(t.Context(), query, none); err != nil || len(got) != 0 {
				t.Errorf("got %v, %v", got, err)
			}
		}
	})
	t.Run("a cancelled call gives the reason of its context and no scores", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := open(t).Score(ctx, query, passages); !errors.Is(err, context.Canceled) || got != nil {
			t.Errorf("got %v, %v, want nil, context.Canceled", got, err)
		}
	})
	t.Run("the passages given are not changed", func(t *testing.T) {
		given := slices.Clone(passages)
		score(t, open(t), given)
		if !slices.Equal(given, passages) {
			t.Errorf("changed to %q", given)
		}
	})
	t.Run("eight callers at once get what one gets", func(t *testing.T) { concurrent(t, o, open(t)) })
}

func concurrent(t *testing.T, o Options, s scorer.Scorer) {
	t.Helper()
	want := score(t, s, passages)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			got, err := s.Score(t.Context(), query, passages)
			if err != nil {
				t.Errorf("score: %v", err)
				return
			}
			same(t, o, want, got)
		})
	}
	callers.Wait()
}

func score(t *testing.T, s scorer.Scorer, passages []string) []float32 {
	t.Helper()
	scores, err := s.Score(t.Context(), query, passages)
	if err != nil {
		t.Fatalf("score: %v", err)
	}
	if len(scores) != len(passages) {
		t.Fatalf("%d scores for %d passages", len(scores), len(passages))
	}
	return scores
}

func same(t *testing.T, o Options, want, got []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d scores, want %d", len(got), len(want))
		return
	}
	for i := range want {
		// Written so that no NaN passes.
		if d := want[i] - got[i]; !(d <= o.Tolerance && d >= -o.Tolerance) {
			t.Errorf("score %d is %v, want %v within %v", i, got[i], want[i], o.Tolerance)
		}
	}
}
