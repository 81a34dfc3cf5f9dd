package evaluate

import (
	"context"
	"fmt"
	"time"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
	"github.com/rerankd/rerankd/scorer"
)

// Model reranks with a scorer and the texts of a corpus.
type Model struct {
	scorer   scorer.Scorer
	passages map[string]string
	kept     *Scores
}

// NewModel returns a reranker by the scorer. passages has the text of each
// document by id. kept, which may be nil, remembers scores; it is to be of the
// scorer's own fingerprint.
func NewModel(s scorer.Scorer, passages map[string]string, kept *Scores) *Model {
	return &Model{scorer: s, passages: passages, kept: kept}
}

// Passages maps the documents' ids to what is scored of them.
func Passages(documents []collection.Document) map[string]string {
	passages := make(map[string]string, len(documents))
	for _, d := range documents {
		passages[d.ID] = d.Passage()
	}
	return passages
}

// Rerank implements [Reranker]. Pairs whose score is kept are not scored again;
// took is known for the greatest depth, and if none of its pairs was kept.
func (m *Model) Rerank(ctx context.Context, q collection.Query, first relevance.Ranking, depths []int) ([]relevance.Ranking, []time.Duration, error) {
	texts, err := m.texts(first, depths[len(depths)-1])
	if err != nil {
		return nil, nil, err
	}
	took := make([]time.Duration, len(depths))
	scores, whole, err := m.known(ctx, q.Text, texts)
	if err != nil {
		return nil, nil, err
	}
	took[len(depths)-1] = whole
	rankings := make([]relevance.Ranking, len(depths))
	for i, depth := range depths {
		rankings[i] = first.Rerank(scores[:min(depth, len(scores))])
	}
	return rankings, took, nil
}

// known returns kept scores, and scores and keeps the others. took is 0 unless all
// had to be scored.
func (m *Model) known(ctx context.Context, query string, texts []string) (scores []float32, took time.Duration, err error) {
	scores, missing := m.kept.lookUp(query, texts)
	if len(missing) == 0 {
		return scores, 0, nil
	}
	wanted := make([]string, len(missing))
	for i, at := range missing {
		wanted[i] = texts[at]
	}
	start := time.Now()
	found, err := m.score(ctx, query, wanted)
	if err != nil {
		return nil, 0, err
	}
	if len(missing) == len(texts) {
		took = time.Since(start)
	}
	for i, at := range missing {
		scores[at] = found[i]
	}
	return scores, took, m.kept.keep(query, wanted, found)
}

// Time implements [Reranker]: it scores whatever is kept.
func (m *Model) Time(ctx context.Context, q collection.Query, first relevance.Ranking, depth int) (time.Duration, error) {
	texts, err := m.texts(first, depth)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = m.score(ctx, q.Text, texts)
	return time.Since(start), err
}

func (m *Model) texts(first relevance.Ranking, depth int) ([]string, error) {
	top := first[:min(depth, len(first))]
	texts := make([]string, len(top))
	for i, h := range top {
		text, ok := m.passages[h.ID]
		if !ok {
			return nil, fmt.Errorf("document %q of the first stage is not in the corpus", h.ID)
		}
		texts[i] = text
	}
	return texts, nil
}

func (m *Model) score(ctx context.Context, query string, texts []string) ([]float32, error) {
	scores, err := m.scorer.Score(ctx, query, texts)
	if err == nil && len(scores) != len(texts) {
		err = fmt.Errorf("%w: %d for %d passages", scorer.ErrScores, len(scores), len(texts))
	}
	return scores, err
}

var _ Reranker = (*Model)(nil)
