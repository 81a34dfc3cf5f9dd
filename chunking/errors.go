package chunking

import (
	"fmt"
	"strings"
)

// InvalidError reports settings that hold values which they may not hold, all of
// them: Elasticsearch's validation_exception.
type InvalidError struct{ Problems []string }

func (e *InvalidError) Error() string {
	var b strings.Builder
	b.WriteString("Validation Failed: ")
	for i, problem := range e.Problems {
		fmt.Fprintf(&b, "%d: %s;", i+1, problem)
	}
	return b.String()
}

// ArgumentError reports settings that say nothing which could be checked:
// Elasticsearch's illegal_argument_exception.
type ArgumentError string

func (e ArgumentError) Error() string { return string(e) }

// ReadsError reports a separator that would read its text too often, in
// Elasticsearch's words.
type ReadsError struct{ Separator string }

func (e *ReadsError) Error() string {
	return "Chunk separator regex [" + e.Separator + "] has exceeded the character read limit"
}
