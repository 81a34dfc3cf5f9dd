package onnx

import "time"

// work runs batches until the queue lets the worker go.
func (e *Engine) work() {
	var r rows
	for {
		b, ok := e.queue.take()
		if !ok {
			return
		}
		results, took := e.runAll(b, &r)
		b.cancel()
		e.queue.finish(b, results, took)
	}
}

// runAll runs a batch and returns what became of each of its parts. When a batch
// of several calls fails, each call's part is run by itself, so that no call pays
// for the pairs of another. took is 0 when there is nothing to learn from it.
func (e *Engine) runAll(b *batch, r *rows) (results []result, took time.Duration) {
	scores, took, err := e.run(b, r)
	results = make([]result, len(b.parts))
	if err != nil && len(b.parts) > 1 && b.ctx.Err() == nil {
		for i, alone := range b.split() {
			scores, _, err := e.run(alone, r)
			results[i] = result{scores, r.length, err}
		}
		return results, 0
	}
	at := 0
	for i, p := range b.parts {
		results[i] = result{length: r.length, err: err}
		if err == nil {
			results[i].scores = scores[at : at+len(p.pairs)]
		}
		at += len(p.pairs)
	}
	return results, took
}

// run scores one batch and accounts for it.
func (e *Engine) run(b *batch, r *rows) (scores []float32, took time.Duration, err error) {
	if err := b.ctx.Err(); err != nil {
		return nil, 0, err
	}
	r.lay(b.pairs, e.tokenizer.PadID())
	scores = make([]float32, len(b.pairs))
	start := time.Now()
	if err := e.session.score(b.ctx, r, scores); err != nil {
		return nil, 0, err
	}
	done := Batch{Pairs: r.count, PaddedTokens: r.count * r.length, Duration: time.Since(start)}
	for _, p := range b.pairs {
		done.Tokens += p.Len()
	}
	e.totals.batches.Add(1)
	e.totals.pairs.Add(int64(done.Pairs))
	e.totals.tokens.Add(int64(done.Tokens))
	e.totals.padded.Add(int64(done.PaddedTokens))
	e.totals.busy.Add(int64(done.Duration))
	if e.options.Observe != nil {
		e.options.Observe(done)
	}
	return scores, done.Duration, nil
}
