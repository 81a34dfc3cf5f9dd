package chunking

import (
	"errors"
	"io"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// Finding all matches of an expression can take a time quadratic in the text: each
// search may read to the end and come back with a short match. So the work is
// counted in steps, characters read times instructions, for all the separators of
// a text together.
const (
	stepsPerByte  = 500 // a separator of 10 instructions takes 10 to 20
	stepsOfAnyCut = 10_000
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

// newExpression compiles what has been parsed. The text is for messages.
func newExpression(text string, tree *syntax.Regexp) (*expression, error) {
	program, err := syntax.Compile(tree.Simplify())
	if err != nil || len(program.Inst) > maxSeparatorInstructions {
		return nil, errors.New("must be a simpler regular expression")
	}
	// Out of the tree, because the text can't be put into another expression: a \Q
	// in it would quote what follows.
	source := tree.String()
	first, err := regexp.Compile(source)
	if err != nil {
		return nil, err
	}
	next, err := regexp.Compile(`\A(?s:.)(?s:.*?)(` + source + `)`)
	if err != nil {
		return nil, err
	}
	return &expression{text: text, instructions: len(program.Inst), first: first, next: next}, nil
}

// starts are the places at which matches begin, in order. An empty match is
// stepped over.
func (e *expression) starts(text string, steps *int) ([]int, error) {
	in := &countedReader{text: text, left: *steps / e.instructions}
	defer func() { *steps = in.left * e.instructions }()
	var list []int
	match := e.first.FindReaderIndex(in)
	for match != nil && in.left > 0 {
		list = append(list, match[0])
		from := match[1]
		if match[0] == match[1] {
			_, width := utf8.DecodeRuneInString(text[from:])
			from += width
		}
		_, back := utf8.DecodeLastRuneInString(text[:from])
		from -= back
		in.text, in.at = text[from:], 0
		if match = e.next.FindReaderSubmatchIndex(in); match != nil {
			match = []int{from + match[2], from + match[3]}
			if match[0] == len(text) {
				break
			}
		}
	}
	if in.left <= 0 {
		return nil, &ReadsError{Separator: e.text}
	}
	return list, nil
}

// countedReader gives the characters of a text until its reads are used up.
type countedReader struct {
	text     string
	at, left int
}

// ReadRune implements io.RuneReader.
func (r *countedReader) ReadRune() (c rune, width int, err error) {
	if r.left--; r.left <= 0 || r.at >= len(r.text) {
		return 0, 0, io.EOF
	}
	c, width = utf8.DecodeRuneInString(r.text[r.at:])
	r.at += width
	return c, width, nil
}
