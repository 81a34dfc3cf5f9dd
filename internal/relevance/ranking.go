package relevance

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Qrels are relevance judgements: query id → document id → grade. A grade above
// 0 is relevant, one of 0 or below is judged and not relevant, a document that
// is missing is unjudged.
type Qrels map[string]map[string]int

// Add records a judgement, in place of an earlier one of the same pair.
func (q Qrels) Add(query, document string, grade int) {
	if q[query] == nil {
		q[query] = map[string]int{}
	}
	q[query][document] = grade
}

// Hit is a document in a ranking.
type Hit struct {
	ID string
	// Score is what put the document at its place. Its scale is the ranker's own.
	Score float64
}

// Ranking is the answer to one query, best first and without a document twice.
// The order is that of the slice, whatever the scores are.
type Ranking []Hit

// IDs returns the document ids in order.
func (r Ranking) IDs() []string {
	ids := make([]string, len(r))
	for i, h := range r {
		ids[i] = h.ID
	}
	return ids
}

// Run holds the rankings of one system by query id.
type Run map[string]Ranking

// SortTREC puts a ranking into the order in which trec_eval evaluates it,
// whatever the ranks that stand in the file: by score as a 32-bit float,
// descending, and among equal ones by document id, descending byte by byte.
func (r Ranking) SortTREC() {
	slices.SortStableFunc(r, func(a, b Hit) int {
		return cmp.Or(
			cmp.Compare(float32(b.Score), float32(a.Score)),
			strings.Compare(b.ID, a.ID),
		)
	})
}

// MaxScore bounds the scores that are exchanged in files, on both sides. It
// leaves room below for as many places as there will ever be.
const MaxScore = 1e38

// WithoutTies returns the ranking in the same order with scores that fall
// strictly as 32-bit floats, so that trec_eval keeps the order. A score that
// already falls is rounded to 32 bits (and to [MaxScore] where it is beyond) and
// else left alone; another becomes the next smaller number after the score before
// it.
func (r Ranking) WithoutTies() Ranking {
	out := make(Ranking, len(r))
	last := float32(math.Inf(1))
	for i, h := range r {
		score := float32(min(max(h.Score, -MaxScore), MaxScore))
		if !(score < last) { // NaN as well
			score = math.Nextafter32(last, float32(math.Inf(-1)))
		}
		out[i] = Hit{ID: h.ID, Score: float64(score)}
		last = score
	}
	return out
}

// Oracle returns the ranking that no reranker of the first depth documents can
// beat: those reordered by grade, equal ones in their old order, and the rest
// behind them as they were. Scores are those of the documents' places, which
// means nothing.
func (r Ranking) Oracle(depth int, grades map[string]int) Ranking {
	out := slices.Clone(r)
	slices.SortStableFunc(out[:min(depth, len(out))], func(a, b Hit) int {
		return cmp.Compare(max(grades[b.ID], 0), max(grades[a.ID], 0))
	})
	for i := range out {
		out[i].Score = float64(len(out) - i)
	}
	return out
}

// Rerank returns the ranking with its first len(scores) documents in the order
// of their new scores, descending, equal ones in their old order, and the rest
// behind them as they were. It panics when there are more scores than documents.
func (r Ranking) Rerank(scores []float32) Ranking {
	out := slices.Clone(r)
	head := out[:len(scores)]
	for i, s := range scores {
		head[i].Score = float64(s)
	}
	slices.SortStableFunc(head, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
	return out
}
