package chunking

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/clipperhouse/uax29/v2/words"
)

// maxTerm is the length at which Elasticsearch's standard analyser divides a
// term, in UTF-16 units.
const maxTerm = 255

// Terms iterates over the terms that Elasticsearch's standard analyser makes of a
// text, in order: its words in small letters. They are those of Unicode's rules as
// they stand, so Korean is not held apart, and a row of Thai, Lao, Khmer or
// Burmese is one term. Emoji, which are terms there, are none here.
func Terms(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for term := range unicodeWords(text) {
			for rest := strings.Map(unicode.ToLower, term); rest != ""; {
				end := termEnd(rest)
				if !yield(rest[:end]) {
					return
				}
				rest = rest[end:]
			}
		}
	}
}

// unicodeWords iterates over the segments with a letter or a digit; those of
// scripts without blanks between words are put together.
func unicodeWords(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		var row Range // of a script without blanks
		for list := words.FromString(text); list.Next(); {
			one := Range{list.Start(), list.End()}
			if strings.ContainsFunc(one.Of(text), withoutBlanks) {
				if one.Start != row.End {
					row.Start = one.Start
				}
				row.End = one.End
				continue
			}
			if row.Start < row.End && !yield(row.Of(text)) {
				return
			}
			row = Range{one.End, one.End}
			if strings.ContainsFunc(one.Of(text), lettered) && !yield(one.Of(text)) {
				return
			}
		}
		if row.Start < row.End {
			yield(row.Of(text))
		}
	}
}

// withoutBlanks tells the letters of the scripts that Unicode wants divided by a
// dictionary, Chinese and Japanese aside.
func withoutBlanks(c rune) bool {
	return c >= 0xe00 && unicode.In(c, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) && !unicode.Is(unicode.Nd, c) && !unicode.IsPunct(c) && !unicode.IsSymbol(c)
}

// termEnd is where a text reaches the length of a term.
func termEnd(text string) int {
	if len(text) <= maxTerm {
		return len(text)
	}
	units := 0
	for i, c := range text {
		if units += max(utf16.RuneLen(c), 1); units > maxTerm {
			return i
		}
	}
	return len(text)
}
