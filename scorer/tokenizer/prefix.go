package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of the text that is looked at for each token asked for. A passage can
// be megabytes long while the model reads its first few hundred tokens.
const (
	// firstBytesPerToken sizes the first attempt. Natural text takes 3 to 6
	// bytes a token, so one attempt is the rule.
	firstBytesPerToken = 8

	// growth is the factor from one attempt to the next; with 4, all attempts
	// together cost at most a third more than the last alone.
	growth = 4

	// maxBytesPerToken bounds the last attempt: of a text that still has too few
	// tokens in so many bytes (blanks, control characters, words that collapse
	// into one unknown token) the remainder is ignored.
	maxBytesPerToken = 1024

	// slack is how many ids beyond the limit make a cut inside a word
	// harmless. WordPiece takes a longer word than 100 characters for one
	// unknown token, so the cut changes at most the last 100 ids.
	slack = 256
)

// encodePrefix returns the first limit ids of text without encoding much more
// of it than needed. Cutting between two words does not change the ids before
// the cut, since every supported tokenizer splits at blanks first.
func encodePrefix(text string, limit int, encode func(string) ([]uint32, error)) ([]uint32, error) {
	for size := limit * firstBytesPerToken; size < len(text); size *= growth {
		last := size >= limit*maxBytesPerToken
		cut, between := wordEnd(text, size)
		enough := limit
		if !between {
			enough += slack
		}
		ids, err := encode(clean(text[:cut]))
		if err != nil {
			return nil, err
		}
		if len(ids) >= enough || last {
			return ids[:min(limit, len(ids))], nil
		}
	}
	ids, err := encode(clean(text))
	if err != nil {
		return nil, err
	}
	return ids[:min(limit, len(ids))], nil
}

// wordEnd returns where to cut text at or before size, which is smaller than
// len(text), and whether that is between two words: after a letter or digit,
// before a blank that no combining mark follows. It looks back through half of
// size for such a place and otherwise cuts at the start of a character.
func wordEnd(text string, size int) (cut int, between bool) {
	for i := size; i > size/2; i-- {
		if c := text[i]; c != ' ' && c != '\n' && c != '\t' {
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+1:])
		if (unicode.IsLetter(before) || unicode.IsDigit(before)) && !unicode.IsMark(after) {
			return i, true
		}
	}
	for cut = size; cut > size-utf8.UTFMax && !utf8.RuneStart(text[cut]); cut-- {
	}
	return cut, false
}

// clean makes text safe to hand to the library: it takes a C string, which ends
// at the first NUL, and wants valid UTF-8.
func clean(text string) string {
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "")
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
