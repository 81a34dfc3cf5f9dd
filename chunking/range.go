package chunking

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxText is the longest text in bytes that is cut into passages: some 700,000
// English words, for which the segments take about 25 MiB of memory.
const MaxText = 4 << 20

// ErrTextTooLong reports a text of more than MaxText bytes.
var ErrTextTooLong = errors.New("text is too long to be cut into passages")

// Head returns as much of the beginning of text as can be cut into passages: MaxText
// bytes at most, whole characters.
func Head(text string) string {
	if len(text) <= MaxText {
		return text
	}
	end := MaxText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// Range is a passage: the bytes of the text from Start to before End.
type Range struct{ Start, End int }

// Of returns the passage out of the text that the range was made for.
func (r Range) Of(text string) string { return text[r.Start:r.End] }

// Split cuts text into passages in the order of the text. Ranges begin and end
// between characters and are not empty, unless the text is: an empty text is one
// empty passage. Passages may overlap. Together they hold every word of the text;
// blanks and punctuation after the last word may be left out, as Elasticsearch
// does with the strategy word.
//
// A text of more than MaxText bytes is ErrTextTooLong, and one that a separator
// of the caller's takes too long to search is a *ReadsError. Work is linear
// in the text, for each separator.
func (s Settings) Split(text string) ([]Range, error) {
	if len(text) > MaxText {
		return nil, fmt.Errorf("%w: %d bytes of at most %d", ErrTextTooLong, len(text), MaxText)
	}
	whole := Range{0, len(text)}
	if text == "" || s.Strategy == None {
		return []Range{whole}, nil
	}
	switch s.Strategy {
	case Word:
		return ranges(byWords(text, s.MaxChunkSize, s.Overlap)), nil
	case Recursive:
		return newRecursion(text, s).split(whole, 0)
	default:
		return bySentences(text, s.MaxChunkSize, s.Overlap > 0), nil
	}
}

// passage is a range with its number of words.
type passage struct {
	Range
	words int
}

func ranges(list []passage) []Range {
	out := make([]Range, len(list))
	for i, p := range list {
		out[i] = p.Range
	}
	return out
}
