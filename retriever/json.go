package retriever

import (
	"bytes"
	"encoding/json"
	"errors"
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
	if v.end-v.off < 2 || doc[v.off] != '{' {
		return nil, errSyntax
	}
	var list []member
	i := skipSpace(doc, v.off+1)
	if i < v.end && doc[i] == '}' {
		return nil, nil
	}
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
		list = append(list, member{name: text(doc, key), key: key, value: span{i, end}})
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
	if v.end-v.off < 2 || doc[v.off] != '[' {
		return nil, errSyntax
	}
	var list []span
	i := skipSpace(doc, v.off+1)
	if i < v.end && doc[i] == ']' {
		return nil, nil
	}
	for {
		end, err := skipValue(doc, i)
		if err != nil {
			return nil, err
		}
		list = append(list, span{i, end})
		i = skipSpace(doc, end)
		switch {
		case i >= v.end:
			return nil, errSyntax
		case doc[i] == ']':
			return list, nil
		case doc[i] != ',':
			return nil, errSyntax
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
func without(list []member, drop []bool) []span {
	var spans []span
	kept := false
	for i, m := range list {
		switch {
		case !drop[i]:
			kept = true
		case kept:
			spans = append(spans, span{list[i-1].value.end, m.value.end})
		case i+1 < len(list):
			spans = append(spans, span{m.key.off, list[i+1].key.off})
		default:
			spans = append(spans, span{m.key.off, m.value.end})
		}
	}
	return spans
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
	for i++; i < len(doc); i++ {
		switch doc[i] {
		case '\\':
			i++
		case '"':
			return i + 1, nil
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
