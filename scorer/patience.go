package scorer

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrEnough is why passages are without a score in the [PartialError] of a call
// that a [Patience] ended: it is a plan that was followed, and no failure.
var ErrEnough = errors.New("enough passages were scored")

// Patience scores passages in their order until so many in a row were no better
// than the best ones before them. First stages put what answers the query to the
// front, so that little is lost of what stands behind. It is safe for concurrent use.
type Patience struct {
	inner    Scorer
	patience int
}

var _ Scorer = (*Patience)(nil)

// leastBlock is how many passages are asked for at a time, at least: fewer would
// leave workers without work between the calls.
const leastBlock = 4

// NewPatience ends a call once patience passages in a row bring nothing into its
// best. It panics when patience is less than 1.
func NewPatience(inner Scorer, patience int) *Patience {
	if patience < 1 {
		panic(fmt.Sprintf("scorer: a patience of %d passages", patience))
	}
	return &Patience{inner: inner, patience: patience}
}

// bestKey is the context key of how many of a call's best passages matter.
type bestKey struct{}

// WithBest returns a context whose calls are about their best n passages: those
// that somebody gets to see. What is not among them may be left without a score by
// a [Patience]; without n, or with one below 1, nothing is.
func WithBest(ctx context.Context, n int) context.Context {
	return context.WithValue(ctx, bestKey{}, n)
}

// Score asks inner for the passages in blocks, each the fewest after which there can
// be an end. A call that ends with passages left returns a [PartialError] of
// [ErrEnough]. So does one that ends by the context, with the error of that.
func (p *Patience) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	best, _ := ctx.Value(bestKey{}).(int)
	if best < 1 || len(passages) <= best+p.patience {
		return p.inner.Score(ctx, query, passages)
	}
	t, top, vain := newTally(len(passages)), leaders{most: best}, 0
	for from, to := 0, best+p.patience; ; from, to = to, min(to+max(p.patience-vain, leastBlock), len(passages)) {
		if err := p.block(ctx, query, passages, from, to, t); err != nil {
			return nil, err
		}
		for _, score := range t.scores[from:to] {
			if vain++; top.take(score) {
				vain = 0
			}
		}
		switch {
		case to == len(passages):
			return t.scores, nil
		case vain >= p.patience:
			return nil, Partial(t.scores, t.scored, ErrEnough)
		}
	}
}

// block scores some of the passages. With an error for the end of the time come all
// scores that there are.
func (p *Patience) block(ctx context.Context, query string, passages []string, from, to int, t tally) error {
	scores, err := p.inner.Score(ctx, query, passages[from:to])
	if partial, ok := PartialOf(err, to-from); ok {
		copy(t.scores[from:], partial.Scores)
		copy(t.scored[from:], partial.Scored)
		return Partial(t.scores, t.scored, partial.Err)
	}
	if err != nil {
		return t.cutShort(ctx, err)
	}
	if len(scores) != to-from {
		return fmt.Errorf("%w: %d scores for %d passages", ErrScores, len(scores), to-from)
	}
	for i, score := range scores {
		t.set(from+i, score)
	}
	return nil
}

// leaders are the best scores so far, falling.
type leaders struct {
	scores []float32
	most   int
}

// take reports whether a score is among the best, where an equal one came first.
func (l *leaders) take(score float32) bool {
	at, _ := slices.BinarySearchFunc(l.scores, score, func(have, want float32) int {
		if have >= want {
			return -1
		}
		return 1
	})
	if at >= l.most {
		return false
	}
	l.scores = slices.Insert(l.scores, at, score)
	l.scores = l.scores[:min(len(l.scores), l.most)]
	return true
}
