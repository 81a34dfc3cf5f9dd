package retriever

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What the reader of Elasticsearch, Jackson, says of bytes that are not JSON. The
// words and positions are those seen from Elasticsearch 8.19.
const (
	anyValue   = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
	between    = "Unexpected end-of-input within/between %s entries"
	typeSyntax = "json_parse_exception"
	typeEnd    = "json_e_o_f_exception"
)

// syntax looks for the first fault in bytes that are not JSON. It reads them as
// Jackson does and keeps its own stack, so that depth costs no more than a byte.
type syntax struct {
	doc   []byte
	i     int
	open  []int // where the objects and arrays around i begin
	fault error
}

// syntaxFault is the error about the first fault in doc, which isn't JSON.
func syntaxFault(doc []byte) error {
	s := syntax{doc: doc}
	s.value()
	for s.fault == nil && len(s.open) > 0 {
		s.next()
	}
	if s.fault == nil {
		s.trailing()
	}
	if s.fault == nil { // what this reader doesn't see: bytes that are no UTF-8, for instance
		s.fail(s.i, "malformed JSON")
	}
	return s.fault
}

// fail reports a fault at an index, counted as the column of the byte there.
func (s *syntax) fail(at int, format string, args ...any) {
	if s.fault == nil {
		s.fault = readerError(s.doc, at, typeSyntax, fmt.Sprintf(format, args...))
	}
}

// end reports bytes that end where a token must follow.
func (s *syntax) end(format string, args ...any) {
	if s.fault == nil {
		bad := readerError(s.doc, len(s.doc), typeEnd, fmt.Sprintf(format, args...))
		line, col := position(s.doc, len(s.doc))
		bad.Cause.Type, bad.Cause.Reason = "x_content_e_o_f_exception", fmt.Sprintf("[%d:%d] Unexpected end of file", line, col)
		s.fault = bad
	}
}

// readerError is an error of the reader, whose words quote the text it read.
func readerError(doc []byte, at int, typ, words string) *RequestError {
	line, col := position(doc, at)
	words = fmt.Sprintf("%s\n at [%s; line: %d, column: %d]", words, quoted(doc), line, col)
	e := contentError(doc, at, &Cause{Type: typ, Reason: words}, "%s", words)
	e.logged = fmt.Sprintf("[%d:%d] %s", line, col, typ)
	return e
}

// maxSource is how much of the text the reader quotes.
const maxSource = 500

