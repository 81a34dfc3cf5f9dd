package rerank

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/rerankd/rerankd/chunking"
)

// Parameters of BM25, the defaults of Lucene.
const (
	k1 = float32(1.2)  // how soon more of the same term stops to count
	b  = float32(0.75) // how much a long passage is held against it
)

// mostRelevant are the positions of the size passages that BM25 rates highest for
// the query, best first and equals in their order. Only passages with a term of
// the query are among them; if there are none, the first size passages are.
//
// It is the search of an index of these passages alone, with Elasticsearch's
// standard analyser and Lucene's arithmetic: float32, lengths in eight bits.
func mostRelevant(query string, passages []string, size int) []int {
	scores := index(query, passages).scores()
	matching := make([]int, 0, len(passages))
	for i, score := range scores {
		if score > 0 {
			matching = append(matching, i)
		}
	}
	if len(matching) == 0 {
		for i := range min(size, len(passages)) {
			matching = append(matching, i)
		}
		return matching
	}
	slices.SortStableFunc(matching, func(i, j int) int { return cmp.Compare(scores[j], scores[i]) })
	return matching[:min(size, len(matching))]
}

// postings is an index of passages for the terms of one query.
type postings struct {
	terms   []term
	lengths []float32 // of each passage in terms, as an index stores it
	mean    float32   // of the lengths before that, of passages with a term
	filled  int       // passages with a term
}

// term is a term of the query.
type term struct {
	boost float32 // how often the query has it
	found []found
}

// found says how often a passage has a term.
type found struct {
	passage int
	count   float32
}

// add counts a term of a passage; passages come in their order.
func (t *term) add(passage int) {
	if last := len(t.found) - 1; last >= 0 && t.found[last].passage == passage {
		t.found[last].count++
		return
	}
	t.found = append(t.found, found{passage, 1})
}

func index(query string, passages []string) postings {
	x := postings{lengths: make([]float32, len(passages))}
	known := map[string]int{}
	for text := range chunking.Terms(query) {
		n, ok := known[text]
		if !ok {
			n = len(x.terms)
			known[text] = n
			x.terms = append(x.terms, term{})
		}
		x.terms[n].boost++
	}
	all := 0
	for i, passage := range passages {
		length := 0
		for text := range chunking.Terms(passage) {
			length++
			if n, ok := known[text]; ok {
				x.terms[n].add(i)
			}
		}
		x.lengths[i] = float32(storedLength(length))
		if length > 0 {
			x.filled++
		}
		all += length
	}
	x.mean = float32(float64(all) / float64(max(x.filled, 1)))
	return x
}

// scores are what the passages score, 0 without a term of the query. The work is
// that of the terms found, however long the query is.
func (x postings) scores() []float32 {
	sums := make([]float64, len(x.lengths))
	for _, t := range x.terms {
		with := float64(len(t.found))
		weight := t.boost * float32(math.Log(1+(float64(x.filled)-with+0.5)/(with+0.5)))
		for _, f := range t.found {
			norm := 1 / (k1 * ((1 - b) + b*x.lengths[f.passage]/x.mean))
			sums[f.passage] += float64(weight - weight/(1+f.count*norm))
		}
	}
	scores := make([]float32, len(sums))
	for i, sum := range sums {
		scores[i] = float32(sum)
	}
	return scores
}

// storedLength is a length as Lucene's index keeps it: exact below 40, above that
// with four significant bits.
func storedLength(n int) int {
	const exact = 24 // values that are stored as they are
	if n < exact+16 {
		return n
	}
	n -= exact
	shift := bits.Len(uint(n)) - 4 //nolint:gosec // n is at least 16
	return exact + n>>shift<<shift
}
