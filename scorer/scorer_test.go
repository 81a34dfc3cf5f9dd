package scorer_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/overlap"
	"github.com/rerankd/rerankd/scorer/scorertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scoreFunc is a Scorer that is one function.
type scoreFunc func(ctx context.Context, query string, passages []string) ([]float32, error)

func (f scoreFunc) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	return f(ctx, query, passages)
}

func TestDecoratorsKeepTheContract(t *testing.T) {
	t.Run("gate", func(t *testing.T) {
		scorertest.Run(t, scorertest.Options{}, func(testing.TB) scorer.Scorer { return scorer.NewGate(overlap.Words{}, 2, 8) })
	})
	t.Run("deadline", func(t *testing.T) {
		scorertest.Run(t, scorertest.Options{}, func(testing.TB) scorer.Scorer { return scorer.NewDeadline(overlap.Words{}, time.Hour) })
	})
	t.Run("cascade", func(t *testing.T) {
		scorertest.Run(t, scorertest.Options{}, func(testing.TB) scorer.Scorer { return scorer.NewCascade(overlap.Words{}, overlap.Words{}, 8) }) // beyond them a tie is cut by place
	})
	t.Run("patience", func(t *testing.T) {
		scorertest.Run(t, scorertest.Options{}, func(testing.TB) scorer.Scorer { return scorer.NewPatience(overlap.Words{}, 3) })
	})
	t.Run("single flight", func(t *testing.T) {
		scorertest.Run(t, scorertest.Options{}, func(testing.TB) scorer.Scorer { return scorer.NewSingleFlight(overlap.Words{}) })
	})
}

func TestStatsAreNeverNil(t *testing.T) {
	scorer.StatsFrom(t.Context()).Scored.Add(1)
	var s scorer.Stats
	scorer.StatsFrom(scorer.WithStats(t.Context(), &s)).Scored.Add(2)
	if got := s.Scored.Load(); got != 2 {
		t.Errorf("Scored = %d, want 2", got)
	}
}
