package relevance

// Agreement says how alike two rankings of the same query are.
type Agreement struct {
	RBO     float64 `json:"rbo"`     // rank-biased overlap, 0 to 1
	Jaccard float64 `json:"jaccard"` // shared documents by all documents, 0 to 1
	Tau     float64 `json:"tau"`     // Kendall's, −1 to 1, over the shared documents
}

// Persistence is the one of [RBO] in [Compare]: the first ten ranks have 86 % of the
// weight.
const Persistence = 0.9

// Compare compares two rankings down to a depth.
func Compare(a, b Ranking, depth int) Agreement {
	x := a[:min(depth, len(a))].IDs()
	y := b[:min(depth, len(b))].IDs()
	tau, _ := KendallTau(x, y)
	return Agreement{RBO: RBO(x, y, Persistence), Jaccard: Jaccard(x, y), Tau: tau}
}

// RBO returns the rank-biased overlap of two lists without duplicates,
// extrapolated from what both show to lists without end (Webber, Moffat and
// Zobel 2010, equation 32, lists of different lengths included). persistence,
// above 0 and below 1, is the chance that a reader goes on to the next rank. Two
// empty lists agree; an empty one and another don't.
func RBO(a, b []string, persistence float64) float64 {
	short, long := a, b
	if len(short) > len(long) {
		short, long = long, short
	}
	if len(short) == 0 {
		if len(long) == 0 {
			return 1
		}
		return 0
	}
	s, l := float64(len(short)), float64(len(long))
	inShort, inLong := map[string]bool{}, map[string]bool{}
	overlap, overlapAtShort := 0.0, 0.0
	sum, weight := 0.0, 1.0
	for i, id := range long {
		depth := float64(i + 1)
		weight *= persistence
		inLong[id] = true
		if inShort[id] {
			overlap++
		}
		if i < len(short) {
			inShort[short[i]] = true
			if inLong[short[i]] {
				overlap++
			}
			overlapAtShort = overlap
		} else { // the short list is taken to go on agreeing as it did
			sum += weight * overlapAtShort * (depth - s) / (s * depth)
		}
		sum += weight * overlap / depth
	}
	rest := (overlap-overlapAtShort)/l + overlapAtShort/s
	return (1-persistence)/persistence*sum + rest*weight
}

// Jaccard returns the number of documents in both lists by the number in either,
// and 1 for two empty lists. Lists have no duplicates.
func Jaccard(a, b []string) float64 {
	shared := 0
	in := set(a)
	for _, id := range b {
		if in[id] {
			shared++
		}
	}
	all := len(a) + len(b) - shared
	if all == 0 {
		return 1
	}
	return float64(shared) / float64(all)
}

// KendallTau returns the rank correlation of the documents that both lists have,
// and their number. With fewer than two it is 0.
func KendallTau(a, b []string) (tau float64, shared int) {
	places := make(map[string]int, len(b))
	for i, id := range b {
		places[id] = i
	}
	order := make([]int, 0, len(a))
	for _, id := range a {
		if place, ok := places[id]; ok {
			order = append(order, place)
		}
	}
	if len(order) < 2 {
		return 0, len(order)
	}
	pairs := len(order) * (len(order) - 1) / 2
	return 1 - 2*float64(inversions(order))/float64(pairs), len(order)
}

// inversions counts the pairs out of order and sorts the numbers, by merging.
func inversions(n []int) int {
	if len(n) < 2 {
		return 0
	}
	left := append([]int(nil), n[:len(n)/2]...)
	right := append([]int(nil), n[len(n)/2:]...)
	count := inversions(left) + inversions(right)
	for i := range n {
		if len(right) == 0 || len(left) > 0 && left[0] <= right[0] {
			n[i], left = left[0], left[1:]
			continue
		}
		n[i], right = right[0], right[1:]
		count += len(left)
	}
	return count
}

func set(ids []string) map[string]bool {
	in := make(map[string]bool, len(ids))
	for _, id := range ids {
		in[id] = true
	}
	return in
}
