package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rerankd/rerankd/retriever"
)

// member is one name and value of an object, with where they stand in the body.
type member struct {
	name     string
	key, off int // offsets of the name and the value
	value    json.RawMessage
}

// object is a JSON object whose members are at their offsets in doc.
type object struct {
	doc     []byte
	members []member
}

// parseObject reads a body that must be one object with each name once.
func parseObject(doc []byte) (object, error) {
	if len(bytes.TrimSpace(doc)) == 0 {
		return object{}, retriever.BadRequest("parse_exception", "request body is required")
	}
	if !json.Valid(doc) {
		return object{}, malformed(doc)
	}
	return membersOf(doc, 0, doc)
}

// membersOf reads the members of value, which stands at off in doc and is valid
// JSON.
func membersOf(doc []byte, off int, value []byte) (object, error) {
	o := object{doc: doc}
	dec := json.NewDecoder(bytes.NewReader(value))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return o, contentError(doc, off, nil, "expected an object, got %s", kindOf(value))
	}
	seen := map[string]bool{}
	for dec.More() {
		m := member{key: off + skip(value, int(dec.InputOffset()))}
		name, err := dec.Token()
		if err != nil {
			return o, malformed(doc)
		}
		m.name = name.(string) // the key of a valid object
		if seen[m.name] {
			return o, contentError(doc, m.key, &retriever.Cause{Type: "json_parse_exception", Reason: "Duplicate field '" + m.name + "'"},
				"Duplicate field '%s'", m.name)
		}
		seen[m.name] = true
		m.off = off + skip(value, int(dec.InputOffset()))
		if err := dec.Decode(&m.value); err != nil {
			return o, malformed(doc)
		}
		o.members = append(o.members, m)
	}
	return o, nil
}

// skip returns the offset of the next name or value: what the decoder has not
// read yet may begin with white space and a comma or a colon.
func skip(doc []byte, off int) int {
	for off < len(doc) && strings.IndexByte(" \t\r\n,:", doc[off]) >= 0 {
		off++
	}
	return off
}

// kindOf names the token of a value as Elasticsearch does.
func kindOf(value []byte) string {
	switch bytes.TrimLeft(value, " \t\r\n")[0] {
	case '{':
		return "START_OBJECT"
	case '[':
		return "START_ARRAY"
	case '"':
		return "VALUE_STRING"
	case 't', 'f':
		return "VALUE_BOOLEAN"
	case 'n':
		return "VALUE_NULL"
	}
	return "VALUE_NUMBER"
}

// contentError is an x_content_parse_exception about what stands at off.
func contentError(doc []byte, off int, by *retriever.Cause, format string, args ...any) *retriever.RequestError {
	line, col := position(doc, off)
	return &retriever.RequestError{Status: http.StatusBadRequest, Cause: &retriever.Cause{
		Type:     "x_content_parse_exception",
		Reason:   fmt.Sprintf("[%d:%d] ", line, col) + fmt.Sprintf(format, args...),
		CausedBy: by,
	}}
}

// position returns the line and the column, in bytes, of an offset, from 1.
func position(doc []byte, off int) (line, col int) {
	before := doc[:off]
	return 1 + bytes.Count(before, []byte{'\n'}), off - bytes.LastIndexByte(before, '\n')
}

// malformed reports a body that is not JSON.
func malformed(doc []byte) error {
	var syntax *json.SyntaxError
	off := 0
	err := json.Unmarshal(doc, new(any))
	switch {
	case errors.As(err, &syntax):
		off = max(0, int(syntax.Offset)-1)
	case err == nil:
		err = io.ErrUnexpectedEOF
	}
	return contentError(doc, off, &retriever.Cause{Type: "json_parse_exception", Reason: err.Error()}, "malformed JSON: %v", err)
}

// one returns the member of that name.
func (o object) one(name string) (member, bool) {
	for _, m := range o.members {
		if m.name == name {
			return m, true
		}
	}
	return member{}, false
}
