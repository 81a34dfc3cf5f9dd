package onnx

import (
	"time"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// work runs batches until the queue closes.
func (e *Engine) work() {
	var r rows
	var pairs []tokenizer.Pair
	var scores []float32
	for {
		j, batch, ok := e.queue.take()
		if !ok {
			return
		}
		pairs, scores = pairs[:0], scores[:0]
		for _, i := range batch {
			pairs, scores = append(pairs, j.pairs[i]), append(scores, 0)
		}
		if err := e.run(j, &r, pairs, scores); err != nil {
			j.cancel(err)
		}
		for k, i := range batch {
			j.scores[i] = scores[k]
		}
		clear(pairs) // an idle worker must not keep a call's ids alive
		e.queue.finish(j)
	}
}

// run scores one batch and accounts for it.
func (e *Engine) run(j *job, r *rows, pairs []tokenizer.Pair, scores []float32) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	r.lay(pairs, e.tokenizer.PadID())
	start := time.Now()
	if err := e.session.score(j.ctx, r, scores); err != nil {
		return err
	}
	b := Batch{Pairs: r.count, PaddedTokens: r.count * r.length, Duration: time.Since(start)}
	for _, p := range pairs {
		b.Tokens += p.Len()
	}
	j.stats.Scored.Add(int64(b.Pairs))
	j.stats.Tokens.Add(int64(b.Tokens))
	j.stats.PaddedTokens.Add(int64(b.PaddedTokens))
	e.totals.batches.Add(1)
	e.totals.pairs.Add(int64(b.Pairs))
	e.totals.tokens.Add(int64(b.Tokens))
	e.totals.padded.Add(int64(b.PaddedTokens))
	e.totals.busy.Add(int64(b.Duration))
	if e.options.Observe != nil {
		e.options.Observe(b)
	}
	return nil
}
