package evaluate

import (
	"context"
	"time"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
	"github.com/rerankd/rerankd/scorer"
)

// Cascade is a [Model] that scores the best passages of another model's, as an
// endpoint with a first model does. It shares the kept scores of both. It is not
// safe for concurrent use.
type Cascade struct {
	model, first *Model
	keep         int

	passages, scored int // at the greatest depths
}

var _ Reranker = (*Cascade)(nil)

// After returns a reranker that has first score every passage, and the model the
// keep best of them: see [scorer.Cascade].
func (m *Model) After(first *Model, keep int) *Cascade {
	return &Cascade{model: m, first: first, keep: keep}
}

// Rerank implements [Reranker]. No duration is known.
func (c *Cascade) Rerank(ctx context.Context, q collection.Query, first relevance.Ranking, depths []int) ([]relevance.Ranking, []time.Duration, error) {
	steps := scorer.NewCascade(known{c.first}, known{c.model}, c.keep)
	rankings := make([]relevance.Ranking, len(depths))
	for i, depth := range depths {
		texts, err := c.model.texts(first, depth)
		if err != nil {
			return nil, nil, err
		}
		scores, err := steps.Score(ctx, q.Text, texts)
		if err != nil {
			return nil, nil, err
		}
		rankings[i] = first.Rerank(scores)
		if i == len(depths)-1 {
			c.passages, c.scored = c.passages+len(texts), c.scored+min(c.keep, len(texts))
		}
	}
	return rankings, make([]time.Duration, len(depths)), nil
}

// Time implements [Reranker].
func (c *Cascade) Time(ctx context.Context, q collection.Query, first relevance.Ranking, depth int) (time.Duration, error) {
	texts, err := c.model.texts(first, depth)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = scorer.NewCascade(c.first.scorer, c.model.scorer, c.keep).Score(ctx, q.Text, texts)
	return time.Since(start), err
}

// ScoredShare is how many of the passages the model scored at the greatest depth;
// first scored all of them, unless there were no more than are kept.
func (c *Cascade) ScoredShare() float64 { return ratio(float64(c.scored), float64(c.passages)) }
