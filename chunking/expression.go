package chunking

import (
	"errors"
	"io"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// Finding all matches of an expression can take a time quadratic in the text: each
// search may read to the end and come back with a short match. So the work is
// counted in steps, characters read times instructions and what a search takes by
// itself, for all the separators of a text together.
const (
	stepsPerByte   = 200 // \s+ takes some 20 on prose
	stepsOfAnyCut  = 10_000
	stepsPerSearch = 50
)

// expression is a separator that is a regular expression.
type expression struct {
	text         string
	instructions int
	first        *regexp.Regexp
	// next finds the first match after the first character of a text, which is
	// there for what an expression may look back at.
	next *regexp.Regexp
}

// newExpression compiles a source, which has been parsed into a tree. The text is
// for messages.
func newExpression(text, source string, tree *syntax.Regexp) (*expression, error) {
	program, err := syntax.Compile(tree.Simplify())
	if err != nil || len(program.Inst) > maxSeparatorInstructions {
		return nil, errors.New("must be a simpler regular expression")
	}
	if strings.Contains(source, `\Q`) { // which would quote what is put behind it
		source = tree.String()
	}
	first, err := regexp.Compile(`(?m:` + source + `)`)
	if err != nil {
		return nil, err
	}
	next, err := regexp.Compile(`\A(?s:.)(?s:.*?)((?m:` + source + `))`)
	if err != nil {
		return nil, err
	}
	return &expression{text: text, instructions: len(program.Inst), first: first, next: next}, nil
}

// starts are the places at which matches begin, in order. An empty match is
// stepped over.
func (e *expression) starts(text string, steps *int) ([]int, error) {
	in := &countedReader{text: text, cost: e.instructions, left: steps}
	var list []int
	match := e.first.FindReaderIndex(in)
	for match != nil && *steps > 0 {
		list = append(list, match[0])
		from := match[1]
		if match[0] == match[1] {
			_, width := utf8.DecodeRuneInString(text[from:])
			from += width
		}
		_, back := utf8.DecodeLastRuneInString(text[:from])
		from -= back
		in.text, in.at = text[from:], 0
		*steps -= stepsPerSearch
		if match = e.next.FindReaderSubmatchIndex(in); match != nil {
			match = []int{from + match[2], from + match[3]}
			if match[0] == len(text) {
				break
			}
		}
	}
	if *steps <= 0 {
		return nil, &ReadsError{Separator: e.text}
	}
	return list, nil
}

// countedReader gives the characters of a text until the steps are used up.
type countedReader struct {
	text string
	at   int
	cost int  // steps of a character
	left *int // steps
}

// ReadRune implements io.RuneReader.
func (r *countedReader) ReadRune() (c rune, width int, err error) {
	if *r.left -= r.cost; *r.left <= 0 || r.at >= len(r.text) {
		return 0, 0, io.EOF
	}
	c, width = utf8.DecodeRuneInString(r.text[r.at:])
	r.at += width
	return c, width, nil
}
