package report

import (
	"math"
	"slices"
)

// quantile is the value that a share q of the list is at or below; of an even
// number's median it is the mean of the middle two.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(list))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// Median is the value in the middle, or the mean of the two in the middle.
func Median(list []float64) float64 { return quantile(list, 0.5) }

// spread is half of what lies between the lowest and the highest, over the median.
func spread(list []float64) float64 {
	if len(list) == 0 {
		return math.NaN()
	}
	return (slices.Max(list) - slices.Min(list)) / 2 / Median(list)
}

// ratio is the median of the ratios of a to b, round by round: what slows a
// machine down for a round slows both.
func ratio(a, b []float64) float64 {
	n := min(len(a), len(b))
	each := make([]float64, n)
	for i := range n {
		each[i] = a[i] / b[i]
	}
	return Median(each)
}
