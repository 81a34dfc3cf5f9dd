package onnx

import (
	"context"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// batch is one run of the model: pairs of one call or of several.
type batch struct {
	parts []part
	pairs []tokenizer.Pair // of all parts, in their order

	// ctx ends when no call waits for the batch any more.
	ctx     context.Context
	cancel  context.CancelFunc
	callers int // calls that wait for it; guarded by queue.mu
}

// part is what one call has in a batch.
type part struct {
	job   *job
	pairs []int // indices of the call's pairs
}

func newBatch() *batch {
	b := &batch{}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

func (b *batch) add(j *job, pairs []int) {
	b.parts = append(b.parts, part{j, pairs})
	for _, i := range pairs {
		b.pairs = append(b.pairs, j.pairs[i])
	}
	b.callers++
}

// split makes a batch of each part. They share the context.
func (b *batch) split() []*batch {
	out := make([]*batch, len(b.parts))
	for i, p := range b.parts {
		out[i] = &batch{ctx: b.ctx}
		out[i].add(p.job, p.pairs)
	}
	return out
}
