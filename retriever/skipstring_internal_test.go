package retriever

import (
	"math/rand/v2"
	"testing"
)

// The end of a string is where reading it byte by byte finds it.
func TestStringsEndAtTheirFirstBareQuote(t *testing.T) {
	slowly := func(doc []byte) (int, error) {
		for i := 1; i < len(doc); i++ {
			switch doc[i] {
			case '\\':
				i++
			case '"':
				return i + 1, nil
			}
		}
		return 0, errSyntax
	}
	random := rand.New(rand.NewPCG(1, 1))
	ended := 0
	for range 100_000 {
		doc := []byte{'"'}
		for range random.IntN(12) {
			doc = append(doc, `a\"é`[random.IntN(5)])
		}
		end, err := skipString(doc, 0)
		want, wantErr := slowly(doc)
		if end != want || err != wantErr { //nolint:errorlint // the very same
			t.Fatalf("%s ends at %d, %v, want %d, %v", doc, end, err, want, wantErr)
		}
		if err == nil {
			ended++
		}
	}
	if ended < 10_000 {
		t.Errorf("only %d of the strings end", ended)
	}
}
