package onnx

import (
	"slices"
	"sync"
	"time"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

const (
	// roundTokens is what a call is served in one round, before the others have
	// their turn: about half of a default window of short passages. Smaller calls
	// are served at once, in the order they came; a large one delays them by no
	// more than this.
	roundTokens = 2048

	// roundsAhead is how many rounds a call may be before the others because its
	// deadline is near.
	roundsAhead = 2

	// leastShare is the least size, in tokens, to which batches are made smaller
	// so that all workers end together.
	leastShare = 128

	// oldRates is the weight of what was measured before in the mean time that a
	// token takes: the last dozen batches count.
	oldRates = 12
)

// queue forms the batches that the workers run out of the open pairs of all
// calls: see [queue.take]. How many calls there can be is bounded by the engine.
type queue struct {
	// budget bounds a batch: the tokens of its longest pair times its pairs.
	// alone lets every pair run by itself instead. Both are set before the first
	// call comes.
	budget int
	alone  bool

	mu      sync.Mutex
	more    sync.Cond // signalled when there is work, or less reason to wait for it
	jobs    []*job    // those with open pairs, in the order they came
	running []*batch  // those that workers have
	open    int       // tokens of all open pairs
	clock   int64     // tokens that a call was served which had its share all the time

	wanted   int // workers that there should be
	workers  int // workers that there are
	closed   bool
	perToken time.Duration // mean time of a token on one worker
}

func newQueue(budget int) *queue {
	q := &queue{budget: budget}
	q.more.L = &q.mu
	return q
}

// put adds pairs to a job, at least one, and the job to the line if it is not in
// it. It begins where the call stands that was served least, so that it neither
// waits for what others had before nor keeps them waiting. put returns false when
// the job is over, because some of its pairs failed.
func (q *queue) put(j *job, pairs []tokenizer.Pair, now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.finished {
		return false
	}
	if j.queued.IsZero() {
		j.queued = now
	}
	if len(j.buckets) == 0 {
		j.served = max(j.served, q.clock)
		q.jobs = append(q.jobs, j)
	}
	before := j.open
	j.extend(pairs)
	q.open += j.open - before
	q.more.Broadcast() // a job usually has work for more than one worker
	return true
}

// take waits for work and forms a batch. It returns false to a worker that is to
// end: there are more than wanted, or the queue is closed and empty.
//
// Calls take turns by rounds of roundTokens, in the order they came, so that a
// call with a thousand passages does not starve one with thirty. Calls whose
// deadline is near go first, nearest first, as long as they are not far ahead of
// the others; they take their passages in first-stage order, the others their
// longest first, so that no long one is left over at the end. A batch holds pairs
// of about equal length, of the call whose turn it is first and then of the
// others. Nobody waits for a batch to fill.
func (q *queue) take() (*batch, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		q.expire(time.Now())
		switch {
		case q.workers > q.wanted, len(q.jobs) == 0 && q.closed:
			q.workers--
			return nil, false
		case len(q.jobs) > 0:
			return q.form(time.Now()), true
		}
		q.more.Wait()
	}
}

// expire gives up the jobs whose deadline has passed. Their contexts tell them,
// too, but by a timer, which comes late where all cores are busy: no batch is begun
// meanwhile for a caller that is told it is too late.
func (q *queue) expire(now time.Time) {
	for _, j := range slices.Clone(q.jobs) {
		if j.late(now) {
			q.giveUp(j, now)
		}
	}
}

func (q *queue) form(now time.Time) *batch {
	j, pressed := q.turn(now)
	at := 0
	if pressed {
		at = j.foremost()
	}
	length := j.buckets[at].length
	room := q.room(length)
	b := newBatch()
	room -= q.move(b, j, at, room, now)
	for _, other := range slices.Clone(q.jobs) {
		if room == 0 {
			break
		}
		if at := other.bucketOf(length); at >= 0 {
			room -= q.move(b, other, at, room, now)
		}
	}
	q.running = append(q.running, b)
	return b
}

