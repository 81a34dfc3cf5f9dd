// Package fusion combines ranked lists of documents into one. The arithmetic is
// that of Elasticsearch's rrf and linear retrievers: float32, list after list in
// the order given, so that sums round alike. The package is pure.
package fusion

import (
	"cmp"
	"math"
	"slices"
)

// Hit is a document with its score. Documents are numbered in the order that
// decides between equal scores: by shard, then within the shard.
type Hit struct {
	Doc   int
	Score float32 // NaN: the list is sorted by something else and has no scores
}

// List is a ranking, the best first, in which no document stands twice.
type List []Hit

// Sort orders a list by score, the highest first, and documents of equal score
// by their number. NaN stands first, as in Java.
func (l List) Sort() {
	slices.SortFunc(l, func(a, b Hit) int {
		if order := compare(b.Score, a.Score); order != 0 {
			return order
		}
		return cmp.Compare(a.Doc, b.Doc)
	})
}

// compare orders as Java's Float.compare does: NaN above everything.
func compare(a, b float32) int {
	nanA, nanB := isNaN(a), isNaN(b)
	switch {
	case nanA && nanB:
		return 0
	case nanA:
		return 1
	case nanB:
		return -1
	}
	return cmp.Compare(a, b)
}

func isNaN(score float32) bool { return math.IsNaN(float64(score)) }

// Top is the first n hits of a list, or all if there are fewer.
func (l List) Top(n int) List { return l[:min(max(n, 0), len(l))] }

// Above is the hits that reach a score, in their order. It shares no memory with
// the list.
func (l List) Above(least float32) List {
	kept := make(List, 0, len(l))
	for _, h := range l {
		if h.Score >= least {
			kept = append(kept, h)
		}
	}
	return kept
}

// RRF fuses lists by reciprocal rank: a document scores the sum of
// weight ÷ (constant + rank) over the lists that hold it, ranks from 1. There is
// one weight for each list. The result is sorted and not cut.
func RRF(lists []List, weights []float32, constant int) List {
	f := newSum(lists)
	for i, list := range lists {
		for rank, hit := range list {
			f.add(hit.Doc, float32(weights[i]*(1/float32(constant+rank+1))))
		}
	}
	return f.sorted()
}

// Linear fuses lists by score: a document scores the sum of
// weight × normalised score over the lists that hold it; a score that is NaN
// counts as 0. There is one weight and one normaliser for each list. The result
// is sorted and not cut.
func Linear(lists []List, weights []float32, normalizers []Normalizer) List {
	f := newSum(lists)
	for i, list := range lists {
		for _, hit := range normalizers[i].Apply(list) {
			score := hit.Score
			if isNaN(score) {
				score = 0
			}
			f.add(hit.Doc, float32(weights[i]*score))
		}
	}
	return f.sorted()
}

// sum adds up scores by document.
type sum struct {
	list List
	at   map[int]int // document → place in list
}

func newSum(lists []List) *sum {
	longest := 0
	for _, l := range lists {
		longest = max(longest, len(l))
	}
	return &sum{at: make(map[int]int, longest)}
}

func (f *sum) add(doc int, score float32) {
	i, ok := f.at[doc]
	if !ok {
		i = len(f.list)
		f.at[doc] = i
		f.list = append(f.list, Hit{Doc: doc})
	}
	f.list[i].Score += score
}

func (f *sum) sorted() List {
	f.list.Sort()
	return f.list
}

// Normalizer brings the scores of a list to a common scale.
type Normalizer string

// The normalisers of Elasticsearch's linear retriever.
const (
	None   Normalizer = "none"    // as they are
	MinMax Normalizer = "minmax"  // (score − least) ÷ (greatest − least)
	L2Norm Normalizer = "l2_norm" // score ÷ √Σ score²
)

// epsilon is where MinMax takes least and greatest for one, and L2Norm a norm for
// none.
const epsilon = 1e-6

// Apply returns the list with normalised scores, in new memory unless it stays as
// it is. A list without a score that is a number does.
//
// MinMax starts its search for the greatest score at the smallest positive
// float32, as the original does, so a list without a positive score has that one
// as its greatest; where all are equal, each becomes 1.
func (n Normalizer) Apply(l List) List {
	if !slices.ContainsFunc(l, func(h Hit) bool { return !isNaN(h.Score) }) {
		return l
	}
	switch n {
	case MinMax:
		return minMax(l)
	case L2Norm:
		return l2Norm(l)
	default:
		return l
	}
}

func minMax(l List) List {
	least, greatest := float32(math.MaxFloat32), float32(math.SmallestNonzeroFloat32)
	for _, h := range l {
		if h.Score > greatest {
			greatest = h.Score
		}
		if h.Score < least {
			least = h.Score
		}
	}
	out := slices.Clone(l)
	width := greatest - least
	for i := range out {
		if math.Abs(float64(width)) < epsilon {
			out[i].Score = 1
		} else {
			out[i].Score = (out[i].Score - least) / width
		}
	}
	return out
}

func l2Norm(l List) List {
	squares := 0.0
	for _, h := range l {
		if !isNaN(h.Score) {
			squares += float64(h.Score * h.Score)
		}
	}
	norm := math.Sqrt(squares)
	if norm < epsilon {
		return l
	}
	out := slices.Clone(l)
	for i := range out {
		out[i].Score = float32(float64(out[i].Score) / norm)
	}
	return out
}
