package chunking_test

import (
	"strings"
	"testing"

	"github.com/rerankd/rerankd/chunking"
)

func TestAQueryLeavesDocumentsTheRestOfTheWindow(t *testing.T) {
	for words, want := range map[int]int{0: 381, 1: 380, 5: 376, 10: 371, 50: 331, 100: 281, 188: 193, 189: 192, 190: 192, 5000: 192} {
		got := chunking.ForQuery(strings.Repeat("word, ", words))
		if got.Strategy != chunking.Sentence || got.Overlap != 1 || got.MaxChunkSize != want {
			t.Errorf("a query of %d words: %+v, want sentences of %d words with overlap 1", words, got, want)
		}
	}
}
