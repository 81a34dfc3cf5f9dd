package relevance

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Names of measures, without their cut-off.
const (
	NDCG    = "ndcg"     // the grade is the gain, as in trec_eval's ndcg_cut
	NDCGExp = "ndcg_exp" // 2^grade − 1 is the gain, as in gdeval and Elasticsearch's _rank_eval
	MRR     = "mrr"      // one by the rank of the first relevant document
	MAP     = "map"      // average precision, as in trec_eval's map_cut
	P       = "p"        // precision
	R       = "r"        // recall
	ERR     = "err"      // expected reciprocal rank with grades up to 4, as in gdeval
	Judged  = "judged"   // share of the answer that was judged at all, with any grade
)

// maxCut bounds the cut-off of a measure: no answer is that long.
const maxCut = 1_000_000

// errMaxGrade is the grade of a perfect document in ERR. Greater grades count as
// this one; a collection of grades 0 and 1 gets small values, as from gdeval.
const errMaxGrade = 4

type function func(grades []int, judged map[string]int, cut int) float64

// functions get the grades of the answer's documents down to the cut-off, an
// unjudged one as [unjudged].
var functions = map[string]function{
	NDCG:    func(g []int, j map[string]int, cut int) float64 { return ndcg(g, j, cut, linear) },
	NDCGExp: func(g []int, j map[string]int, cut int) float64 { return ndcg(g, j, cut, exponential) },
	MRR:     reciprocalRank,
	MAP:     averagePrecision,
	P:       precision,
	R:       recall,
	ERR:     expectedReciprocalRank,
	Judged:  judgedShare,
}

// Measure is a measure with its cut-off. The zero value is not one; it comes
// from [ParseMeasure].
type Measure struct {
	name string
	cut  int
}

// ParseMeasure reads "name@k", as in ndcg@10. The names are the constants of
// this package.
func ParseMeasure(text string) (Measure, error) {
	name, number, ok := strings.Cut(text, "@")
	if functions[name] == nil || !ok {
		return Measure{}, fmt.Errorf("parse measure %q: want NAME@K with a name of %s", text, strings.Join(names(), ", "))
	}
	cut, err := strconv.Atoi(number)
	if err != nil || cut < 1 || cut > maxCut {
		return Measure{}, fmt.Errorf("parse measure %q: want a cut-off from 1 to %d behind the @", text, maxCut)
	}
	return Measure{name: name, cut: cut}, nil
}

func names() []string {
	all := make([]string, 0, len(functions))
	for name := range functions {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// String returns the measure as [ParseMeasure] reads it.
func (m Measure) String() string { return m.name + "@" + strconv.Itoa(m.cut) }

// Cut returns the rank below which the measure looks at nothing.
func (m Measure) Cut() int { return m.cut }

// Of returns the value of one ranking against the grades of its query, from 0 to
// 1. It is 0 for an empty ranking and where nothing is relevant.
func (m Measure) Of(ranking Ranking, grades map[string]int) float64 {
	top := ranking[:min(m.cut, len(ranking))]
	of := make([]int, len(top))
	for i, h := range top {
		grade, ok := grades[h.ID]
		if !ok {
			grade = unjudged
		}
		of[i] = grade
	}
	return functions[m.name](of, grades, m.cut)
}

// Each returns the value for each of the queries, in their order. A query that
// the run has no ranking for gets the value of an empty one.
func (m Measure) Each(run Run, qrels Qrels, queries []string) []float64 {
	values := make([]float64, len(queries))
	for i, q := range queries {
		values[i] = m.Of(run[q], qrels[q])
	}
	return values
}

// Mean returns the arithmetic mean, and 0 of nothing.
func Mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// unjudged stands for the grade of a document without one.
const unjudged = math.MinInt

func relevant(grade int) bool { return grade > 0 }

func countRelevant(judged map[string]int) int {
	n := 0
	for _, grade := range judged {
		if relevant(grade) {
			n++
		}
	}
	return n
}