func quoted(doc []byte) string {
	shown, more := doc, ""
	if len(doc) > maxSource {
		shown, more = doc[:maxSource], fmt.Sprintf("[truncated %d bytes]", len(doc)-maxSource)
	}
	var b strings.Builder
	for _, r := range string(shown) {
		if unicode.IsControl(r) && r != '\n' && r != '\r' {
			fmt.Fprintf(&b, `\u%04X`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return `Source: (byte[])"` + b.String() + `"` + more
}

// inside names what is open.
func (s *syntax) inside() string {
	switch {
	case len(s.open) == 0:
		return "root"
	case s.doc[s.open[len(s.open)-1]] == '[':
		return "Array"
	default:
		return "Object"
	}
}

// space skips white space and reports whether a byte is left.
func (s *syntax) space() bool {
	s.i = skipSpace(s.doc, s.i)
	if s.i < len(s.doc) && s.doc[s.i] < ' ' {
		s.fail(s.i+1, `Illegal character ((CTRL-CHAR, code %d)): only regular white space (\r, \n, \t) is allowed between tokens`, s.doc[s.i])
	}
	return s.i < len(s.doc)
}

func (s *syntax) unexpected(words string) {
	r, _ := utf8.DecodeRune(s.doc[s.i:])
	s.fail(s.i, "Unexpected character ('%c' (code %d))%s", r, r, words)
}

// next reads on inside what is open, up to and with the next value.
func (s *syntax) next() {
	start := s.open[len(s.open)-1]
	first := s.i == start+1
	if !s.space() {
		s.end("Unexpected end-of-input: expected close marker for %s (start marker at [%s; %s])", s.inside(), quoted(s.doc), s.placed(start))
		return
	}
	object := s.doc[start] == '{'
	switch c := s.doc[s.i]; {
	case c == '}' && object, c == ']' && !object:
		s.open = s.open[:len(s.open)-1]
		s.i++
		return
	case c == '}' || c == ']':
		want := '}' + ']' - rune(c)
		s.fail(s.i, "Unexpected close marker '%c': expected '%c' (for %s starting at [%s; %s])", c, want, s.inside(), quoted(s.doc), s.placed(start))
		return
	case first:
	case c != ',':
		s.unexpected(": was expecting comma to separate " + s.inside() + " entries")
		return
	default:
		s.i++
		if !s.space() {
			s.fail(len(s.doc), between, s.inside())
		}
	}
	if object && s.fault == nil {
		s.name()
	}
	if s.fault == nil {
		s.value()
	}
}

func (s *syntax) placed(at int) string {
	line, col := position(s.doc, at)
	return fmt.Sprintf("line: %d, column: %d", line, col)
}

// name reads the name of a member and the colon behind it.
func (s *syntax) name() {
	if s.doc[s.i] != '"' {
		s.unexpected(": was expecting double-quote to start field name")
		return
	}
	if !s.text("name") {
		s.end("Unexpected end-of-input in field name")
		return
	}
	for colon := false; s.fault == nil; colon = true {
		switch {
		case !s.space():
			s.end(between, "Object")
		case colon:
			return
		case s.doc[s.i] != ':':
			s.unexpected(": was expecting a colon to separate field name and value")
		default:
			s.i++
		}
	}
}

// value reads a value; of an object or an array the beginning.
func (s *syntax) value() {
	if !s.space() || s.fault != nil {
		return
	}
	switch c := s.doc[s.i]; {
	case c == '{' || c == '[':
		s.open = append(s.open, s.i)
		s.i++
	case c == '"':
		if !s.text("string value") && s.fault == nil {
			s.fault = readerError(s.doc, len(s.doc), typeEnd, "Unexpected end-of-input in VALUE_STRING")
		}
	case c == '-' || c >= '0' && c <= '9':
		s.number()
	case c == '+':
		s.i++
		s.fail(s.i, "Unexpected character ('+' (code 43)) in numeric value: JSON spec does not allow numbers to have plus signs: "+
			"enable `JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow")
	case c == '}' || c == ']' || c == ',':
		s.unexpected(": expected a value")
	case c == '_' || c == '$' || c|0x20 >= 'a' && c|0x20 <= 'z':
		s.word()
	default:
		s.unexpected(": expected a valid value " + anyValue)
	}
}

// word reads a literal that begins with a letter.
func (s *syntax) word() {
	start := s.i
	for s.i < len(s.doc) && (s.doc[s.i] == '_' || s.doc[s.i] == '$' || unicode.IsLetter(rune(s.doc[s.i])) || s.doc[s.i] >= '0' && s.doc[s.i] <= '9') {
		s.i++
	}
	switch word := string(s.doc[start:s.i]); word {
	case "true", "false", "null":
	case "NaN", "Infinity", "INF":
		s.fail(s.i, "Non-standard token '%s': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow", word)
	default:
		s.fail(min(s.i+1, len(s.doc)), "Unrecognized token '%s': was expecting "+anyValue, word)
	}
}

// text reads a string and reports whether it ends.
func (s *syntax) text(what string) bool {
	for s.i++; s.i < len(s.doc); s.i++ {
		switch c := s.doc[s.i]; {
		case c == '"':
			s.i++
			return true
		case c == '\\':
			s.escape()
		case c < ' ':
			s.fail(s.i, "Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in %s", c, what)
		}
		if s.fault != nil {
			return true
		}
	}
	return false
}

// escape reads what follows a backslash, up to its last byte.
func (s *syntax) escape() {
	s.i++
	switch {
	case s.i >= len(s.doc) || bytes.IndexByte([]byte(`"\/bfnrt`), s.doc[s.i]) >= 0:
	case s.doc[s.i] != 'u':
		r, _ := utf8.DecodeRune(s.doc[s.i:])
		s.fail(s.i, "Unrecognized character escape '%c' (code %d)", r, r)
	default:
		for range 4 {
			if s.i++; s.i < len(s.doc) && !isHex(s.doc[s.i]) {
				s.unexpected(": expected a hex-digit for character escape sequence")
				return
			}
		}
	}
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

// number reads a number; what follows it is the next token's fault.
func (s *syntax) number() {
	if s.doc[s.i] == '-' {
		s.i++
		if !s.digit() {
			s.notDigit("expected digit (0-9) to follow minus sign, for valid numeric value")
			return
		}
	}
	if s.doc[s.i] == '0' {
		if s.i++; s.digit() {
			s.fail(s.i, "Invalid numeric value: Leading zeroes not allowed")
			return
		}
	}
	s.digits()
	if s.i < len(s.doc) && s.doc[s.i] == '.' {
		if s.i++; !s.digit() {
			s.notDigit("Decimal point not followed by a digit")
			return
		}
		s.digits()
	}
	if s.i < len(s.doc) && s.doc[s.i]|0x20 == 'e' {
		if s.i++; s.i < len(s.doc) && (s.doc[s.i] == '+' || s.doc[s.i] == '-') {
			s.i++
		}
		if !s.digit() {
			s.notDigit("Exponent indicator not followed by a digit")
			return
		}
		s.digits()
	}
}

func (s *syntax) digit() bool { return s.i < len(s.doc) && s.doc[s.i] >= '0' && s.doc[s.i] <= '9' }

func (s *syntax) digits() {
	for s.digit() {
		s.i++
	}
}

func (s *syntax) notDigit(words string) {
	if s.i < len(s.doc) {
		s.unexpected(" in numeric value: " + words)
	}
}

// trailing reports what stands behind the value.
func (s *syntax) trailing() {
	if !s.space() || s.fault != nil {
		return
	}
	start := s.i
	switch c := s.doc[start]; c {
	case '}', ']':
		s.fail(start, "Unexpected close marker '%c': expected '%c' (for root starting at [%s; line: 1, column: 0])", c, '}'+']'-rune(c), quoted(s.doc))
		return
	}
	s.value()
	if s.fault == nil {
		s.fault = parsingError(s.doc, start, "Unexpected token [%s] found after the main object.", kindOf(s.doc, span{start, len(s.doc)}))
	}
}

// withoutComments is doc with blanks for the comments that Elasticsearch's reader
// skips, between tokens; doc itself when it has none.
func withoutComments(doc []byte) []byte {
	if !bytes.ContainsRune(doc, '/') {
		return doc
	}
	out := bytes.Clone(doc)
	for i := 0; i < len(out); i++ {
		switch {
		case out[i] == '"':
			end, err := skipString(out, i)
			if err != nil {
				return doc
			}
			i = end - 1
		case out[i] == '/' && i+1 < len(out):
			end := commentEnd(out, i)
			if end < 0 {
				return out // all that follows stands in the comment
			}
			copy(out[i:end], blank(out, span{i, end}))
			i = max(i, end-1)
		}
	}
	return out
}

// commentEnd is the index after the comment at i; i itself when there is none, -1
// when it doesn't end.
func commentEnd(doc []byte, i int) int {
	switch doc[i+1] {
	case '/':
		if end := bytes.IndexByte(doc[i:], '\n'); end >= 0 {
			return i + end
		}
		return len(doc)
	case '*':
		if end := bytes.Index(doc[i+2:], []byte("*/")); end >= 0 {
			return i + 2 + end + 2
		}
		return -1
	}
	return i
}

// duplicated is the error about a name that an object says again.
func duplicated(doc []byte, m member) error {
	return readerError(doc, m.key.end, typeSyntax, "Duplicate field '"+m.name+"'")
}
