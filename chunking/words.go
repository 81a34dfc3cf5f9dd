package chunking

import (
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/clipperhouse/uax29/v2/words"
)

// Words iterates over the words of a text, in order and without what is between
// them.
func Words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for r := range segments(text) {
			if one := r.Of(text); isWord(one) && !yield(one) {
				return
			}
		}
	}
}

// segments iterates over the segments of a text, which cover it: those of
// Unicode's rules, but for the syllables of Korean, which ICU holds apart from
// all that isn't one. ICU divides what a dictionary must divide (Chinese,
// Japanese, Thai, Lao, Khmer, Burmese) further; here each character is a segment.
func segments(text string) iter.Seq[Range] {
	return func(yield func(Range) bool) {
		for list := words.FromString(text); list.Next(); {
			korean := strings.IndexFunc(list.Value(), isSyllable) >= 0
			switch {
			case !korean:
				if !yield(Range{list.Start(), list.End()}) {
					return
				}
			case !apart(list.Value(), list.Start(), yield):
				return
			}
		}
	}
}

// apart yields the segments of a segment of Unicode's that holds syllables of
// Korean. It reports whether it came to the end.
func apart(segment string, offset int, yield func(Range) bool) bool {
	for at := 0; at < len(segment); {
		rest := segment[at:]
		end := strings.IndexFunc(rest, isSyllable)
		if end == 0 {
			end = strings.IndexFunc(rest, func(c rune) bool { return !isSyllable(c) && !unicode.IsMark(c) && !unicode.Is(unicode.Cf, c) })
			if end < 0 {
				end = len(rest)
			}
			if !yield(Range{offset + at, offset + at + end}) {
				return false
			}
			at += end
			continue
		}
		if end < 0 {
			end = len(rest)
		}
		for list := words.FromString(rest[:end]); list.Next(); {
			if !yield(Range{offset + at + list.Start(), offset + at + list.End()}) {
				return false
			}
		}
		at += end
	}
	return true
}

// isSyllable tells the syllables of Korean.
func isSyllable(c rune) bool { return 0xac00 <= c && c <= 0xd7a3 }

// CountWords says how many words a text has.
func CountWords(text string) int {
	n := 0
	for range Words(text) {
		n++
	}
	return n
}

// isWord tells a segment with a letter or a digit from blanks and punctuation:
// what ICU's word iterator gives a status other than none. Two low lines are a
// word there, one is none.
func isWord(segment string) bool {
	first := segment[0]
	if first < 0x80 && len(segment) == 1 {
		return 'a' <= first|0x20 && first|0x20 <= 'z' || '0' <= first && first <= '9'
	}
	if strings.ContainsFunc(segment, lettered) {
		return true
	}
	joiners := 0
	for _, c := range segment {
		if unicode.Is(unicode.Pc, c) {
			joiners++
		}
	}
	return joiners > 1
}

// lettered tells letters and digits, circled ones and Roman numerals among them.
func lettered(c rune) bool {
	return unicode.IsLetter(c) || unicode.In(c, unicode.Nd, unicode.Nl, letterlike) || unicode.Is(unicode.Other_Alphabetic, c) && !unicode.IsMark(c)
}

// letterlike are characters of other categories that Unicode's word rules take for
// letters or digits.
var letterlike = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x02c2, Hi: 0x02c5, Stride: 1}, // modifiers
		{Lo: 0x02d2, Hi: 0x02d7, Stride: 1},
		{Lo: 0x02de, Hi: 0x02df, Stride: 1},
		{Lo: 0x02e5, Hi: 0x02eb, Stride: 1},
		{Lo: 0x02ed, Hi: 0x02ed, Stride: 1},
		{Lo: 0x02ef, Hi: 0x02ff, Stride: 1},
		{Lo: 0x055a, Hi: 0x055c, Stride: 1}, // Armenian
		{Lo: 0x055e, Hi: 0x055e, Stride: 1},
		{Lo: 0x058a, Hi: 0x058a, Stride: 1},
		{Lo: 0x05f3, Hi: 0x05f3, Stride: 1}, // Hebrew
		{Lo: 0x0600, Hi: 0x0605, Stride: 1}, // Arabic number signs
		{Lo: 0x066b, Hi: 0x066b, Stride: 1},
		{Lo: 0x06dd, Hi: 0x06dd, Stride: 1},
		{Lo: 0x309b, Hi: 0x309c, Stride: 1}, // kana
		{Lo: 0x30a0, Hi: 0x30a0, Stride: 1},
		{Lo: 0x32d0, Hi: 0x32fe, Stride: 1},
		{Lo: 0x3300, Hi: 0x3357, Stride: 1},
	},
}

// boundaries are the places between the segments of a text.
type boundaries struct {
	at    []int32 // ascending, from 0 to the length of the text
	words []int32 // words[i]: how many words end at at[i] or before
}

func segment(text string) boundaries {
	// Five bytes a segment is a guess at the low side for English, which is a word
	// and a blank in turn.
	b := boundaries{at: make([]int32, 1, len(text)/5+2), words: make([]int32, 1, len(text)/5+2)}
	n := int32(0)
	for r := range segments(text) {
		if isWord(r.Of(text)) {
			n++
		}
		b.at = append(b.at, int32(r.End)) // at most MaxText
		b.words = append(b.words, n)
	}
	return b
}

// before is the index of the last boundary before a place in the text, or of the
// first one. Elasticsearch begins to count there: a word that ends at that
// boundary counts for the range after it.
func (b boundaries) before(place int) int {
	i, _ := slices.BinarySearch(b.at, int32(place))
	return max(i-1, 0)
}

// endsWord reports whether the segment that ends at a boundary is a word.
func (b boundaries) endsWord(i int) bool { return i > 0 && b.words[i] > b.words[i-1] }

// count is Elasticsearch's number of words in a range: those that end in it, and
// one that ends at the boundary before it.
func (b boundaries) count(r Range) int {
	first := b.before(r.Start)
	last, exact := slices.BinarySearch(b.at, int32(r.End))
	if !exact {
		last--
	}
	n := int(b.words[last] - b.words[first])
	if b.endsWord(first) {
		n++
	}
	return n
}

// skip is the place some words after a place: the boundary after the one at which
// the last of them ends, so behind the blank that follows.
func (b boundaries) skip(place, words int) int {
	i := b.before(place)
	for ; i < len(b.at) && words > 0; i++ {
		if b.endsWord(i) {
			words--
		}
	}
	return int(b.at[min(i, len(b.at)-1)])
}

// byWords cuts a text, which is not empty, after every so many words. Each
// passage but the first begins so many words before the end of the one before it.
// What is left at the end is a passage of its own only if it brings a word that
// no other one has.
func byWords(text string, size, overlap int) []passage {
	b := segment(text)
	var list []passage
	start, next := 0, 0
	inPassage, sinceNext := 0, 0
	for i, at := range b.at {
		if !b.endsWord(i) {
			continue
		}
		end := int(at)
		inPassage++
		sinceNext++
		if inPassage >= size {
			list = append(list, passage{Range{start, end}, inPassage})
			inPassage = overlap
			if overlap == 0 {
				next = end
			}
			start = next
		}
		if sinceNext == size-overlap {
			next, sinceNext = end, 0
		}
	}
	if inPassage > overlap || len(list) == 0 {
		list = append(list, passage{Range{start, len(text)}, inPassage})
	}
	return list
}
