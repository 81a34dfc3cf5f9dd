// Package bm25 is a first stage without a search engine: an inverted index in
// memory, searched with BM25 as Lucene computes it. Text is analysed as by
// Elasticsearch's analyzer english, with bleve's parts: words by Unicode's rules,
// possessives cut, lower case, Lucene's stop words left out, Porter's stemmer.
//
// bleve's own index is not used: it multiplies a score by the share of the
// query's terms that matched, which BM25 does not.
package bm25

import (
	"cmp"
	"container/heap"
	"errors"
	"math"
	"slices"

	"github.com/blevesearch/bleve/v2/analysis"

	"github.com/rerankd/rerankd/internal/relevance"
)

// Parameters of BM25, the defaults of Lucene and Elasticsearch.
const (
	K1 = 1.2  // how soon more of the same term stops to count
	B  = 0.75 // how much a long document is held against it
)

// maxDocuments is what a posting can number.
const maxDocuments = math.MaxUint32

// Index holds analysed documents. Add is not to be called at the same time as
// anything else; Search is safe for concurrent use.
type Index struct {
	analyzer analysis.Analyzer
	ids      []string
	lengths  []uint32 // terms of each document
	terms    uint64   // of all documents
	postings map[string][]posting
}

// posting says how often a term stands in a document.
type posting struct{ document, count uint32 }

// New returns an empty index.
func New() *Index {
	return &Index{analyzer: english(), postings: map[string][]posting{}}
}

// Add puts a document into the index. The caller sees to it that no id comes
// twice.
func (x *Index) Add(id, text string) error {
	if len(x.ids) == maxDocuments {
		return errors.New("add a document: the index is full")
	}
	document := uint32(len(x.ids))
	tokens := x.analyzer.Analyze([]byte(text))
	for _, token := range tokens {
		list := x.postings[string(token.Term)]
		if n := len(list); n > 0 && list[n-1].document == document {
			list[n-1].count++
			continue
		}
		x.postings[string(token.Term)] = append(list, posting{document, 1})
	}
	x.ids = append(x.ids, id)
	x.lengths = append(x.lengths, uint32(len(tokens)))
	x.terms += uint64(len(tokens))
	return nil
}

// Search returns the best size documents that have a term of the query, best
// first and equal scores in the order of Add.
func (x *Index) Search(query string, size int) relevance.Ranking {
	scores := map[uint32]float64{}
	for _, token := range x.analyzer.Analyze([]byte(query)) {
		list := x.postings[string(token.Term)]
		weight := x.idf(len(list))
		for _, p := range list {
			scores[p.document] += weight * x.saturation(p)
		}
	}
	best := make(worstFirst, 0, min(size, len(scores)))
	for document, score := range scores {
		m := match{document, score}
		switch {
		case len(best) < size:
			heap.Push(&best, m)
		case size > 0 && m.before(best[0]) < 0:
			best[0] = m
			heap.Fix(&best, 0)
		}
	}
	slices.SortFunc(best, match.before)
	ranking := make(relevance.Ranking, len(best))
	for i, m := range best {
		ranking[i] = relevance.Hit{ID: x.ids[m.document], Score: m.score}
	}
	return ranking
}

// idf is Lucene's, which is never negative.
func (x *Index) idf(documents int) float64 {
	n := float64(documents)
	return math.Log1p((float64(len(x.ids)) - n + 0.5) / (n + 0.5))
}

// saturation leaves out the factor k1+1, as Lucene does: it changes no order.
func (x *Index) saturation(p posting) float64 {
	average := float64(x.terms) / float64(len(x.ids))
	count, length := float64(p.count), float64(x.lengths[p.document])
	return count / (count + K1*(1-B+B*length/average))
}

type match struct {
	document uint32
	score    float64
}

// before orders matches best first.
func (m match) before(other match) int {
	return cmp.Or(cmp.Compare(other.score, m.score), cmp.Compare(m.document, other.document))
}

// worstFirst is a heap of the best matches so far.
type worstFirst []match

func (h worstFirst) Len() int           { return len(h) }
func (h worstFirst) Less(i, j int) bool { return h[i].before(h[j]) > 0 }
func (h worstFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *worstFirst) Push(m any)        { *h = append(*h, m.(match)) }
func (h *worstFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
