// Package rerank does one rerank: it has passages scored, cuts what is below the
// least score, and orders the rest. It knows no HTTP, no JSON and no model.
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
	Passages []string // in first-stage order
	MinScore *float32 // least raw logit; nil: none
}

// Ranked is one passage in the final order.
type Ranked struct {
	Index int     // which of the passages
	Logit float32 // what the model said
	Score float32 // what is shown: Shown(Logit)
}

// CountError reports a scorer that gave another number of scores than it was given
// passages. It is a [scorer.ErrScores].
type CountError struct{ Passages, Scores int }

func (e *CountError) Error() string {
	return fmt.Sprintf("%v: %d scores for %d passages", scorer.ErrScores, e.Scores, e.Passages)
}

// Unwrap returns [scorer.ErrScores].
func (e *CountError) Unwrap() error { return scorer.ErrScores }

// Rank scores the passages and returns those that reach the least score, best
// first. Equal scores keep the order of the passages. Without passages nothing is
// scored. An error is the scorer's, and no order comes with it.
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
	ranked := make([]Ranked, 0, len(logits))
	for i, logit := range logits {
		if r.MinScore == nil || logit >= *r.MinScore {
			ranked = append(ranked, Ranked{Index: i, Logit: logit, Score: Shown(logit)})
		}
	}
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

// Shown is the _score that Elasticsearch shows for a raw logit:
// max(s,0) + min(exp(s),1) in float32. It is never negative, grows with the
// logit, and is 1 for a logit of 0.
func Shown(logit float32) float32 {
	return max(logit, 0) + min(float32(math.Exp(float64(logit))), 1)
}
