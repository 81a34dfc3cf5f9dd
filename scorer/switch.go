package scorer

import (
	"context"
	"sync"
)

// Switch passes calls on to a Scorer that can be exchanged for another while
// calls are inside. It is safe for concurrent use.
type Switch struct {
	mu  sync.Mutex
	now *shift
}

// shift is the time of one Scorer, with the calls that began in it.
type shift struct {
	inner Scorer
	calls sync.WaitGroup
}

var _ Scorer = (*Switch)(nil)

// NewSwitch passes calls on to inner.
func NewSwitch(inner Scorer) *Switch {
	return &Switch{now: &shift{inner: inner}}
}

// Score implements [Scorer] by the one that is in use when the call begins, which
// it stays with.
func (s *Switch) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	s.mu.Lock()
	now := s.now
	now.calls.Add(1)
	s.mu.Unlock()
	defer now.calls.Done()
	return now.inner.Score(ctx, query, passages)
}

// Exchange passes later calls on to next, and returns when no call is inside the
// former Scorer any more; the contexts of these calls bound the wait.
func (s *Switch) Exchange(next Scorer) {
	s.mu.Lock()
	before := s.now
	s.now = &shift{inner: next}
	s.mu.Unlock()
	before.calls.Wait()
}
