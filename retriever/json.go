package retriever

import (
	"bytes"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"unicode/utf8"
)

// errSyntax reports bytes that are not the JSON the scanner was promised.
var errSyntax = errors.New("malformed JSON")

// kind is the type of a JSON value, named as Elasticsearch names its token.
type kind string

const (
	kindObject  kind = "START_OBJECT"
	kindArray   kind = "START_ARRAY"
	kindString  kind = "VALUE_STRING"
	kindNumber  kind = "VALUE_NUMBER"
	kindBoolean kind = "VALUE_BOOLEAN"
	kindNull    kind = "VALUE_NULL"
)

// span is a half-open range of bytes in a document.
type span struct{ off, end int }

func (s span) of(doc []byte) []byte { return doc[s.off:s.end] }

// usualMembers is room for those of most objects, so that a list of them takes its
// memory once.
const usualMembers = 8

// member is one name and value of an object, located in its document.
type member struct {
	name  string
	key   span // the name with its quotes
	value span
}

func kindOf(doc []byte, v span) kind {
	switch doc[v.off] {
	case '{':
		return kindObject
	case '[':
		return kindArray
	case '"':
		return kindString
	case 't', 'f':
		return kindBoolean
	case 'n':
		return kindNull
	default:
		return kindNumber
	}
}

// root locates the one value of doc.
func root(doc []byte) (span, error) {
	off := skipSpace(doc, 0)
	end, err := skipValue(doc, off)
	if err != nil {
		return span{}, err
	}
	return span{off, end}, nil
}

// members lists the members of the object at v in the order they stand.
func members(doc []byte, v span) ([]member, error) {
	return appendMembers(nil, doc, v)
}

// appendMembers is members in the room that list has.
func appendMembers(list []member, doc []byte, v span) ([]member, error) {
	if v.end-v.off < 2 || doc[v.off] != '{' {
		return nil, errSyntax
	}
	i := skipSpace(doc, v.off+1)
	if i < v.end && doc[i] == '}' {
		return list, nil
	}
	list = slices.Grow(list, usualMembers)
	for {
		keyEnd, err := skipString(doc, i)
		if err != nil {
			return nil, err
		}
		key := span{i, keyEnd}
		if i = skipSpace(doc, keyEnd); i >= v.end || doc[i] != ':' {
			return nil, errSyntax
		}
		i = skipSpace(doc, i+1)
		end, err := skipValue(doc, i)
		if err != nil {
			return nil, err
		}
		list = append(list, member{name: name(doc, key), key: key, value: span{i, end}})
		i = skipSpace(doc, end)
		switch {
		case i >= v.end:
			return nil, errSyntax
		case doc[i] == '}':
			return list, nil
		case doc[i] != ',':
			return nil, errSyntax
		}
		i = skipSpace(doc, i+1)
	}
}

// elements lists the values of the array at v in the order they stand.
func elements(doc []byte, v span) ([]span, error) {
	var list []span
	if err := eachElement(doc, v, func(item span) { list = append(list, item) }); err != nil {
		return nil, err
	}
	return list, nil
}

// eachElement calls do for the values of the array at v in the order they stand,
// as far as it is well-formed.
func eachElement(doc []byte, v span, do func(span)) error {
	if v.end-v.off < 2 || doc[v.off] != '[' {
		return errSyntax
	}
	i := skipSpace(doc, v.off+1)
	if i < v.end && doc[i] == ']' {
		return nil
	}
	for {
		end, err := skipValue(doc, i)
		if err != nil {
			return err
		}
		do(span{i, end})
		i = skipSpace(doc, end)
		switch {
		case i >= v.end:
			return errSyntax
		case doc[i] == ']':
			return nil
		case doc[i] != ',':
			return errSyntax
		}
		i = skipSpace(doc, i+1)
	}
}

// find returns the last member of that name, as a lenient reader would; the
// request parser refuses duplicates before it asks.
func find(list []member, name string) (member, bool) {
	for _, m := range slices.Backward(list) {
		if m.name == name {
			return m, true
		}
	}
	return member{}, false
}

// without finds what to take out of an object so that the marked members and
// one comma each are gone and the rest stays well-formed. The spans don't overlap.
func without(list []member, drop []bool) iter.Seq[span] {
	return func(yield func(span) bool) {
		kept := false
		for i, m := range list {
			gone := span{m.key.off, m.value.end}
			switch {
			case !drop[i]:
				kept = true
				continue
			case kept:
				gone.off = list[i-1].value.end
			case i+1 < len(list):
				gone.end = list[i+1].key.off
			}
			if !yield(gone) {
				return
			}
		}
	}
}

// wellKnown are names that stand in every hit, or in most.
var wellKnown = func() map[string]string {
	names := map[string]string{}
	for _, n := range []string{"_index", "_id", "_score", "_source", "fields", "sort", "highlight", "_ignored"} {
		names[n] = n
	}
	return names
}()

// name decodes the name of a member as text does, without memory of its own for a
// well-known one.
func name(doc []byte, s span) string {
	if known, ok := wellKnown[string(doc[s.off+1:s.end-1])]; ok {
		return known
	}
	return text(doc, s)
}

// text decodes the JSON string at s. Bytes that are not UTF-8 become U+FFFD.
func text(doc []byte, s span) string {
	raw := doc[s.off+1 : s.end-1]
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw)
	}
	var out string
	if err := json.Unmarshal(s.of(doc), &out); err != nil {
		return string(bytes.ToValidUTF8(raw, []byte("\uFFFD")))
	}
	return out
}

func skipSpace(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\n' || doc[i] == '\t' || doc[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that begins at i.
func skipString(doc []byte, i int) (int, error) {
	if i >= len(doc) || doc[i] != '"' {
		return 0, errSyntax
	}
	for i++; i < len(doc); {
		quote := bytes.IndexByte(doc[i:], '"')
		if quote < 0 {
			break
		}
		quote += i
		for i <= quote { // a backslash takes the byte behind it, which may be the quote
			escape := bytes.IndexByte(doc[i:quote], '\\')
			if escape < 0 {
				return quote + 1, nil
			}
			i += escape + 2
		}
	}
	return 0, errSyntax
}

// skipValue returns the index after the value that begins at i. It matches
// strings and brackets and takes the rest on trust: request bodies are validated
// once before, answers come from the cluster. It does not recurse, so depth costs
// nothing.
func skipValue(doc []byte, i int) (int, error) {
	if i >= len(doc) {
		return 0, errSyntax
	}
	switch doc[i] {
	case '"':
		return skipString(doc, i)
	case '{', '[':
		return skipNested(doc, i)
	case ',', ':', '}', ']':
		return 0, errSyntax
	}
	for ; i < len(doc); i++ {
		switch doc[i] {
		case ',', '}', ']', ' ', '\n', '\t', '\r':
			return i, nil
		}
	}
	return i, nil
}

func skipNested(doc []byte, i int) (int, error) {
	depth := 0
	for i < len(doc) {
		switch doc[i] {
		case '"':
			end, err := skipString(doc, i)
			if err != nil {
				return 0, err
			}
			i = end
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		}
		i++
	}
	return 0, errSyntax
}

// position returns the line and the column of a byte offset, both from 1.
// Columns count bytes, as Elasticsearch's reader of UTF-8 does.
func position(doc []byte, off int) (line, col int) {
	before := doc[:off]
	line = 1 + bytes.Count(before, []byte{'\n'})
	return line, off - bytes.LastIndexByte(before, '\n')
}
