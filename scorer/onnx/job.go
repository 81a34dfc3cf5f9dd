package onnx

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// bucketTokens is how wide a bucket of lengths is. Pairs of one bucket may share
// a batch: at most so many tokens less one are padded to a pair, which is about
// what a run of its own costs beyond its tokens.
const bucketTokens = 8

// bucket holds the pairs of a call that are about equally long, in the order of
// the call.
type bucket struct {
	length int // of the longest pair that belongs here
	pairs  []int
}

// job is one call's pairs on their way through the workers. All of it is guarded
// by queue.mu, except what newJob sets and nobody changes: stats, total, deadline
// and done.
type job struct {
	stats    *scorer.Stats
	total    int           // pairs that there will be
	deadline time.Time     // zero: none
	done     chan struct{} // closed once the job is finished

	pairs   []tokenizer.Pair // those that were tokenised so far
	tokens  int              // of those
	buckets []bucket         // of the pairs that no worker has taken, longest first
	open    int              // tokens of those pairs
	running int              // pairs that workers have taken and not brought back
	served  int64            // tokens that were run for it, on the clock of the queue

	scores []float32
	scored []bool
	err    error // why pairs were given up

	queued, started time.Time // started is zero until the first pair is taken
	finished        bool      // nothing is left of it, or its caller has left
}

func newJob(stats *scorer.Stats, total int, deadline time.Time) *job {
	return &job{
		stats: stats, total: total, deadline: deadline, done: make(chan struct{}),
		pairs: make([]tokenizer.Pair, 0, total), scores: make([]float32, total), scored: make([]bool, total),
	}
}

// extend adds the next pairs of the call.
func (j *job) extend(pairs []tokenizer.Pair) {
	for _, p := range pairs {
		length := (max(1, p.Len()) + bucketTokens - 1) / bucketTokens * bucketTokens
		at, found := slices.BinarySearchFunc(j.buckets, length, func(b bucket, length int) int { return length - b.length })
		if !found {
			j.buckets = slices.Insert(j.buckets, at, bucket{length: length})
		}
		j.buckets[at].pairs = append(j.buckets[at].pairs, len(j.pairs))
		j.pairs = append(j.pairs, p)
		j.open += p.Len()
		j.tokens += p.Len()
	}
}

// left estimates the tokens that are still to be run.
func (j *job) left() int {
	return j.open + (j.total-len(j.pairs))*j.tokens/max(1, len(j.pairs))
}

// foremost returns which bucket holds the pair that stands first in the call. The
// job must have open pairs.
func (j *job) foremost() int {
	first := 0
	for i, b := range j.buckets {
		if b.pairs[0] < j.buckets[first].pairs[0] {
			first = i
		}
	}
	return first
}

// bucketOf returns which bucket holds the pairs of that length, or -1.
func (j *job) bucketOf(length int) int {
	return slices.IndexFunc(j.buckets, func(b bucket) bool { return b.length == length })
}

// cut takes up to n leading pairs out of a bucket.
func (j *job) cut(at, n int) []int {
	b := &j.buckets[at]
	n = min(n, len(b.pairs))
	taken := b.pairs[:n:n]
	b.pairs = b.pairs[n:]
	if len(b.pairs) == 0 {
		j.buckets = slices.Delete(j.buckets, at, at+1)
	}
	for _, i := range taken {
		j.open -= j.pairs[i].Len()
	}
	j.running += n
	return taken
}

// pressed reports whether the deadline is so near that the job might not be done
// by then even if it had the model to itself: in less than twice the time that
// what is left takes.
func (j *job) pressed(now time.Time, perToken time.Duration) bool {
	return !j.deadline.IsZero() && j.deadline.Sub(now) < 2*time.Duration(j.left())*perToken
}

// late reports whether the deadline has passed.
func (j *job) late(now time.Time) bool {
	return !j.deadline.IsZero() && !now.Before(j.deadline)
}

// settle ends the job when nothing is left of it.
func (j *job) settle(now time.Time) {
	if j.running == 0 && len(j.buckets) == 0 && len(j.pairs) == j.total {
		j.finish(now)
	}
}

// finish ends the job, whatever is left of it, and writes its account.
func (j *job) finish(now time.Time) {
	if j.finished {
		return
	}
	j.finished = true
	j.buckets, j.open = nil, 0
	// Last, for the caller reads its account at once.
	defer close(j.done)
	if j.queued.IsZero() { // it was never put
		return
	}
	if j.started.IsZero() { // its turn never came
		j.started = now
	}
	j.stats.Queue.Add(int64(j.started.Sub(j.queued)))
	j.stats.Infer.Add(int64(now.Sub(j.started)))
}

// outcome is what the call gets. The job must be finished.
func (j *job) outcome(ctx context.Context) ([]float32, error) {
	err := j.err
	if err == nil && slices.Contains(j.scored, false) {
		// Without an error yet the queue has seen the deadline before the context.
		err = scorer.Partial(j.scores, j.scored, cmp.Or(ctx.Err(), context.DeadlineExceeded))
	}
	if err != nil {
		return nil, err
	}
	return j.scores, nil
}
