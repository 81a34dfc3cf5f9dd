package chunking

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
)

// Limits of a caller's separators: their number as in Elasticsearch, the length of
// an expression, and the instructions of the program that it becomes, of which
// each is looked at for each character. \s+ has five.
const (
	maxSeparators            = 50
	maxSeparatorBytes        = 1000
	maxSeparatorInstructions = 200
)

// Elasticsearch's separators that look around themselves, which Go's expressions
// can't.
const (
	blankLine = `(?<!\n)\n\n(?!\n)`
	newline   = `(?<!\n)\n(?!\n)`
	dashes    = "\n^(?!\\s*$).*\\n-{1,}\\n"
	equals    = "\n^(?!\\s*$).*\\n={1,}\\n"
)

// titleLine is a line that isn't blank, by Java's line ends and blanks.
const titleLine = `[^\n\r\x{85}\x{2028}\x{2029}]*[^\s\v\x{85}\x{2028}\x{2029}][^\n\r\x{85}\x{2028}\x{2029}]*`

// separatorGroups are Elasticsearch's named lists of separators.
var separatorGroups = map[string][]string{
	"plaintext": {blankLine, newline},
	"markdown":  {"\n# ", "\n## ", "\n### ", "\n#### ", "\n##### ", "\n###### ", dashes, equals},
}

// separator finds where the pieces of a text begin: at rows of newlines, at a
// literal, or at an expression, whichever is set.
type separator struct {
	newlines   int // a row of exactly so many newlines
	literal    string
	expression *expression
}

// newSeparator reads an expression in Go's syntax (RE2), with ^ and $ at the ends
// of lines as in Elasticsearch, or one of Elasticsearch's own groups.
func newSeparator(text string) (separator, error) {
	source := text
	switch text {
	case blankLine:
		return separator{newlines: 2}, nil
	case newline:
		return separator{newlines: 1}, nil
	case dashes:
		source = `\n` + titleLine + `\n-+\n`
	case equals:
		source = `\n` + titleLine + `\n=+\n`
	}
	if len(source) > maxSeparatorBytes {
		return separator{}, fmt.Errorf("must have at most %d bytes", maxSeparatorBytes)
	}
	tree, err := syntax.Parse(source, syntax.Perl&^syntax.OneLine)
	if err != nil {
		var reason *syntax.Error
		if !errors.As(err, &reason) {
			return separator{}, err
		}
		return separator{}, fmt.Errorf("must be a regular expression of RE2: %s: `%s`", reason.Code, reason.Expr)
	}
	if tree.Op == syntax.OpLiteral && tree.Flags&syntax.FoldCase == 0 {
		return separator{literal: string(tree.Rune)}, nil
	}
	one, err := newExpression(text, source, tree)
	return separator{expression: one}, err
}

// starts are the places at which matches begin, in order. What an expression does
// is taken from the steps.
func (s separator) starts(text string, steps *int) ([]int, error) {
	switch {
	case s.newlines > 0:
		return newlineRows(text, s.newlines), nil
	case s.expression != nil:
		return s.expression.starts(text, steps)
	}
	var list []int
	for at := strings.Index(text, s.literal); at >= 0; {
		list = append(list, at)
		at += len(s.literal)
		next := strings.Index(text[at:], s.literal)
		if next < 0 {
			break
		}
		at += next
	}
	return list, nil
}

// newlineRows are the rows of exactly n newlines.
func newlineRows(text string, n int) []int {
	var list []int
	for i := 0; i < len(text); {
		row := strings.IndexByte(text[i:], '\n')
		if row < 0 {
			break
		}
		i += row
		end := i
		for end < len(text) && text[end] == '\n' {
			end++
		}
		if end-i == n {
			list = append(list, i)
		}
		i = end
	}
	return list
}
