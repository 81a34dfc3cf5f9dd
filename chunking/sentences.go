package chunking

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// fullStops are the characters of Unicode's sentence property ATerm: after one,
// the rules look for a small letter, which makes it an abbreviation's.
const fullStops = ".\u2024\ufe52\uff0e"

// maxAfterStop is how many characters that are neither letters nor digits may
// follow a full stop before a sentence is ended for want of a decision. At each
// of them the rules search what follows for a letter, so without a limit a stop
// before a long row of brackets takes a time quadratic in the row.
const maxAfterStop = 32

// sentenceEnds iterates over the places in a text at which its sentences end. The
// last one is the end of the text.
func sentenceEnds(text string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for offset := 0; offset < len(text); {
			part := decidable(text[offset:])
			for list := sentences.FromString(part); list.Next(); {
				if !yield(offset + list.End()) {
					return
				}
			}
			offset += len(part)
		}
	}
}

// decidable is the beginning of a text up to the first full stop that more than
// maxAfterStop characters follow which decide nothing, and these.
func decidable(text string) string {
	for from := 0; ; {
		stop := strings.IndexAny(text[from:], fullStops)
		if stop < 0 {
			return text
		}
		_, width := utf8.DecodeRuneInString(text[from+stop:])
		from += stop + width
		undecided := 0
		for i, c := range text[from:] {
			if unicode.IsLetter(c) || unicode.IsNumber(c) || strings.ContainsRune(fullStops, c) || c == '\n' || c == '\r' {
				break
			}
			if undecided++; undecided > maxAfterStop {
				return text[:from+i]
			}
		}
	}
}

// maxOverlapWords is the most words of the sentence before that a passage
// repeats, and of the passage before in a sentence that is cut.
const maxOverlapWords = 20

// bySentences gathers sentences into passages of at most size words. With overlap
// each passage repeats the sentence before it, cut to its last words if the two
// are too long together. A sentence that is too long by itself is cut by words.
// The text is not empty.
func bySentences(text string, size int, overlap bool) []Range {
	g := gatherer{text: text, size: size, overlap: overlap, words: segment(text)}
	for end := range sentenceEnds(text) {
		g.add(end)
	}
	if g.count > 0 || len(g.done) == 0 {
		g.done = append(g.done, Range{g.start, len(text)})
	}
	return g.done
}

// gatherer is the state of bySentences between two sentences.
type gatherer struct {
	text    string
	size    int
	overlap bool
	words   boundaries

	done         []Range
	start, count int // the passage that grows, and its words
	end          int // of the sentence before
	last         passage
}

// add takes the sentence up to end.
func (g *gatherer) add(end int) {
	sentence := passage{Range: Range{g.end, end}}
	sentence.words = g.words.count(sentence.Range)
	if g.count+sentence.words > g.size {
		over := sentence.words
		if g.count > 0 {
			g.done = append(g.done, Range{g.start, g.end})
			g.begin(sentence)
			over = g.count
		}
		if over > g.size {
			g.cut(end)
		}
	} else {
		g.count += sentence.words
	}
	g.last, g.end = sentence, end
}

// begin starts the next passage with a sentence.
func (g *gatherer) begin(sentence passage) {
	g.start, g.count = g.end, sentence.words
	if !g.overlap {
		return
	}
	g.start = g.last.Start
	g.count += g.last.words
	if g.count > g.size {
		skipped := max(g.last.words-min(g.size/2, maxOverlapWords), 0)
		g.start = g.words.skip(g.last.Start, skipped)
		g.count -= skipped
	}
}

// cut divides what has been gathered up to end by words. The last part goes on
// growing.
func (g *gatherer) cut(end int) {
	parts := byWords(g.text[g.start:end], g.size, min(maxOverlapWords, (g.size-1)/2))
	last := len(parts) - 1
	for _, part := range parts[:last] {
		g.done = append(g.done, Range{g.start + part.Start, g.start + part.End})
	}
	g.start += parts[last].Start
	g.count = parts[last].words
}
