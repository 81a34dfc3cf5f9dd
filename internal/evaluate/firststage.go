package evaluate

import (
	"context"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/bm25"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

// Indexed is a first stage by BM25 over documents in memory.
type Indexed struct{ index *bm25.Index }

// Index makes a first stage of documents, title and text as one field.
func Index(ctx context.Context, documents []collection.Document, p *Progress) (Indexed, error) {
	x := bm25.New()
	step, done := p.Begin("indexing", "documents", len(documents))
	defer done()
	for _, d := range documents {
		if err := ctx.Err(); err != nil {
			return Indexed{}, err
		}
		if err := x.Add(d.ID, d.Passage()); err != nil {
			return Indexed{}, err
		}
		step()
	}
	return Indexed{x}, nil
}

// Search implements [FirstStage].
func (x Indexed) Search(ctx context.Context, q collection.Query, size int) (relevance.Ranking, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return x.index.Search(q.Text, size), nil
}

// Finished is a first stage whose answers are known. A query that it lacks finds
// nothing.
type Finished relevance.Run

// Search implements [FirstStage].
func (f Finished) Search(_ context.Context, q collection.Query, size int) (relevance.Ranking, error) {
	ranking := f[q.ID]
	return ranking[:min(size, len(ranking))], nil
}

var (
	_ FirstStage = Indexed{}
	_ FirstStage = Finished{}
)
