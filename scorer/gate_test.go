package scorer_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// slow takes a minute of the bubble's time, or until its caller leaves.
var slow = scoreFunc(func(ctx context.Context, _ string, passages []string) ([]float32, error) {
	select {
	case <-time.After(time.Minute):
		return make([]float32, len(passages)), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
})

// One call runs, one waits, the third is refused at once.
func TestGateRefusesBeyondItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := scorer.NewGate(slow, 1, 1)
		var stats scorer.Stats
		done := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := g.Score(scorer.WithStats(t.Context(), &stats), "q", []string{"p"})
				done <- err
			}()
		}
		synctest.Wait()
		if _, err := g.Score(t.Context(), "q", nil); !errors.Is(err, scorer.ErrOverloaded) {
			t.Fatalf("third call: got %v, want ErrOverloaded", err)
		}
		if running, waiting, refused := g.Load(); running != 1 || waiting != 1 || refused != 1 {
			t.Errorf("load %d running, %d waiting, %d refused, want one each", running, waiting, refused)
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if waited := time.Duration(stats.Queue.Load()); waited != time.Minute {
			t.Errorf("the second call waited %v, want 1m", waited)
		}
		if running, waiting, _ := g.Load(); running+waiting != 0 {
			t.Errorf("%d running and %d waiting after all have ended", running, waiting)
		}
	})
}

func TestACallerThatLeavesTheQueueCostsNoModelTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		g := scorer.NewGate(scoreFunc(func(ctx context.Context, q string, p []string) ([]float32, error) {
			calls++
			return slow(ctx, q, p)
		}), 1, 1)
		go func() { _, _ = g.Score(t.Context(), "q", nil) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Score(ctx, "q", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", err)
		}
		if calls != 1 {
			t.Errorf("the model was asked %d times, want once", calls)
		}
	})
}

func TestAGateThatGrowsLetsThoseInWhoWaitAndOneThatShrinksPutsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside atomic.Int64
		release := make(chan struct{})
		g := scorer.NewGate(scoreFunc(func(_ context.Context, _ string, passages []string) ([]float32, error) {
			inside.Add(1)
			<-release
			inside.Add(-1)
			return make([]float32, len(passages)), nil
		}), 1, 8)
		var calls sync.WaitGroup
		begin := func(n int) {
			for range n {
				calls.Go(func() {
					if _, err := g.Score(t.Context(), "q", []string{"p"}); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
			}
		}
		want := func(what string, running, waiting int) {
			t.Helper()
			synctest.Wait()
			if r, w, _ := g.Load(); r != running || w != waiting || inside.Load() != int64(running) {
				t.Errorf("%s: %d run, %d wait and %d are inside, want %d and %d", what, r, w, inside.Load(), running, waiting)
			}
		}
		begin(5)
		want("with one place", 1, 4)
		g.SetRunning(3)
		want("grown to three", 3, 2)
		g.SetRunning(1)
		want("shrunk to one", 3, 2)
		release <- struct{}{}
		release <- struct{}{}
		want("after two have ended", 1, 2)
		release <- struct{}{}
		want("after three have ended", 1, 1)
		g.SetRunning(2)
		begin(1)
		want("grown to two, and one more has come", 2, 1)
		for range 3 {
			release <- struct{}{}
		}
		calls.Wait()
		want("at the end", 0, 0)
	})
}

// Whichever comes first, the turn or the end of the wait, the place isn't lost.
func TestACallerThatLeavesAsItsTurnComesGivesThePlaceBack(t *testing.T) {
	for range 500 {
		release := make(chan struct{})
		g := scorer.NewGate(scoreFunc(func(_ context.Context, _ string, passages []string) ([]float32, error) {
			<-release
			return make([]float32, len(passages)), nil
		}), 1, 1)
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = g.Score(t.Context(), "q", nil) })
		until(t, g, 1, 0)
		ctx, cancel := context.WithCancel(t.Context())
		calls.Go(func() { _, _ = g.Score(ctx, "q", nil) })
		until(t, g, 1, 1)
		go cancel()
		close(release)
		calls.Wait()
		if running, waiting, _ := g.Load(); running+waiting != 0 {
			t.Fatalf("%d running and %d waiting after all have ended", running, waiting)
		}
	}
}

// until waits for the load of a gate, which calls on their way bring about.
func until(t *testing.T, g *scorer.Gate, running, waiting int) {
	t.Helper()
	for t.Context().Err() == nil {
		if r, w, _ := g.Load(); r == running && w == waiting {
			return
		}
		runtime.Gosched()
	}
}

func TestAGateWithoutPlacesIsAProgrammersError(t *testing.T) {
	for _, size := range [][2]int{{0, 1}, {1, -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewGate(%d, %d) did not panic", size[0], size[1])
				}
			}()
			scorer.NewGate(slow, size[0], size[1])
		}()
	}
	defer func() {
		if recover() == nil {
			t.Error("SetRunning(0) did not panic")
		}
	}()
	scorer.NewGate(slow, 1, 0).SetRunning(0)
}
