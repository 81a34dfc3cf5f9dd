package retriever

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Refusal is the answer to a search whose first stage the cluster refused to
// parse: the cluster's error inside those of the levels around the child, as
// Elasticsearch reports a fault below a reranker. The first stage keeps every
// part of the child where the caller has it, so the cluster's line and column are
// right already. Any other error comes back as it is, and so do bytes that are no
// error of Elasticsearch.
func (s *Search) Refusal(body []byte) []byte {
	form, line, col, ok := readRefusal(body)
	if !ok {
		return body
	}
	doc := s.request.Body
	at, ok := offset(doc, line, col)
	if !ok {
		return body
	}
	own := form.Error.fault
	wrap := func(by fault, format string, args ...any) fault {
		inner, err := json.Marshal(by)
		if err != nil {
			return by // it was decoded from JSON: it can't come to this
		}
		return fault{
			Type:     "x_content_parse_exception",
			Reason:   fmt.Sprintf("[%d:%d] ", line, col) + fmt.Sprintf(format, args...),
			CausedBy: inner,
		}
	}
	switch {
	case own.Reason == "unknown retriever ["+s.child.name+"]" || strings.HasPrefix(own.Reason, "unknown retriever ["+s.child.name+"] "):
		return unknownChild(doc, skipSpace(doc, s.child.at.off+1), s.child.name).Body()
	case s.filter != nil && s.filter.value.off <= at && at < s.filter.value.end && own.CausedBy != nil:
		form.Error.fault = fault{
			Type: own.Type, Reason: fmt.Sprintf("[%d:%d] [%s] failed to parse field [filter]", line, col, Name), CausedBy: own.CausedBy,
		}
	case s.child.at.off <= at && at < s.child.at.end:
		form.Error.fault = wrap(wrap(own, "[retriever] failed to parse field [%s]", s.child.name), "[%s] failed to parse field [retriever]", Name)
	default:
		return body
	}
	return marshal(form)
}

// refusal is an error of the cluster as it answers it.
type refusal struct {
	Error struct {
		RootCause json.RawMessage `json:"root_cause"`
		fault
	} `json:"error"`
	Status int `json:"status"`
}

// readRefusal reads an error that names a place in the request, and the place. It
// reports false for one that names none, and for bytes that are no error.
func readRefusal(answer []byte) (r refusal, line, col int, ok bool) {
	if json.Unmarshal(answer, &r) != nil {
		return r, 0, 0, false
	}
	line, col, ok = r.Error.position()
	return r, line, col, ok
}

// fault is an exception in an error of the cluster, its cause left as it is.
type fault struct {
	Type     string          `json:"type"`
	Reason   string          `json:"reason"`
	Line     int             `json:"line,omitempty"`
	Col      int             `json:"col,omitempty"`
	CausedBy json.RawMessage `json:"caused_by,omitempty"`
}

// position is where the request is at fault: beside the text of a
// parsing_exception, or at the beginning of that of a content exception.
func (f fault) position() (line, col int, ok bool) {
	switch f.Type {
	case "parsing_exception":
		return f.Line, f.Col, f.Line > 0 && f.Col > 0
	case "x_content_parse_exception":
		_, err := fmt.Sscanf(f.Reason, "[%d:%d]", &line, &col)
		return line, col, err == nil && line > 0 && col > 0
	}
	return 0, 0, false
}

// offset is the byte at a line and a column, both from 1.
func offset(doc []byte, line, col int) (int, bool) {
	at := 0
	for ; line > 1; line-- {
		end := bytes.IndexByte(doc[at:], '\n')
		if end < 0 {
			return 0, false
		}
		at += end + 1
	}
	at += col - 1
	return at, at < len(doc)
}
