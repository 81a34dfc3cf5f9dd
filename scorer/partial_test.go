package scorer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// steady scores a passage by its length, one a second, and leaves with what it
// has when its caller does.
var steady = scoreFunc(func(ctx context.Context, _ string, passages []string) ([]float32, error) {
	scores, scored := make([]float32, len(passages)), make([]bool, len(passages))
	for i, p := range passages {
		select {
		case <-time.After(time.Second):
			scores[i], scored[i] = float32(len(p)), true
		case <-ctx.Done():
			return nil, scorer.Partial(scores, scored, fmt.Errorf("steady: %w", ctx.Err()))
		}
	}
	return scores, nil
})

// want checks that err is of a call whose time ended with those scores.
func want(t *testing.T, err error, scores ...float32) {
	t.Helper()
	got, ok := scorer.PartialOf(err, len(scores))
	if !ok || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want a partial error by DeadlineExceeded", err)
	}
	for i, score := range scores {
		if got.Scores[i] != score || got.Scored[i] != (score != 0) {
			t.Errorf("scores %v of %v, want %v and 0 for none", got.Scores, got.Scored, scores)
			return
		}
	}
}

func TestADeadlineLeavesWhatEveryDecoratorHas(t *testing.T) {
	for _, tc := range []struct {
		name     string
		decorate func(scorer.Scorer) scorer.Scorer
	}{
		{"deadline", func(s scorer.Scorer) scorer.Scorer { return s }},
		{"gate", func(s scorer.Scorer) scorer.Scorer { return scorer.NewGate(s, 1, 0) }},
		{"single flight", func(s scorer.Scorer) scorer.Scorer { return scorer.NewSingleFlight(s) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := scorer.NewDeadline(tc.decorate(steady), 2500*time.Millisecond)
				begin := time.Now()
				scores, err := s.Score(t.Context(), "q", []string{"a", "bb", "ccc", "dddd"})
				if scores != nil || time.Since(begin) != 2500*time.Millisecond {
					t.Errorf("got %v after %v", scores, time.Since(begin))
				}
				want(t, err, 1, 2, 0, 0)
			})
		})
	}
}

func TestTheEarlierOfTwoDeadlinesCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		_, err := scorer.NewDeadline(steady, time.Hour).Score(ctx, "q", []string{"a", "bb"})
		want(t, err, 1, 0)
	})
}

func TestDuplicatesShareAPartialScore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scorer.NewDeadline(scorer.NewSingleFlight(steady), 1500*time.Millisecond)
		_, err := s.Score(t.Context(), "q", []string{"a", "bb", "a", "bb", "a"})
		want(t, err, 1, 0, 1, 0, 1)
	})
}

// The leader's time ends in the middle: its followers get what it has, and score
// the rest for themselves.
func TestFollowersOfALeaderThatIsCutShortScoreTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked [][]string
		s := scorer.NewSingleFlight(scoreFunc(func(ctx context.Context, q string, p []string) ([]float32, error) {
			asked = append(asked, slices.Clone(p))
			return steady(ctx, q, p)
		}))
		leader := start(t.Context(), scorer.NewDeadline(s, 1500*time.Millisecond), "q", "a", "bb")
		synctest.Wait()
		follower := start(t.Context(), s, "q", "bb", "a")
		want(t, (<-leader).err, 1, 0)
		if got := <-follower; got.err != nil || !slices.Equal(got.scores, []float32{2, 1}) {
			t.Errorf("follower: %+v", got)
		}
		if len(asked) != 2 || !slices.Equal(asked[1], []string{"bb"}) {
			t.Errorf("the model was asked %q, want the follower to ask for the rest alone", asked)
		}
	})
}

// A follower whose time ends has what its leader, or an earlier one, has landed.
func TestAFollowerThatIsCutShortHasWhatHasLanded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scorer.NewSingleFlight(steady)
		quick := start(t.Context(), s, "q", "a")
		slow := start(t.Context(), s, "q", "bb", "ccc")
		synctest.Wait()
		_, err := scorer.NewDeadline(s, 1500*time.Millisecond).Score(t.Context(), "q", []string{"ccc", "a", "bb"})
		want(t, err, 0, 1, 0)
		for _, done := range []<-chan outcome{quick, slow} {
			if got := <-done; got.err != nil {
				t.Error(got.err)
			}
		}
	})
}

func TestNothingScoredIsAnOrdinaryError(t *testing.T) {
	boom := errors.New("boom")
	if err := scorer.Partial([]float32{0}, []bool{false}, boom); err != boom { //nolint:errorlint // the very same
		t.Errorf("got %v, want the error itself", err)
	}
	err := scorer.Partial([]float32{1, 0}, []bool{true, false}, boom)
	if !errors.Is(err, boom) || err.Error() != "1 of 2 passages scored: boom" {
		t.Errorf("got %v", err)
	}
	if _, ok := scorer.PartialOf(err, 3); ok {
		t.Error("scores of two passages were taken for those of three")
	}
}

func TestADeadlineThatIsNoneIsAProgrammersError(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("NewDeadline(0) did not panic")
		}
	}()
	scorer.NewDeadline(steady, 0)
}