// turn chooses the job that is served next, and reports whether it is because of
// its deadline.
func (q *queue) turn(now time.Time) (next *job, pressed bool) {
	least := slices.MinFunc(q.jobs, func(a, b *job) int { return int(a.served - b.served) }).served
	q.clock = max(q.clock, least)
	perToken := q.perToken / time.Duration(max(1, q.wanted))
	for _, j := range q.jobs {
		round := j.served/roundTokens - least/roundTokens
		urgent := round < roundsAhead && j.pressed(now, perToken)
		switch {
		case urgent && (!pressed || j.deadline.Before(next.deadline)):
			next, pressed = j, true
		case next == nil && round == 0:
			next = j
		}
	}
	return next, pressed
}

// room is how many pairs of a length a batch may hold: at least one. Towards the
// end of the work there is, batches become smaller, so that all workers have some.
func (q *queue) room(length int) int {
	if q.alone {
		return 1
	}
	share := max(leastShare, q.open/max(1, q.wanted))
	return max(1, min(q.budget, share)/length)
}

// move puts up to n pairs of a job's bucket into a batch and returns how many.
func (q *queue) move(b *batch, j *job, at, n int, now time.Time) int {
	before := j.open
	pairs := j.cut(at, n)
	b.add(j, pairs)
	q.open -= before - j.open
	j.served += int64(before - j.open)
	if j.started.IsZero() {
		j.started = now
	}
	if len(j.buckets) == 0 {
		q.forget(j)
	}
	return len(pairs)
}

// forget takes a job without open pairs, or whose open pairs are given up, out of the line.
func (q *queue) forget(j *job) {
	if at := slices.Index(q.jobs, j); at >= 0 {
		q.jobs = slices.Delete(q.jobs, at, at+1)
		q.open -= j.open
	}
}

// finish takes a batch back. scores are in the order of its pairs; with an error
// they mean nothing, and the calls concerned give up the rest of their pairs. How
// long the run took is for the estimate of the next.
func (q *queue) finish(b *batch, results []result, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := slices.Index(q.running, b)
	q.running = slices.Delete(q.running, at, at+1)
	q.learn(took, len(b.pairs)*results[0].length)
	now := time.Now()
	for i, p := range b.parts {
		if !p.job.finished {
			q.bring(p, results[i], now)
		}
	}
}

// learn follows how long a token takes.
func (q *queue) learn(took time.Duration, tokens int) {
	if took <= 0 || tokens == 0 {
		return
	}
	perToken := took / time.Duration(tokens)
	if q.perToken == 0 {
		q.perToken = perToken
	}
	q.perToken += (perToken - q.perToken) / oldRates
}

// result is what became of one part of a batch.
type result struct {
	scores []float32
	length int // to which the pairs were padded; 0: they were not run
	err    error
}

// bring gives a call that still waits what became of its part of a batch.
func (q *queue) bring(p part, r result, now time.Time) {
	j := p.job
	j.running -= len(p.pairs)
	if r.err != nil {
		j.err = r.err
		q.forget(j)
		j.finish(now) // its other batches run into the void
		q.abandon(j)
		return
	}
	for k, i := range p.pairs {
		j.scores[i], j.scored[i] = r.scores[k], true
		j.stats.Tokens.Add(int64(j.pairs[i].Len()))
	}
	j.stats.Scored.Add(int64(len(p.pairs)))
	j.stats.PaddedTokens.Add(int64(len(p.pairs) * r.length))
	j.settle(now)
}

// drop gives up what is left of a job whose caller leaves. Its batches in the
// model are stopped unless other calls have pairs in them. Afterwards nothing
// touches the job any more.
func (q *queue) drop(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !j.finished {
		q.giveUp(j, time.Now())
	}
}

func (q *queue) giveUp(j *job, now time.Time) {
	q.forget(j)
	j.finish(now)
	q.abandon(j)
}

// abandon tells the batches that run for a finished job that it doesn't wait for them.
func (q *queue) abandon(j *job) {
	for _, b := range q.running {
		if !slices.ContainsFunc(b.parts, func(p part) bool { return p.job == j }) {
			continue
		}
		if b.callers--; b.callers == 0 {
			b.cancel()
		}
	}
}

// want sets how many workers there should be and returns how many are to be
// started for that. Those that are too many end when they look for work.
func (q *queue) want(n int) (missing int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted = n
	missing = max(0, n-q.workers)
	q.workers += missing
	q.more.Broadcast()
	return missing
}

// close lets take return false to all workers as soon as no job is left.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}
