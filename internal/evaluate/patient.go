package evaluate

import (
	"context"
	"errors"
	"time"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
	"github.com/rerankd/rerankd/scorer"
)

// Patient is a [Model] that leaves passages out as an endpoint with patience does.
// It shares the model's kept scores. It is not safe for concurrent use.
type Patient struct {
	model          *Model
	patience, best int

	passages, scored int // at the greatest depths
}

var _ Reranker = (*Patient)(nil)

// Patient returns a reranker that ends a query once patience passages in a row
// brought nothing into its best ones: see [scorer.Patience].
func (m *Model) Patient(patience, best int) *Patient {
	return &Patient{model: m, patience: patience, best: best}
}

// Rerank implements [Reranker]. What is left out follows in the order of the first
// stage. No duration is known.
func (p *Patient) Rerank(ctx context.Context, q collection.Query, first relevance.Ranking, depths []int) ([]relevance.Ranking, []time.Duration, error) {
	rankings := make([]relevance.Ranking, len(depths))
	for i, depth := range depths {
		texts, err := p.model.texts(first, depth)
		if err != nil {
			return nil, nil, err
		}
		scores, err := p.score(ctx, known{p.model}, q.Text, texts)
		if err != nil {
			return nil, nil, err
		}
		rankings[i] = first.Rerank(scores)
		if i == len(depths)-1 {
			p.passages, p.scored = p.passages+len(texts), p.scored+len(scores)
		}
	}
	return rankings, make([]time.Duration, len(depths)), nil
}

// Time implements [Reranker].
func (p *Patient) Time(ctx context.Context, q collection.Query, first relevance.Ranking, depth int) (time.Duration, error) {
	texts, err := p.model.texts(first, depth)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = p.score(ctx, p.model.scorer, q.Text, texts)
	return time.Since(start), err
}

// ScoredShare is how many of the passages were scored at the greatest depth.
func (p *Patient) ScoredShare() float64 { return ratio(float64(p.scored), float64(p.passages)) }

// score returns the scores of the first passages, as many as were enough.
func (p *Patient) score(ctx context.Context, s scorer.Scorer, query string, texts []string) ([]float32, error) {
	scores, err := scorer.NewPatience(s, p.patience).Score(scorer.WithBest(ctx, p.best), query, texts)
	if partial, ok := scorer.PartialOf(err, len(texts)); ok && errors.Is(err, scorer.ErrEnough) {
		return partial.Scores[:partial.Count()], nil
	}
	return scores, err
}

// known is a model as a scorer that keeps scores and takes them from there.
type known struct{ model *Model }

func (k known) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores, _, err := k.model.known(ctx, query, passages)
	return scores, err
}
