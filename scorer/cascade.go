package scorer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Cascade scores every passage with a first Scorer, a cheap one, and the best of
// them with a second one. It is safe for concurrent use.
type Cascade struct {
	first, second Scorer
	keep          int
}

var _ Scorer = (*Cascade)(nil)

// cascadeGap is how far below the lowest score of the second step the others begin,
// in relation to it: enough to be seen in a score that was moved to be positive.
const cascadeGap = 1e-3

// NewCascade has second score the best keep passages of each call. It panics when
// keep is less than 1.
func NewCascade(first, second Scorer, keep int) *Cascade {
	if keep < 1 {
		panic(fmt.Sprintf("scorer: a cascade that keeps %d passages", keep))
	}
	return &Cascade{first: first, second: second, keep: keep}
}

// Score returns second's scores for the passages that first put at the top, and
// for the others scores below all of those, as far from each other as first's. A
// call of no more passages than are kept goes to second alone.
//
// When the time ends in the second step, the passages without a score of second
// carry in the [PartialError] the score of first, so that they stand in its order.
func (c *Cascade) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	if len(passages) <= c.keep {
		return c.second.Score(ctx, query, passages)
	}
	scores, err := c.first.Score(ctx, query, passages)
	if err != nil {
		return nil, err
	}
	if len(scores) != len(passages) {
		return nil, fmt.Errorf("%w: %d scores for %d passages in the first step", ErrScores, len(scores), len(passages))
	}
	order := make([]int, len(passages))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	best, rest := order[:c.keep], order[c.keep:]
	texts := make([]string, len(best))
	for i, at := range best {
		texts[i] = passages[at]
	}
	top, err := c.second.Score(ctx, query, texts)
	if err != nil {
		return nil, c.cutShort(scores, best, err)
	}
	if len(top) != len(best) {
		return nil, fmt.Errorf("%w: %d scores for %d passages in the second step", ErrScores, len(top), len(best))
	}
	lowest, highest := slices.Min(top), scores[rest[0]]
	below := lowest - cascadeGap*max(1, lowest, -lowest)
	for _, at := range rest {
		scores[at] = below - (highest - scores[at])
	}
	for i, at := range best {
		scores[at] = top[i]
	}
	return scores, nil
}

// cutShort is the error of a call whose second step failed with err: with the
// scores of both steps if it had some.
func (c *Cascade) cutShort(scores []float32, best []int, err error) error {
	partial, ok := PartialOf(err, len(best))
	if !ok {
		return err
	}
	scored := make([]bool, len(scores))
	for i, at := range best {
		if partial.Scored[i] {
			scores[at], scored[at] = partial.Scores[i], true
		}
	}
	return Partial(scores, scored, partial.Err)
}
