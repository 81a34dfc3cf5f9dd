package scorer

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"time"
)

// Gate lets a bounded number of calls through to a Scorer, a bounded number wait
// for a place in the order they came, and refuses the rest at once. It is safe for
// concurrent use.
type Gate struct {
	inner   Scorer
	waiting int // calls that may wait

	mu      sync.Mutex
	running int       // calls that may be inside
	inside  int       // calls that are; fewer than may be only while nobody waits
	queue   list.List // of the turns, each a chan struct{}, of those that wait
	refused int64
}

var _ Scorer = (*Gate)(nil)

// NewGate admits running calls at once and lets waiting more queue up. It panics
// when running is less than 1 or waiting is negative.
func NewGate(inner Scorer, running, waiting int) *Gate {
	if running < 1 || waiting < 0 {
		panic(fmt.Sprintf("scorer: gate of %d running and %d waiting calls", running, waiting))
	}
	return &Gate{inner: inner, running: running, waiting: waiting}
}

// Score passes the call on when a place is free, waits for one while the queue
// has room, and returns ErrOverloaded when it has none. A caller that leaves
// while it waits costs no model time.
func (g *Gate) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	turn, err := g.enter()
	if err != nil {
		return nil, err
	}
	if turn != nil {
		queued := time.Now()
		select {
		case <-turn.Value.(chan struct{}):
		case <-ctx.Done():
			g.giveUp(turn)
			return nil, fmt.Errorf("wait for a scoring slot: %w", ctx.Err())
		}
		StatsFrom(ctx).Queue.Add(int64(time.Since(queued)))
	}
	defer g.leave()
	return g.inner.Score(ctx, query, passages)
}

// enter takes a place, or else a turn to wait for.
func (g *Gate) enter() (turn *list.Element, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.inside < g.running:
		g.inside++
		return nil, nil
	case g.queue.Len() >= g.waiting:
		g.refused++
		return nil, ErrOverloaded
	}
	return g.queue.PushBack(make(chan struct{})), nil
}

func (g *Gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.admit()
}

// admit gives free places to those who have waited longest. The caller holds mu.
func (g *Gate) admit() {
	for g.inside < g.running && g.queue.Len() > 0 {
		g.inside++
		close(g.queue.Remove(g.queue.Front()).(chan struct{}))
	}
}

// giveUp leaves the queue, or the place if the turn came at the same moment.
func (g *Gate) giveUp(turn *list.Element) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-turn.Value.(chan struct{}):
		g.inside--
		g.admit()
	default:
		g.queue.Remove(turn)
	}
}

// SetRunning changes how many calls may be inside. Those who wait are let in as far
// as there is room now; where it is less, those inside end as they would have. It
// panics when running is less than 1.
func (g *Gate) SetRunning(running int) {
	if running < 1 {
		panic(fmt.Sprintf("scorer: gate of %d running calls", running))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = running
	g.admit()
}

// Load tells how many calls run and how many wait, and how many were refused
// since the start.
func (g *Gate) Load() (running, waiting int, refused int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.inside, g.queue.Len(), g.refused
}
