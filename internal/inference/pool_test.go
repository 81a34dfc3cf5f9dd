package inference

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// slow is a model whose calls take as long as they are told to, and which counts
// the workers it was given.
type slow struct {
	mu  sync.Mutex
	set []int
}

func (s *slow) way(takes time.Duration, counted Counted) Way {
	return Way{
		Scorer: counted(scoreFunc(func(ctx context.Context, _ string, passages []string) ([]float32, error) {
			select {
			case <-time.After(takes):
				return make([]float32, len(passages)), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})),
		SetWorkers: func(n int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.set = append(s.set, n)
		},
		Close: func() error { return nil },
	}
}

type scoreFunc func(ctx context.Context, query string, passages []string) ([]float32, error)

func (f scoreFunc) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	return f(ctx, query, passages)
}

// adaptive makes a pool between two bounds, and ticks it each interval.
func adaptive(t *testing.T, m *slow, least, most, threads int, window, takes time.Duration) *pool {
	t.Helper()
	p := newPool(threads, window, time.Now())
	p.way = m.way(takes, p.around)
	p.bound(least, most)
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case now := <-ticker.C:
				p.tick(now)
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { stop(); done.Wait() })
	return p
}

// call makes n calls at the same time and waits for them.
func call(t *testing.T, s scorer.Scorer, n int) {
	t.Helper()
	var calls sync.WaitGroup
	for range n {
		calls.Go(func() {
			if _, err := s.Score(t.Context(), "q", []string{"p"}); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
}

func TestAllocationsGrowWithTheLoadAndShrinkToNoneAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &slow{}
		p := adaptive(t, m, 0, 4, 2, 10*time.Second, 3*time.Second)
		time.Sleep(time.Minute)
		if n := p.allocations(); n != 0 {
			t.Fatalf("%d allocations without load, want none", n)
		}
		var done sync.WaitGroup
		done.Go(func() { call(t, p.way.Scorer, 1) })
		synctest.Wait()
		if n := p.allocations(); n != 1 {
			t.Errorf("%d allocations for the first call, want 1 at once", n)
		}
		done.Wait()
		for range 3 {
			call(t, p.way.Scorer, 3)
		}
		if n := p.allocations(); n != 3 {
			t.Errorf("%d allocations for three calls at a time, want 3", n)
		}
		call(t, p.way.Scorer, 100)
		if n := p.allocations(); n != 4 {
			t.Errorf("%d allocations for a hundred calls, want the bound of 4", n)
		}
		time.Sleep(8 * time.Second)
		if n := p.allocations(); n != 4 {
			t.Errorf("%d allocations within the window after a burst, want still 4", n)
		}
		time.Sleep(4 * time.Second)
		if n := p.allocations(); n != 0 {
			t.Errorf("%d allocations after the window, want none", n)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		if !slices.Contains(m.set, 8) || m.set[len(m.set)-1] != 0 {
			t.Errorf("workers went %v, want up to 4 allocations of 2 threads and back to 0", m.set)
		}
	})
}

func TestAShortCallIsAPartOfAnAllocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := adaptive(t, &slow{}, 1, 8, 1, 5*time.Second, 10*time.Millisecond)
		for range 300 { // two at a time, a third of the time
			call(t, p.way.Scorer, 2)
			time.Sleep(20 * time.Millisecond)
		}
		if n := p.allocations(); n != 1 {
			t.Errorf("%d allocations for two thirds of a call on average, want 1", n)
		}
	})
}

func TestAllocationsStayWithinNewBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := adaptive(t, &slow{}, 2, 4, 1, 5*time.Second, time.Second)
		if n := p.allocations(); n != 2 {
			t.Errorf("%d allocations, want the least: 2", n)
		}
		p.bound(3, 3)
		time.Sleep(time.Minute)
		if n := p.allocations(); n != 3 {
			t.Errorf("%d allocations after a change to 3", n)
		}
		p.bound(0, 1)
		if n := p.allocations(); n != 1 {
			t.Errorf("%d allocations after a change to at most 1", n)
		}
	})
}

func TestLoadIsCountedWhateverBecomesOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := adaptive(t, &slow{}, 0, 4, 1, 5*time.Second, time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.way.Scorer.Score(ctx, "q", []string{"p"}); err == nil {
			t.Error("no error of a call whose time was over")
		}
		if n := p.load(); n != 0 {
			t.Errorf("%d calls are inside after the last", n)
		}
	})
}
