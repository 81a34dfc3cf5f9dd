package evaluate

import (
	"context"
	"errors"
	"time"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
	"github.com/rerankd/rerankd/scorer"
)

// Variant is a [Model] that leaves passages out, as endpoints can have it do. It
// uses the kept scores of all models in it. It is not safe for concurrent use.
type Variant struct {
	model *Model
	// scorer puts together what an endpoint has, of the scorers of models.
	scorer func(of func(*Model) scorer.Scorer) scorer.Scorer
	best   int // how many of the best matter to the caller; 0: all

	passages, scored int // at the greatest depths
}

var _ Reranker = (*Variant)(nil)

// Patient returns a reranker that ends a query once patience passages in a row
// brought nothing into its best ones: see [scorer.Patience]. What is left out
// follows in the order of the first stage.
func (m *Model) Patient(patience, best int) *Variant {
	return &Variant{model: m, best: best, scorer: func(of func(*Model) scorer.Scorer) scorer.Scorer {
		return scorer.NewPatience(of(m), patience)
	}}
}

// After returns a reranker that has first score every passage, and the model the
// keep best of them: see [scorer.Cascade].
func (m *Model) After(first *Model, keep int) *Variant {
	return &Variant{model: m, scorer: func(of func(*Model) scorer.Scorer) scorer.Scorer {
		return scorer.NewCascade(of(first), of(m), keep)
	}}
}

// Rerank implements [Reranker]. No duration is known.
func (v *Variant) Rerank(ctx context.Context, q collection.Query, first relevance.Ranking, depths []int) ([]relevance.Ranking, []time.Duration, error) {
	rankings := make([]relevance.Ranking, len(depths))
	for i, depth := range depths {
		texts, err := v.model.texts(first, depth)
		if err != nil {
			return nil, nil, err
		}
		scored := map[*Model]int{}
		scores, err := v.score(ctx, q.Text, texts, func(m *Model) scorer.Scorer { return known{m, scored} })
		if err != nil {
			return nil, nil, err
		}
		rankings[i] = first.Rerank(scores)
		if i == len(depths)-1 {
			v.passages, v.scored = v.passages+len(texts), v.scored+scored[v.model]
		}
	}
	return rankings, make([]time.Duration, len(depths)), nil
}

// Time implements [Reranker].
func (v *Variant) Time(ctx context.Context, q collection.Query, first relevance.Ranking, depth int) (time.Duration, error) {
	texts, err := v.model.texts(first, depth)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = v.score(ctx, q.Text, texts, func(m *Model) scorer.Scorer { return m.scorer })
	return time.Since(start), err
}

// ScoredShare is how many of the passages the model scored at the greatest depth.
func (v *Variant) ScoredShare() float64 { return ratio(float64(v.scored), float64(v.passages)) }

// score returns the scores of the first passages, as many as were enough.
func (v *Variant) score(ctx context.Context, query string, texts []string, of func(*Model) scorer.Scorer) ([]float32, error) {
	if v.best > 0 {
		ctx = scorer.WithBest(ctx, v.best)
	}
	scores, err := v.scorer(of).Score(ctx, query, texts)
	if partial, ok := scorer.PartialOf(err, len(texts)); ok && errors.Is(err, scorer.ErrEnough) {
		return partial.Scores[:partial.Count()], nil
	}
	return scores, err
}

// known is a model as a scorer that keeps scores and takes them from there. It
// counts the passages.
type known struct {
	model  *Model
	scored map[*Model]int
}

func (k known) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores, _, err := k.model.known(ctx, query, passages)
	k.scored[k.model] += len(passages)
	return scores, err
}
