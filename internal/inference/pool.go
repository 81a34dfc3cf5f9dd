package inference

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// Counted goes around the part of a way that waits for a model and runs it, inside
// of what answers from memory: calls that are in it are load.
type Counted func(scorer.Scorer) scorer.Scorer

// Way is a way into a model.
type Way struct {
	Scorer scorer.Scorer
	// Resize changes for at most how many workers the queue before the model has
	// places. It returns at once and may be called with calls inside.
	Resize func(workers int)
	// SetWorkers changes how many batches may run at the same time; with 0 calls
	// wait. It returns at once and may be called with calls inside.
	SetWorkers func(n int)
	// Close waits for the calls inside and frees what the way has.
	Close func() error
}

// interval is how often adaptive allocations are looked at.
const interval = time.Second

// pool is the workers of one endpoint. Fixed allocations stay as they are.
// Adaptive ones follow the load, which is the number of calls that are inside of
// the endpoint on average over an interval, waiting ones included: by Little's law
// the work that arrives times how long it takes. Each call has an allocation of
// its own, as far as there are any.
//
// They grow as soon as an interval shows the need, and from none at once when a
// call comes. They shrink to what was the highest need of the last window of
// intervals, so that a pause between two bursts doesn't cost the second one.
type pool struct {
	way Way

	mu             sync.Mutex
	threads, now   int
	least, most    int
	calls          int
	area           time.Duration // calls times how long they were inside, in this interval
	counted, begun time.Time     // until when area is counted, and since when
	recent         []int         // the needs of the last window, in a ring
	next           int
}

// newPool has no workers yet, and no way: bound gives it some, once it has one.
func newPool(threads int, window time.Duration, now time.Time) *pool {
	return &pool{
		threads: threads, now: -1, counted: now, begun: now,
		recent: make([]int, max(1, int((window+interval-1)/interval))),
	}
}

// bound sets the least and the most allocations. What is there goes within.
func (p *pool) bound(least, most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.least, p.most = least, most
	p.turn(min(max(p.now, least), most))
}

// turn sets the number of allocations. The caller holds mu.
func (p *pool) turn(n int) {
	if n != p.now {
		p.now = n
		p.way.SetWorkers(n * p.threads)
	}
}

// allocations returns how many there are.
func (p *pool) allocations() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// load returns how many calls are inside.
func (p *pool) load() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// close lets the calls of an endpoint that is gone end, and then frees its way.
func (p *pool) close() error {
	most := max(1, p.bounds())
	p.bound(most, most)
	return p.way.Close()
}

func (p *pool) bounds() (most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// count adds the time since the last change of calls. The caller holds mu.
func (p *pool) count(now time.Time) {
	p.area += time.Duration(p.calls) * now.Sub(p.counted)
	p.counted = now
}

func (p *pool) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(time.Now())
	p.calls++
	if p.now == 0 {
		p.turn(min(1, p.most))
	}
}

func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(time.Now())
	p.calls--
}

// tick ends an interval.
func (p *pool) tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(now)
	took := now.Sub(p.begun)
	if took <= 0 {
		return
	}
	need := int(math.Ceil(float64(p.area) / float64(took)))
	p.area, p.begun = 0, now
	p.recent[p.next] = max(need, min(1, p.calls))
	p.next = (p.next + 1) % len(p.recent)
	p.turn(min(max(slices.Max(p.recent), p.least), p.most))
}

// around counts the calls to s.
func (p *pool) around(s scorer.Scorer) scorer.Scorer { return &counting{pool: p, inner: s} }

type counting struct {
	pool  *pool
	inner scorer.Scorer
}

// Score implements [scorer.Scorer].
func (c *counting) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	c.pool.enter()
	defer c.pool.leave()
	return c.inner.Score(ctx, query, passages)
}
