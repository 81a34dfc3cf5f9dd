package onnx

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// passagesPerHelper is how many passages make it worth while to tokenise on
// another core as well: some milliseconds of work.
const passagesPerHelper = 8

// encode turns the texts into pairs, with the help of idle cores.
func (e *Engine) encode(ctx context.Context, query string, passages []string) ([]tokenizer.Pair, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	most := e.options.MaxTokens
	q, err := e.tokenizer.Encode(query, most)
	if err != nil {
		return nil, err
	}
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
			pairs[i] = e.tokenizer.Pair(q, p, most)
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
