package overlap_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/overlap"
	"github.com/rerankd/rerankd/scorer/scorertest"
)

func TestContract(t *testing.T) {
	scorertest.Run(t, scorertest.Options{}, func(testing.TB) scorer.Scorer { return overlap.Words{} })
	t.Run("numeric", func(t *testing.T) {
		scorertest.Run(t, scorertest.Options{}, func(testing.TB) scorer.Scorer { return overlap.Numeric{} })
	})
}

func TestWordsScoresTheShareOfTheQueryThatIsFound(t *testing.T) {
	got, err := overlap.Words{}.Score(t.Context(), "Stop the program", []string{"stop!", "the program stops", "", "STOP the program"})
	if err != nil || !slices.Equal(got, []float32{1. / 3, 2. / 3, 0, 1}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := (overlap.Words{}).Score(t.Context(), " ", []string{"a"}); err != nil || got[0] != 0 {
		t.Errorf("a query without words: got %v, %v", got, err)
	}
}

func TestNumericReadsScoresOrMeasuresLengths(t *testing.T) {
	for _, tc := range []struct {
		passages []string
		want     []float32
	}{
		{[]string{"4", "-1.5", "1e2"}, []float32{4, -1.5, 100}},
		{[]string{"4", "four"}, []float32{1, 0.25}},
		{[]string{"é", ""}, []float32{1, 0}},
		{[]string{"NaN", "inf"}, []float32{1. / 3, 1. / 3}},
		{[]string{"1", "1e39"}, []float32{1, 0.25}}, // beyond float32
	} {
		if got, err := (overlap.Numeric{}).Score(t.Context(), "q", tc.passages); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%q: got %v, %v, want %v", tc.passages, got, err, tc.want)
		}
	}
}

func TestFailingFailsAndShortMissesOneScore(t *testing.T) {
	if got, err := (overlap.Failing{}).Score(t.Context(), "q", []string{"1"}); err == nil || got != nil {
		t.Errorf("failing: got %v, %v", got, err)
	}
	if got, err := (overlap.Failing{}).Score(t.Context(), "q", nil); err != nil || len(got) != 0 {
		t.Errorf("failing, without passages: got %v, %v", got, err)
	}
	if got, err := (overlap.Short{}).Score(t.Context(), "q", []string{"4", "2", "3"}); err != nil || !slices.Equal(got, []float32{4, 2}) {
		t.Errorf("short: got %v, %v", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, s := range []scorer.Scorer{overlap.Failing{}, overlap.Short{}} {
		if got, err := s.Score(ended, "q", []string{"1"}); !errors.Is(err, context.Canceled) || len(got) != 0 {
			t.Errorf("%T after the end: got %v, %v", s, got, err)
		}
	}
}
