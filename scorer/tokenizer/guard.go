package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// guard keeps special ids out of encoded text.
//
// The library is told to read special tokens as plain text, which is all that
// most tokenizers need: their models can't build such a token from characters.
// A unigram model can, because its special tokens are pieces like all others,
// and so can a WordPiece model that is split at blanks only. Hence the ids are
// checked afterwards.
type guard struct {
	ids      map[uint32]string
	literals []string
	spacer   *strings.Replacer
	unknown  *uint32
}

func newGuard(s spec) guard {
	g := guard{ids: s.special, unknown: s.unknown}
	var pairs []string
	for _, literal := range s.special {
		if literal != "" {
			g.literals = append(g.literals, literal)
		}
	}
	// Longest first: the replacer takes the first literal that matches, and one may begin with another.
	slices.SortFunc(g.literals, func(a, b string) int { return len(b) - len(a) })
	for _, literal := range g.literals {
		_, n := utf8.DecodeRuneInString(literal)
		pairs = append(pairs, literal, literal[:n]+" "+literal[n:])
	}
	g.spacer = strings.NewReplacer(pairs...)
	return g
}

// hit reports whether ids hold a special token.
func (g guard) hit(ids []uint32) bool {
	for _, id := range ids {
		if _, special := g.ids[id]; special {
			return true
		}
	}
	return false
}

// breakUp parts every literal special token of text after its first character,
// so that its characters stay and the token does not.
func (g guard) breakUp(text string) string { return g.spacer.Replace(text) }

// scrub is the last resort against a special token that only normalisation
// makes, such as one in full-width letters: its id becomes the unknown token,
// or nothing where the model has none. It changes ids in place.
func (g guard) scrub(ids []uint32) []uint32 {
	kept := ids[:0]
	for _, id := range ids {
		if _, special := g.ids[id]; !special {
			kept = append(kept, id)
		} else if g.unknown != nil {
			kept = append(kept, *g.unknown)
		}
	}
	return kept
}
