package retriever

import (
	"cmp"
	"slices"
	"strings"
)

// suggest returns the " did you mean …" that Elasticsearch appends to the report
// of an unknown name, or "". Names whose similarity (1 − edits ÷ the longer
// length) is over one half are offered, the most similar first, then by name.
func suggest(unknown string, accepted []string) string {
	type candidate struct {
		name       string
		similarity float32
	}
	var near []candidate
	for _, name := range accepted {
		if len(unknown) > 8*len(name) {
			continue // too long for any similarity, whatever its bytes mean
		}
		longer := max(len([]rune(unknown)), len([]rune(name)))
		if s := 1 - float32(edits(unknown, name))/float32(longer); s > 0.5 {
			near = append(near, candidate{name, s})
		}
	}
	slices.SortFunc(near, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.similarity, a.similarity), strings.Compare(a.name, b.name))
	})
	names := make([]string, len(near))
	for i, c := range near {
		names[i] = c.name
	}
	switch len(names) {
	case 0:
		return ""
	case 1:
		return " did you mean [" + names[0] + "]?"
	default:
		return " did you mean any of [" + strings.Join(names, ", ") + "]?"
	}
}

// edits is the Levenshtein distance of two strings in code points.
func edits(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, c := range to {
			cost := diagonal
			if r != c {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(to)]
}
