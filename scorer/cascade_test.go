package scorer_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/rerankd/rerankd/scorer"
)

// lengths scores by length; backwards by length too, the shortest highest, and
// tells what it was asked.
var lengths = scoreFunc(func(_ context.Context, _ string, passages []string) ([]float32, error) {
	scores := make([]float32, len(passages))
	for i, p := range passages {
		scores[i] = float32(len(p))
	}
	return scores, nil
})

func backwards(asked *[]string) scorer.Scorer {
	return scoreFunc(func(_ context.Context, _ string, passages []string) ([]float32, error) {
		*asked = slices.Clone(passages)
		scores := make([]float32, len(passages))
		for i, p := range passages {
			scores[i] = -float32(len(p))
		}
		return scores, nil
	})
}

func TestTheSecondStepOrdersTheBestOfTheFirst(t *testing.T) {
	var asked []string
	c := scorer.NewCascade(lengths, backwards(&asked), 2)
	passages := []string{"a", "dddd", "bb", "eeeee", "ccc"}
	scores, err := c.Score(t.Context(), "q", passages)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"eeeee", "dddd"}; !slices.Equal(asked, want) {
		t.Errorf("the second step was asked %q, want the best of the first: %q", asked, want)
	}
	ranked := slices.Clone(passages)
	slices.SortFunc(ranked, func(a, b string) int {
		if scores[slices.Index(passages, a)] > scores[slices.Index(passages, b)] {
			return -1
		}
		return 1
	})
	if want := []string{"dddd", "eeeee", "ccc", "bb", "a"}; !slices.Equal(ranked, want) {
		t.Errorf("order %q by %v, want %q", ranked, scores, want)
	}
	if scores[4]-scores[0] != 2 {
		t.Errorf("scores %v: the rest are not as far from each other as the first step has them", scores)
	}
}

func TestACallThatTheSecondStepCanTakeWholeSkipsTheFirst(t *testing.T) {
	var asked []string
	boom := scoreFunc(func(context.Context, string, []string) ([]float32, error) { return nil, errors.New("boom") })
	scores, err := scorer.NewCascade(boom, backwards(&asked), 2).Score(t.Context(), "q", []string{"a", "bb"})
	if err != nil || !slices.Equal(scores, []float32{-1, -2}) {
		t.Errorf("got %v, %v", scores, err)
	}
}

func TestACascadeCutShortKeepsTheFirstStepsOrderForTheRest(t *testing.T) {
	short := scoreFunc(func(_ context.Context, _ string, passages []string) ([]float32, error) {
		return nil, scorer.Partial(make([]float32, len(passages)), []bool{false, true}, context.DeadlineExceeded)
	})
	_, err := scorer.NewCascade(lengths, short, 2).Score(t.Context(), "q", []string{"a", "dddd", "bb", "eeeee"})
	got, ok := scorer.PartialOf(err, 4)
	if !ok || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want a partial error", err)
	}
	if !slices.Equal(got.Scored, []bool{false, true, false, false}) || !slices.Equal(got.Scores, []float32{1, 0, 2, 5}) {
		t.Errorf("scores %v of %v, want the second step's for dddd alone", got.Scores, got.Scored)
	}
}

func TestFailuresOfEitherStepAreReported(t *testing.T) {
	boom := errors.New("boom")
	failing := scoreFunc(func(context.Context, string, []string) ([]float32, error) { return nil, boom })
	none := scoreFunc(func(context.Context, string, []string) ([]float32, error) { return nil, nil })
	for _, tc := range []struct {
		name          string
		first, second scorer.Scorer
		want          error
	}{
		{"first", failing, lengths, boom},
		{"second", lengths, failing, boom},
		{"too few scores of the first", none, lengths, scorer.ErrScores},
		{"too few of the second", lengths, none, scorer.ErrScores},
	} {
		if scores, err := scorer.NewCascade(tc.first, tc.second, 1).Score(t.Context(), "q", []string{"a", "b"}); !errors.Is(err, tc.want) || scores != nil {
			t.Errorf("%s: got %v, %v, want %v", tc.name, scores, err, tc.want)
		}
	}
}
