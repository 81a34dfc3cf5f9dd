package scorer_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// asked is a slow model that keeps what it was asked and scores by length.
type asked struct {
	mu    sync.Mutex
	calls [][]string
	fail  error // the first call's end
}

func (a *asked) Score(ctx context.Context, _ string, passages []string) ([]float32, error) {
	a.mu.Lock()
	a.calls = append(a.calls, slices.Clone(passages))
	fail := a.fail
	a.fail = nil
	a.mu.Unlock()
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if fail != nil {
		return nil, fail
	}
	scores := make([]float32, len(passages))
	for i, p := range passages {
		scores[i] = float32(len(p))
	}
	return scores, nil
}

// outcome is what one call to a Scorer gave.
type outcome struct {
	scores []float32
	err    error
}

func start(ctx context.Context, s scorer.Scorer, query string, passages ...string) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		scores, err := s.Score(ctx, query, passages)
		done <- outcome{scores, err}
	}()
	return done
}

func TestEqualPairsInFlightAreScoredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &asked{}
		s := scorer.NewSingleFlight(model)
		var stats scorer.Stats
		first := start(t.Context(), s, "q", "a", "bb", "a")
		synctest.Wait()
		second := start(scorer.WithStats(t.Context(), &stats), s, "q", "ccc", "bb", "a")
		other := start(t.Context(), s, "another query", "a")
		if got := <-first; got.err != nil || !slices.Equal(got.scores, []float32{1, 2, 1}) {
			t.Errorf("first: %+v", got)
		}
		if got := <-second; got.err != nil || !slices.Equal(got.scores, []float32{3, 2, 1}) {
			t.Errorf("second: %+v", got)
		}
		if got := <-other; got.err != nil || !slices.Equal(got.scores, []float32{1}) {
			t.Errorf("another query: %+v", got)
		}
		slices.SortFunc(model.calls, slices.Compare)
		if want := [][]string{{"a"}, {"a", "bb"}, {"ccc"}}; !slices.EqualFunc(model.calls, want, slices.Equal) {
			t.Errorf("the model was asked %q, want %q", model.calls, want)
		}
		if got := stats.Shared.Load(); got != 2 {
			t.Errorf("shared %d passages, want 2", got)
		}
	})
}

func TestFollowersScoreForThemselvesWhenTheirLeaderFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail error
		left bool // the leader's caller hangs up
	}{{"a failing model", errors.New("boom"), false}, {"a caller that hangs up", nil, true}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				model := &asked{fail: tc.fail}
				s := scorer.NewSingleFlight(model)
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				leader := start(ctx, s, "q", "a", "bb")
				synctest.Wait()
				follower := start(t.Context(), s, "q", "bb", "a")
				synctest.Wait()
				if tc.left {
					hangUp()
				}
				if got := <-leader; got.err == nil {
					t.Errorf("leader: %+v, want an error", got)
				}
				if got := <-follower; got.err != nil || !slices.Equal(got.scores, []float32{2, 1}) {
					t.Errorf("follower: %+v", got)
				}
			})
		})
	}
}

// With one place at the model, followers that each scored for themselves would
// be refused.
func TestACrowdOfFollowersOutlivesItsLeaderWithOneMoreRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &asked{}
		s := scorer.NewSingleFlight(scorer.NewGate(model, 1, 0))
		ctx, hangUp := context.WithCancel(t.Context())
		leader := start(ctx, s, "q", "a", "bb")
		synctest.Wait()
		var shared scorer.Stats
		var crowd []<-chan outcome
		for range 20 {
			crowd = append(crowd, start(scorer.WithStats(t.Context(), &shared), s, "q", "bb", "a"))
		}
		synctest.Wait()
		hangUp()
		if got := <-leader; !errors.Is(got.err, context.Canceled) {
			t.Errorf("leader: %+v, want context.Canceled", got)
		}
		for _, follower := range crowd {
			if got := <-follower; got.err != nil || !slices.Equal(got.scores, []float32{2, 1}) {
				t.Errorf("follower: %+v", got)
			}
		}
		if len(model.calls) != 2 || shared.Shared.Load() != 2*19 {
			t.Errorf("%d runs and %d shared passages, want 2 and 38", len(model.calls), shared.Shared.Load())
		}
	})
}

func TestAFollowerThatHangsUpReturnsAtOnceAndHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scorer.NewSingleFlight(&asked{})
		leader := start(t.Context(), s, "q", "a")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if got := <-start(ctx, s, "q", "a"); !errors.Is(got.err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("follower: %+v after %v", got, time.Since(begin))
		}
		if got := <-leader; got.err != nil {
			t.Errorf("leader: %+v", got)
		}
	})
}

func TestCallsThatFollowEachOtherBothEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scorer.NewSingleFlight(&asked{})
		one := start(t.Context(), s, "q", "a", "x")
		two := start(t.Context(), s, "q", "x", "a", "b")
		three := start(t.Context(), s, "q", "b", "a")
		for _, done := range []<-chan outcome{one, two, three} {
			if got := <-done; got.err != nil {
				t.Errorf("%+v", got)
			}
		}
	})
}

func TestAModelThatPanicsLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := make(chan struct{}, 2)
		s := scorer.NewSingleFlight(scoreFunc(func(context.Context, string, []string) ([]float32, error) {
			calls <- struct{}{}
			if len(calls) == 1 {
				time.Sleep(time.Minute)
				panic("boom")
			}
			return []float32{7}, nil
		}))
		go func() {
			defer func() { _ = recover() }()
			_, _ = s.Score(t.Context(), "q", []string{"a"})
		}()
		synctest.Wait()
		if got := <-start(t.Context(), s, "q", "a"); got.err != nil || got.scores[0] != 7 {
			t.Errorf("follower: %+v", got)
		}
	})
}

func TestTooFewScoresAreAnErrorForLeaderAndFollower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scorer.NewSingleFlight(scoreFunc(func(context.Context, string, []string) ([]float32, error) {
			time.Sleep(time.Minute)
			return nil, nil
		}))
		leader := start(t.Context(), s, "q", "a")
		synctest.Wait()
		follower := start(t.Context(), s, "q", "a")
		for _, done := range []<-chan outcome{leader, follower} {
			if got := <-done; !errors.Is(got.err, scorer.ErrScores) || got.scores != nil {
				t.Errorf("got %+v, want ErrScores", got)
			}
		}
	})
}
