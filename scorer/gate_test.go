package scorer_test

import (
	"context"
	"errors"
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
}
