package scorer

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Gate lets a bounded number of calls through to a Scorer, a bounded number wait
// for a place, and refuses the rest at once. It is safe for concurrent use.
type Gate struct {
	inner   Scorer
	seats   chan struct{} // running and waiting calls
	slots   chan struct{} // running calls
	refused atomic.Int64
}

var _ Scorer = (*Gate)(nil)

// NewGate admits running calls at once and lets waiting more queue up. It panics
// when running is less than 1 or waiting is negative.
func NewGate(inner Scorer, running, waiting int) *Gate {
	if running < 1 || waiting < 0 {
		panic(fmt.Sprintf("scorer: gate of %d running and %d waiting calls", running, waiting))
	}
	return &Gate{inner: inner, seats: make(chan struct{}, running+waiting), slots: make(chan struct{}, running)}
}

// Score passes the call on when a place is free, waits for one while the queue
// has room, and returns ErrOverloaded when it has none. A caller that leaves
// while it waits costs no model time.
func (g *Gate) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	select {
	case g.seats <- struct{}{}:
		defer func() { <-g.seats }()
	default:
		g.refused.Add(1)
		return nil, ErrOverloaded
	}
	queued := time.Now()
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a scoring slot: %w", ctx.Err())
	}
	StatsFrom(ctx).Queue.Add(int64(time.Since(queued)))
	return g.inner.Score(ctx, query, passages)
}

// Load tells how many calls run and how many wait, and how many were refused
// since the start.
func (g *Gate) Load() (running, waiting int, refused int64) {
	running = len(g.slots)
	return running, max(0, len(g.seats)-running), g.refused.Load()
}
