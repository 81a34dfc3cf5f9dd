package configs

import "strings"

// suggest is what to add to a complaint about an unknown name: the known name
// that was probably meant, or nothing.
func suggest(unknown string, known []string) string {
	// A third of the letters wrong is a slip; more is another word.
	best, bestAt := max(1, len(unknown)/3)+1, -1
	for i, name := range known {
		if d := distance(strings.ToLower(unknown), strings.ToLower(name)); d < best {
			best, bestAt = d, i
		}
	}
	if bestAt < 0 {
		return ""
	}
	return ", did you mean " + known[bestAt] + "?"
}

// maxName bounds the work on a name that is nobody's.
const maxName = 64

// distance is the least number of bytes to put in, take out or replace to make
// one name the other; more than maxName for a name longer than that.
func distance(a, b string) int {
	if len(a) > maxName || len(b) > maxName {
		return maxName + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
