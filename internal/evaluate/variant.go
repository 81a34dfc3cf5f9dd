package evaluate

import (
	"context"
	"errors"
	"time"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
	"github.com/rerankd/rerankd/scorer"
)

// Variant is a [Model] that does not score every passage, as endpoints can have it.
// It uses the kept scores of its models. It is not safe for concurrent use.
type Variant struct {
	model *Model
	kept  scorer.Scorer // knows the kept scores and counts in now
	bare  scorer.Scorer // scores everything anew
	best  int           // how many of the best matter to the caller; 0: all

	now              int // passages that the model was given since this was 0
	passages, scored int // of all queries at the greatest depth
}

var _ Reranker = (*Variant)(nil)

// Patient returns a reranker that ends a query once patience passages in a row
// brought nothing into its best ones: see [scorer.Patience]. What is left out
// follows in the order of the first stage.
func (m *Model) Patient(patience, best int) *Variant {
	v := &Variant{model: m, best: best, bare: scorer.NewPatience(m.scorer, patience)}
	v.kept = scorer.NewPatience(known{m, &v.now}, patience)
	return v
}

// After returns a reranker that has the cheaper model score every passage, and m the
// keep best of them: see [scorer.Cascade]. It panics when keep is less than 1.
func (m *Model) After(cheaper *Model, keep int) *Variant {
	v := &Variant{model: m, bare: scorer.NewCascade(cheaper.scorer, m.scorer, keep)}
	v.kept = scorer.NewCascade(known{cheaper, new(int)}, known{m, &v.now}, keep)
	return v
}

// Rerank implements [Reranker]. No duration is known.
func (v *Variant) Rerank(ctx context.Context, q collection.Query, first relevance.Ranking, depths []int) ([]relevance.Ranking, []time.Duration, error) {
	rankings := make([]relevance.Ranking, len(depths))
	for i, depth := range depths {
		texts, err := v.model.texts(first, depth)
		if err != nil {
			return nil, nil, err
		}
		v.now = 0
		scores, err := v.score(ctx, v.kept, q.Text, texts)
		if err != nil {
			return nil, nil, err
		}
		rankings[i] = first.Rerank(scores)
		if i == len(depths)-1 {
			v.passages, v.scored = v.passages+len(texts), v.scored+v.now
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
	_, err = v.score(ctx, v.bare, q.Text, texts)
	return time.Since(start), err
}

// ScoredShare is what share of the passages the model scored at the greatest depth.
func (v *Variant) ScoredShare() float64 { return ratio(float64(v.scored), float64(v.passages)) }

// score returns the scores of the first passages, as many as were enough.
func (v *Variant) score(ctx context.Context, s scorer.Scorer, query string, texts []string) ([]float32, error) {
	if v.best > 0 {
		ctx = scorer.WithBest(ctx, v.best)
	}
	scores, err := s.Score(ctx, query, texts)
	if partial, ok := scorer.PartialOf(err, len(texts)); ok && errors.Is(err, scorer.ErrEnough) {
		return partial.Scores[:partial.Count()], nil
	}
	return scores, err
}

// known is a model as a scorer that takes scores from the kept ones, and keeps the
// others. It counts the passages.
type known struct {
	model *Model
	count *int
}

func (k known) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores, _, err := k.model.known(ctx, query, passages)
	*k.count += len(passages)
	return scores, err
}
