package onnx

import (
	"slices"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// plan cuts pairs into batches and returns the indices of each batch's pairs.
//
// The pairs are sorted by length, longest first: neighbours are alike, so little
// is padded, and the largest work starts first. A batch's cost is its longest
// pair times its number of pairs, and at most budget, unless a single pair
// exceeds that. Within this the batches are made as equal as possible and their
// number a multiple of workers where there are enough pairs, so that a lone
// request keeps all workers busy to its end.
func plan(pairs []tokenizer.Pair, budget, workers int) [][]int {
	order := make([]int, len(pairs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return pairs[b].Len() - pairs[a].Len() })

	lengths := make([]int, len(order))
	for i, p := range order {
		lengths[i] = pairs[p].Len()
	}
	budget = balance(lengths, budget, workers)
	var batches [][]int
	for len(order) > 0 {
		n := fit(lengths, budget)
		batches = append(batches, order[:n:n])
		order, lengths = order[n:], lengths[n:]
	}
	return batches
}

// balance returns the smallest budget that needs no more batches than budget
// does, that number rounded up to a multiple of workers.
func balance(lengths []int, budget, workers int) int {
	if len(lengths) == 0 {
		return budget
	}
	n := batchesNeeded(lengths, budget)
	n = (n + workers - 1) / workers * workers
	low, high := 1, budget // high suffices
	for low < high {
		if mid := low + (high-low)/2; batchesNeeded(lengths, mid) <= n {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return high
}

func batchesNeeded(lengths []int, budget int) int {
	n := 0
	for ; len(lengths) > 0; n++ {
		lengths = lengths[fit(lengths, budget):]
	}
	return n
}

// fit returns how many of the leading pairs, the first of which is the longest,
// make one batch: at least one.
func fit(lengths []int, budget int) int {
	return max(1, min(len(lengths), budget/max(1, lengths[0])))
}
