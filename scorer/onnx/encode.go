package onnx

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// passagesPerHelper is how many passages make it worth while to tokenise on
// another core as well: some milliseconds of work.
const passagesPerHelper = 8

// passagesAtOnce is how many passages are tokenised before the model begins with
// them: a default window, so that the batches of one are as good as they can be,
// while a large call does not keep the model waiting for its last passage.
const passagesAtOnce = 32

// feed tokenises the passages and gives their pairs to the queue, in their order.
func (e *Engine) feed(ctx context.Context, j *job, query string, passages []string) error {
	start := time.Now()
	q, err := e.tokenizer.Encode(query, e.options.MaxTokens)
	if err != nil {
		return err
	}
	for begin := 0; begin < len(passages); begin += passagesAtOnce {
		pairs, err := e.pair(ctx, q, passages[begin:min(len(passages), begin+passagesAtOnce)])
		if begin == 0 {
			j.stats.Tokenize.Add(int64(time.Since(start))) // the others are tokenised while the model runs
		}
		if err != nil {
			return err
		}
		if !e.queue.put(j, pairs, time.Now()) {
			break
		}
	}
	return nil
}

// pair joins the ids of a query with the passages, with the help of idle cores.
func (e *Engine) pair(ctx context.Context, query []uint32, passages []string) ([]tokenizer.Pair, error) {
	most := e.options.MaxTokens
	pairs := make([]tokenizer.Pair, len(passages))
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	lane := func() error {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(passages) {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			p, err := e.tokenizer.Encode(passages[i], most)
			if err != nil {
				return err
			}
			pairs[i] = e.tokenizer.Pair(query, p, most)
		}
	}
	for n := len(passages) / passagesPerHelper; n > 0 && e.help(group, lane); n-- {
	}
	group.Go(lane)
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return pairs, nil
}

// help runs f in the group if a core is idle, and reports whether it did.
func (e *Engine) help(group *errgroup.Group, f func() error) bool {
	if e.helpers.Add(1) >= int64(e.options.Workers) { // busy with other calls
		e.helpers.Add(-1)
		return false
	}
	group.Go(func() error {
		defer e.helpers.Add(-1)
		return f()
	})
	return true
}
