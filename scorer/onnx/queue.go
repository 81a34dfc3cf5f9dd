package onnx

import (
	"context"
	"sync"
	"time"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// job is one call's pairs on their way through the workers.
type job struct {
	ctx    context.Context
	cancel context.CancelCauseFunc // ends the other batches once one has failed
	stats  *scorer.Stats
	pairs  []tokenizer.Pair
	scores []float32
	done   chan struct{} // closed when no batch is left, run or dropped

	// Below is guarded by queue.mu.
	batches  [][]int // not yet taken; each holds indices of pairs
	running  int
	queued   time.Time
	started  time.Time // zero until the first batch is taken
	finished bool
}

// queue hands the batches of all jobs to the workers: one batch of the first
// job, which then goes to the end of the line. How many jobs there can be is
// bounded by the engine.
type queue struct {
	mu     sync.Mutex
	more   sync.Cond // signalled when jobs grows or the queue closes
	jobs   []*job    // those with batches left, in turn
	taken  int       // batches handed out and not finished
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.more.L = &q.mu
	return q
}

// put appends a job that has at least one batch.
func (q *queue) put(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.queued = time.Now()
	q.jobs = append(q.jobs, j)
	q.more.Broadcast() // a job usually has work for more than one worker
}

// take waits for a batch. It returns false once the queue is closed.
func (q *queue) take() (j *job, batch []int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 && !q.closed {
		q.more.Wait()
	}
	if len(q.jobs) == 0 {
		return nil, nil, false
	}
	j = q.jobs[0]
	q.jobs[0] = nil
	q.jobs = q.jobs[1:]
	batch, j.batches = j.batches[0], j.batches[1:]
	if len(j.batches) > 0 {
		q.jobs = append(q.jobs, j)
	}
	j.running++
	q.taken++
	if j.started.IsZero() {
		j.started = time.Now()
	}
	return j, batch, true
}

// finish counts a taken batch as ended.
func (q *queue) finish(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.running--
	q.taken--
	j.settle()
}

// drop removes the batches of j that nobody has taken. Those taken go on until
// they see that the job's context has ended.
func (q *queue) drop(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, other := range q.jobs {
		if other == j {
			q.jobs = append(q.jobs[:i:i], q.jobs[i+1:]...)
			break
		}
	}
	j.batches = nil
	j.settle()
}

// settle closes done and writes the job's account when nothing is left of it.
// The caller holds queue.mu.
func (j *job) settle() {
	if j.running > 0 || len(j.batches) > 0 || j.finished {
		return
	}
	j.finished = true
	now := time.Now()
	if j.started.IsZero() { // dropped before its turn came
		j.started = now
	}
	j.stats.Queue.Add(int64(j.started.Sub(j.queued)))
	j.stats.Infer.Add(int64(now.Sub(j.started)))
	close(j.done)
}

// close lets take return false to all workers as soon as no job is left.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.more.Broadcast()
}
