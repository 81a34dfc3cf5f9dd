package inference

import (
	"context"
	"errors"
	"fmt"

	"github.com/rerankd/rerankd/chunking"
	"github.com/rerankd/rerankd/scorer"
)

// mostChunks bounds the chunks of one call.
const mostChunks = 1 << 16

// errTooManyChunks reports a call whose texts would be cut into more chunks than
// are scored in one.
var errTooManyChunks = errors.New("the texts have too many chunks")

// byChunks scores a passage by the best of its chunks. It is what
// long_document_strategy chunk means: the passage is cut so that query and chunk
// fit into what the model reads. Of one beyond [chunking.MaxText] bytes only so many
// are looked at.
type byChunks struct {
	inner scorer.Scorer
	most  int // chunks of a passage, the first ones; 0: all
}

// Score implements [scorer.Scorer].
func (c *byChunks) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	settings := chunking.ForQuery(query)
	var chunks []string
	var of []int // the passage of each chunk
	for i, p := range passages {
		ranges, err := settings.Split(chunking.Head(p))
		if err != nil {
			return nil, fmt.Errorf("cut passage %d: %w", i, err)
		}
		if c.most > 0 && len(ranges) > c.most {
			ranges = ranges[:c.most]
		}
		for _, r := range ranges {
			chunks, of = append(chunks, r.Of(p)), append(of, i)
		}
		if len(chunks) > mostChunks {
			return nil, fmt.Errorf("%w: more than %d", errTooManyChunks, mostChunks)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	scores, err := c.inner.Score(ctx, query, chunks)
	if err != nil {
		return nil, partial(err, of, len(passages))
	}
	if len(scores) != len(chunks) {
		return nil, fmt.Errorf("%w: %d scores for %d chunks", scorer.ErrScores, len(scores), len(chunks))
	}
	return best(scores, of, len(passages)), nil
}

// best is the highest score of the chunks of each of n passages.
func best(scores []float32, of []int, n int) []float32 {
	list := make([]float32, n)
	seen := make([]bool, n)
	for k, i := range of {
		if !seen[i] || scores[k] > list[i] {
			list[i], seen[i] = scores[k], true
		}
	}
	return list
}

// partial is an error about chunks as one about passages: a passage is scored once
// all of its chunks are.
func partial(err error, of []int, n int) error {
	p, ok := scorer.PartialOf(err, len(of))
	if !ok {
		return err
	}
	scored := make([]bool, n)
	for i := range scored {
		scored[i] = true
	}
	for k, i := range of {
		scored[i] = scored[i] && p.Scored[k]
	}
	list := best(p.Scores, of, n)
	for i, ok := range scored {
		if !ok {
			list[i] = 0
		}
	}
	return scorer.Partial(list, scored, p.Err)
}
