// Package overlap holds scorers that need no model and always give the same
// scores, for tests and for trying a configuration. They are no rerankers.
package overlap

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rerankd/rerankd/scorer"
)

// Words scores a passage by the share of the query's words that stand in it,
// from 0 to 1. Words are runs of letters and digits, compared without case. Its
// zero value is ready and safe for concurrent use.
type Words struct{}

var _ scorer.Scorer = Words{}

// Score implements [scorer.Scorer].
func (Words) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	asked := words(query)
	scores := make([]float32, len(passages))
	for i, passage := range passages {
		if len(asked) == 0 {
			continue
		}
		found := 0
		in := words(passage)
		for word := range asked {
			if in[word] {
				found++
			}
		}
		scores[i] = float32(found) / float32(len(asked))
	}
	return scores, nil
}

func words(s string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsFuncSeq(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		set[word] = true
	}
	return set
}

// Numeric reads scores out of the passages: when every passage of a call is a
// number, that number is its score, else each scores 1 ÷ its length in
// characters, 0 when it is empty. Its zero value is ready and safe for
// concurrent use.
type Numeric struct{}

var _ scorer.Scorer = Numeric{}

// Score implements [scorer.Scorer].
func (Numeric) Score(ctx context.Context, _ string, passages []string) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	scores := make([]float32, len(passages))
	for i, passage := range passages {
		number, ok := finite(passage)
		if !ok {
			return byLength(passages), nil
		}
		scores[i] = number
	}
	return scores, nil
}

// Failing fails every call with passages to score. Its zero value is ready and
// safe for concurrent use.
type Failing struct{}

var _ scorer.Scorer = Failing{}

// errFailing is why.
var errFailing = errors.New("model exploded")

// Score implements [scorer.Scorer] by failing.
func (Failing) Score(ctx context.Context, _ string, passages []string) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	if len(passages) == 0 {
		return nil, nil
	}
	return nil, errFailing
}

// Short scores as [Numeric] does and gives one score too few, which no scorer may:
// it is for what watches over that. Its zero value is ready and safe for
// concurrent use.
type Short struct{}

var _ scorer.Scorer = Short{}

// Score implements [scorer.Scorer] but for the number of scores.
func (Short) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores, err := Numeric{}.Score(ctx, query, passages)
	return scores[:max(0, len(scores)-1)], err
}

// finite reads a number that a score can be.
func finite(s string) (float32, bool) {
	number, err := strconv.ParseFloat(s, 32)
	return float32(number), err == nil && !math.IsNaN(number) && !math.IsInf(number, 0)
}

func byLength(passages []string) []float32 {
	scores := make([]float32, len(passages))
	for i, passage := range passages {
		if n := utf8.RuneCountInString(passage); n > 0 {
			scores[i] = 1 / float32(n)
		}
	}
	return scores
}
