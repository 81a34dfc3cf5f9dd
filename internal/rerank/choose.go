package rerank

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rerankd/rerankd/chunking"
)

// Chooser chooses the passages of a text by which a document is rated. None means
// that it isn't rated.
type Chooser func(text string) ([]chunking.Range, error)

// Best chooses the size passages that have most to do with the query by BM25, as
// Elasticsearch's chunk_rescorer does: only passages with a word of the query, or
// the first ones if there are none. A blank query chooses nothing.
func Best(query string, settings chunking.Settings, size int) Chooser {
	return func(text string) ([]chunking.Range, error) {
		if strings.TrimSpace(query) == "" {
			return nil, nil
		}
		all, err := settings.Split(text)
		if err != nil {
			return nil, err
		}
		passages := make([]string, len(all))
		for i, r := range all {
			passages[i] = r.Of(text)
		}
		var best []chunking.Range
		for _, i := range mostRelevant(query, passages, size) {
			best = append(best, all[i])
		}
		return best, nil
	}
}

// Choice are passages chosen out of the texts of documents.
type Choice struct {
	Passages []string         // in the order of the documents
	Of       []int            // the document of each passage
	Ranges   []chunking.Range // where each passage stands in its document's text
}

// ChoiceError reports a chooser that can't choose from a text: the fault of who
// said how it is to be cut.
type ChoiceError struct{ Err error }

func (e *ChoiceError) Error() string { return e.Err.Error() }

// Unwrap returns the chooser's own error.
func (e *ChoiceError) Unwrap() error { return e.Err }

// MaxPassages is how many passages one rerank may have, unless they are whole
// texts: more are never scored in time, and take memory until they aren't.
const MaxPassages = 1 << 16

// errTooMany is the fault of settings that cut too finely.
var errTooMany = fmt.Errorf("more than [%d] passages: ask for fewer of each document, or for a smaller window", MaxPassages)

// Choose chooses the passages of each text; without a chooser each text is one
// passage. Of a text beyond [chunking.MaxText] bytes only so many are looked at.
// An error is a *ChoiceError, or that of a context that ended.
func Choose(ctx context.Context, texts []string, by Chooser) (Choice, error) {
	if by == nil {
		return whole(texts), nil // nothing to cancel: the scorer checks ctx
	}
	var c Choice
	for i, text := range texts {
		list, err := by(chunking.Head(text))
		if err != nil {
			return Choice{}, fmt.Errorf("choose passages of text %d: %w", i, &ChoiceError{err})
		}
		if len(c.Passages)+len(list) > MaxPassages {
			return Choice{}, fmt.Errorf("choose passages of text %d: %w", i, &ChoiceError{errTooMany})
		}
		if err := ctx.Err(); err != nil {
			return Choice{}, fmt.Errorf("choose passages of text %d: %w", i, err)
		}
		for _, r := range list {
			c.Passages, c.Of, c.Ranges = append(c.Passages, r.Of(text)), append(c.Of, i), append(c.Ranges, r)
		}
	}
	return c, nil
}

// whole has every text as its one passage.
func whole(texts []string) Choice {
	c := Choice{Passages: slices.Clone(texts), Of: make([]int, len(texts)), Ranges: make([]chunking.Range, len(texts))}
	for i, text := range texts {
		c.Of[i], c.Ranges[i] = i, chunking.Range{Start: 0, End: len(text)}
	}
	return c
}
