package main

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/rerankd/rerankd/internal/demo"
	"github.com/rerankd/rerankd/scorer/tokenizer"
)

const (
	// window is how many passages a call has, the default of a search.
	window = 30
	// queryTokens is how long a query is, as usual ones are.
	queryTokens = 8
	// mostTokens is what the model reads of a pair.
	mostTokens = 512
)

// lengths draws how many tokens a pair has.
type lengths func(*rand.Rand) int

// call is what one caller asks for at once.
type call struct {
	query    string
	passages []string
	tokens   int // of all pairs, special ones included
}

// texts makes queries and passages out of the documentation of Go's library, the
// same in every run. No passage comes twice in a part. It is not safe for
// concurrent use.
type texts struct {
	tokenizer *tokenizer.Tokenizer
	documents [][]string // words
	tokens    map[string]int
	random    *rand.Rand
}

// newTexts reads the documentation below goroot; lengths are those of the
// tokenizer in folder.
func newTexts(ctx context.Context, goroot, folder string) (*texts, error) {
	file, err := os.ReadFile(folder + "/tokenizer.json")
	if err != nil {
		return nil, err
	}
	tok, err := tokenizer.New(tokenizer.Files{Tokenizer: file})
	if err != nil {
		return nil, err
	}
	documents, err := demo.ReadCorpus(ctx, goroot)
	if err != nil {
		return nil, err
	}
	t := &texts{tokenizer: tok, tokens: map[string]int{}}
	for _, d := range documents {
		t.documents = append(t.documents, strings.Fields(d.Text))
	}
	return t, nil
}

// begin draws texts anew, for each name others.
func (t *texts) begin(name string) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))                           // a hash takes everything
	t.random = rand.New(rand.NewPCG(h.Sum64(), h.Sum64())) //nolint:gosec // texts need no secrecy
}

// length is the number of tokens of a word. Words are tokenised one by one, so
// that those of a text are their sum.
func (t *texts) length(word string) (int, error) {
	if n, known := t.tokens[word]; known {
		return n, nil
	}
	ids, err := t.tokenizer.Encode(word, mostTokens)
	t.tokens[word] = len(ids)
	return len(ids), err
}

// text joins documents, drawn one after the other, to a text of exactly so many
// tokens: a word that no longer fits is left out.
func (t *texts) text(tokens int) (string, error) {
	var words []string
	for left := tokens; left > 0; {
		for _, word := range t.documents[t.random.IntN(len(t.documents))] {
			n, err := t.length(word)
			if err != nil {
				return "", err
			}
			if n <= left {
				words, left = append(words, word), left-n
			}
		}
	}
	return strings.Join(words, " "), nil
}

// call makes a call of so many passages, whose pairs are as long as draw says.
func (t *texts) call(draw lengths, passages int) (call, error) {
	query, err := t.text(queryTokens)
	if err != nil {
		return call{}, err
	}
	c := call{query: query}
	frame := t.tokenizer.SpecialTokens() + queryTokens
	for range passages {
		tokens := draw(t.random)
		passage, err := t.text(tokens - frame)
		if err != nil {
			return call{}, err
		}
		c.passages, c.tokens = append(c.passages, passage), c.tokens+tokens
	}
	return c, nil
}

// always is one length for all pairs.
func always(tokens int) lengths {
	return func(*rand.Rand) int { return tokens }
}

// about120 draws lengths evenly between 90 and 150 tokens.
func about120(r *rand.Rand) int { return 90 + r.IntN(61) }

// mixed draws lengths as passages have them: log-normal with a median of 100
// tokens, a tenth of them under 46 and a tenth over 216.
func mixed(r *rand.Rand) int {
	return min(mostTokens, max(16, int(100*math.Exp(0.6*r.NormFloat64()))))
}
