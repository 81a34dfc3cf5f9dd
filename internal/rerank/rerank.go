// Package rerank does one rerank: it chooses the passages of documents, has them
// scored, rates each document by its best passage, cuts what is below the least
// score, and orders the rest. It knows no HTTP, no JSON and no model.
package rerank

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/rerankd/rerankd/scorer"
)

// Request is the work of one rerank.
type Request struct {
	Query    string
	Passages []string // in the order of their documents, which is that of the first stage
	// Of is the document of each passage, ascending, as [Choose] gives it; nil: each
	// passage is a document of its own.
	Of       []int
	MinScore *float32 // least raw logit; nil: none
}

// Ranked is one document in the final order.
type Ranked struct {
	Index   int     // which of the documents
	Passage int     // its best passage, the first of equals
	Logit   float32 // what the model said of that
	Score   float32 // what is shown: Shown(Logit)
}

// CountError reports a scorer that gave another number of scores than it was given
// passages. It is a [scorer.ErrScores].
type CountError struct{ Passages, Scores int }

func (e *CountError) Error() string {
	return fmt.Sprintf("%v: %d scores for %d passages", scorer.ErrScores, e.Scores, e.Passages)
}

// Unwrap returns [scorer.ErrScores].
func (e *CountError) Unwrap() error { return scorer.ErrScores }

// Rank scores the passages in one call and returns the documents that reach the
// least score, best first. A document is as good as its best passage; one without
// passages is left out. Equal scores keep the order of the documents. Without
// passages nothing is scored. An error is the scorer's, and no order comes with it.
func Rank(ctx context.Context, s scorer.Scorer, r Request) ([]Ranked, error) {
	if len(r.Passages) == 0 {
		return nil, nil
	}
	logits, err := s.Score(ctx, r.Query, r.Passages)
	if err != nil {
		return nil, fmt.Errorf("score %d passages: %w", len(r.Passages), err)
	}
	if len(logits) != len(r.Passages) {
		return nil, &CountError{Passages: len(r.Passages), Scores: len(logits)}
	}
	ranked := slices.DeleteFunc(r.pool(logits), func(one Ranked) bool {
		return r.MinScore != nil && one.Logit < *r.MinScore
	})
	// By the score shown, not by the logit: where float32 merges two logits,
	// Elasticsearch treats them as equal.
	slices.SortStableFunc(ranked, func(a, b Ranked) int {
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return 0
	})
	return ranked, nil
}

// pool rates each document by its best passage, in the order of the documents.
func (r Request) pool(logits []float32) []Ranked {
	list := make([]Ranked, 0, len(logits))
	for i, logit := range logits {
		document := i
		if r.Of != nil {
			document = r.Of[i]
		}
		one := Ranked{Index: document, Passage: i, Logit: logit, Score: Shown(logit)}
		switch last := len(list) - 1; {
		case last < 0 || list[last].Index != document:
			list = append(list, one)
		case logit > list[last].Logit:
			list[last] = one
		}
	}
	return list
}

// Shown is the _score that Elasticsearch shows for a raw logit:
// max(s,0) + min(exp(s),1) in float32. It is never negative, grows with the
// logit, and is 1 for a logit of 0.
func Shown(logit float32) float32 {
	return max(logit, 0) + min(float32(math.Exp(float64(logit))), 1)
}
