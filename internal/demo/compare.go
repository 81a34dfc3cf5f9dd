package demo

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// comparison is one question asked three ways.
type comparison struct {
	Question string
	Plain    []hit // the whole window in BM25 order
	Reranked []hit // the first few in the new order

	PlainTook time.Duration // without a reranker
	FirstTook time.Duration // reranked, nothing cached
	AgainTook time.Duration // the same request once more
	Outcome   string        // X-Rerankd-Outcome of the first
	Cache     string        // X-Rerankd-Cache of the second
}

// warmUp asks something else first: a cluster's first search takes long, whatever
// it is. Nothing that is asked later is in the score cache after it.
func warmUp(ctx context.Context, e *elastic) error {
	for range 3 {
		if _, _, _, err := e.search(ctx, plainBody("warm up")); err != nil {
			return fmt.Errorf("search: %w", err)
		}
	}
	return nil
}

// compare asks one question: without a reranker, with one, and once more.
func compare(ctx context.Context, e *elastic, question string) (*comparison, error) {
	c := &comparison{Question: question}
	var err error
	if c.Plain, _, c.PlainTook, err = e.search(ctx, plainBody(question)); err != nil {
		return nil, fmt.Errorf("search %q: %w", question, err)
	}
	body := rerankBody(question, shown)
	first, header, took, err := e.search(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("rerank %q: %w", question, err)
	}
	c.Reranked, c.FirstTook, c.Outcome = first, took, header.Get("X-Rerankd-Outcome")
	_, header, took, err = e.search(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("rerank %q again: %w", question, err)
	}
	c.AgainTook, c.Cache = took, header.Get("X-Rerankd-Cache")
	return c, nil
}

// moved returns how many places the reranked hit at index i rose (positive) or
// fell (negative) against BM25. Every reranked hit comes out of the window.
func (c *comparison) moved(i int) int {
	return slices.Index(c.Plain, c.Reranked[i]) - i
}
