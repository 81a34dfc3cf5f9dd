// Package rerank does one rerank: it chooses the passages of documents, has them
// scored, rates each document by its best passage, cuts what is below the least
// score, and orders the rest. It knows no HTTP, no JSON and no model.
package rerank

import (
	"cmp"
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
	Logit   float32 // what the model said of that; 0 where it said nothing
	Score   float32 // what is shown: Shown(Logit), or less than every such score
}

// Ranking is the outcome of one rerank.
type Ranking struct {
	Ranked []Ranked // best first
	Scored int      // passages that have a score of the model
	// Cut is why the other passages have none: the time ended, or those scored were
	// enough ([scorer.ErrEnough]). nil: all have one.
	Cut error
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
//
// When the time ended with some of the passages scored, or when these were enough,
// that is no error. Documents without a scored passage then stand below the others,
// in their own order or in that of the first step of a cascade: the i-th of n, from
// 0, is shown with the lowest score of the model times (n-i)/(n+1). With a least
// score they are left out, since nobody knows that they reach it.
func Rank(ctx context.Context, s scorer.Scorer, r Request) (Ranking, error) {
	if len(r.Passages) == 0 {
		return Ranking{}, nil
	}
	logits, err := s.Score(ctx, r.Query, r.Passages)
	partial, ok := scorer.PartialOf(err, len(r.Passages))
	switch {
	case ok && partial.Count() == len(r.Passages): // the time ended when all was done
		logits = partial.Scores
	case ok:
		return r.rankPart(partial), nil
	case err != nil:
		return Ranking{}, fmt.Errorf("score %d passages: %w", len(r.Passages), err)
	case len(logits) != len(r.Passages):
		return Ranking{}, &CountError{Passages: len(r.Passages), Scores: len(logits)}
	}
	return Ranking{Ranked: r.order(r.pool(logits, nil)), Scored: len(logits)}, nil
}

// rankPart puts what was scored above what was not.
func (r Request) rankPart(p *scorer.PartialError) Ranking {
	open := make([]bool, len(p.Scored))
	for i, scored := range p.Scored {
		open[i] = !scored
	}
	scored := r.pool(p.Scores, p.Scored)
	lowest := slices.MinFunc(scored, func(a, b Ranked) int { return cmp.Compare(a.Score, b.Score) }).Score
	rated := make(map[int]bool, len(scored))
	for _, one := range scored {
		rated[one.Index] = true
	}
	rest := slices.DeleteFunc(r.pool(p.Scores, open), func(one Ranked) bool { return rated[one.Index] })
	out := Ranking{Ranked: r.order(scored), Scored: p.Count(), Cut: p.Err}
	if r.MinScore != nil {
		return out
	}
	slices.SortStableFunc(rest, func(a, b Ranked) int { return cmp.Compare(b.Logit, a.Logit) }) // by a first step, if there was one
	for i := range rest {
		rest[i].Logit = 0
		rest[i].Score = lowest * float32(len(rest)-i) / float32(len(rest)+1)
	}
	out.Ranked = append(out.Ranked, rest...)
	return out
}

// order sorts documents, best first, without those whose logit is below the least.
// By the score shown, not by the logit: where float32 merges two logits,
// Elasticsearch treats them as equal.
func (r Request) order(list []Ranked) []Ranked {
	list = slices.DeleteFunc(list, func(one Ranked) bool { return r.MinScore != nil && one.Logit < *r.MinScore })
	slices.SortStableFunc(list, func(a, b Ranked) int { return cmp.Compare(b.Score, a.Score) })
	return list
}

// pool rates each document by the best of its passages, in the order of the
// documents. With a choice, only the passages chosen count.
func (r Request) pool(logits []float32, chosen []bool) []Ranked {
	list := make([]Ranked, 0, len(logits))
	for i, logit := range logits {
		if chosen != nil && !chosen[i] {
			continue
		}
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
