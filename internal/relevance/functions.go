package relevance

import (
	"math"
	"slices"
)

func linear(grade int) float64 { return float64(max(grade, 0)) }

func exponential(grade int) float64 { return math.Exp2(linear(grade)) - 1 }

func ndcg(grades []int, judged map[string]int, cut int, gain func(int) float64) float64 {
	ideal := make([]int, 0, len(judged))
	for _, grade := range judged {
		ideal = append(ideal, grade)
	}
	slices.SortFunc(ideal, func(a, b int) int { return b - a })
	best := dcg(ideal[:min(cut, len(ideal))], gain)
	if best == 0 {
		return 0
	}
	return dcg(grades, gain) / best
}

func dcg(grades []int, gain func(int) float64) float64 {
	sum := 0.0
	for i, grade := range grades {
		sum += gain(grade) / math.Log2(float64(i+2))
	}
	return sum
}

func reciprocalRank(grades []int, _ map[string]int, _ int) float64 {
	i := slices.IndexFunc(grades, relevant)
	if i < 0 {
		return 0
	}
	return 1 / float64(i+1)
}

// averagePrecision divides by all relevant documents, those that the cut-off
// leaves no room for included.
func averagePrecision(grades []int, judged map[string]int, _ int) float64 {
	all := countRelevant(judged)
	if all == 0 {
		return 0
	}
	sum, found := 0.0, 0
	for i, grade := range grades {
		if relevant(grade) {
			found++
			sum += float64(found) / float64(i+1)
		}
	}
	return sum / float64(all)
}

// precision divides by the cut-off, however short the answer is.
func precision(grades []int, _ map[string]int, cut int) float64 {
	return float64(countFound(grades)) / float64(cut)
}

func recall(grades []int, judged map[string]int, _ int) float64 {
	all := countRelevant(judged)
	if all == 0 {
		return 0
	}
	return float64(countFound(grades)) / float64(all)
}

func countFound(grades []int) int {
	n := 0
	for _, grade := range grades {
		if relevant(grade) {
			n++
		}
	}
	return n
}

// expectedReciprocalRank is of a reader who goes down the list and is satisfied
// by each document with a probability that grows with its grade.
func expectedReciprocalRank(grades []int, _ map[string]int, _ int) float64 {
	sum, goesOn := 0.0, 1.0
	for i, grade := range grades {
		satisfied := exponential(min(grade, errMaxGrade)) / math.Exp2(errMaxGrade)
		sum += goesOn * satisfied / float64(i+1)
		goesOn *= 1 - satisfied
	}
	return sum
}

// judgedShare divides by the length of the answer, as ir_measures does: a short
// answer is not unjudged where it has no documents.
func judgedShare(grades []int, _ map[string]int, _ int) float64 {
	if len(grades) == 0 {
		return 0
	}
	n := 0
	for _, grade := range grades {
		if grade != unjudged {
			n++
		}
	}
	return float64(n) / float64(len(grades))
}
