package retriever

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Refusal is the answer to a search whose leaves the cluster refused to parse:
// the cluster's error with the positions of the caller's own request, inside
// those of the retrievers around the part at fault, as Elasticsearch reports it.
// Any other error comes back as it is.
func (t *Tree) Refusal(body []byte) []byte {
	var form struct {
		Error  wireCause
		Status int
	}
	if json.Unmarshal(body, &form) != nil {
		return body
	}
	found := form.Error.cause()
	line, col, ok := fault{Type: found.Type, Reason: found.Reason, Line: found.Line, Col: found.Col}.position()
	if !ok || line != 1 {
		return body
	}
	for i, c := range t.lines("") {
		p, at, ok := c.find(col - 1)
		switch {
		case len(c.bytes) > padLimit:
			return body // the columns don't tell the searches apart
		case !ok:
			continue
		}
		if own := t.leaves[i].frame(p.field); own != "" && found.CausedBy != nil && strings.HasSuffix(found.Reason, own) {
			found = found.CausedBy
		}
		found.move(t.search.request.Body, c)
		return t.around(p, at, found).Body()
	}
	return body
}

// frame is how an error about a member ends whose search of a leaf has it inside of
// something that the request has not; "" where it has it in its own place.
func (n *node) frame(field string) string {
	switch {
	case n.name == nameKNN && field == "filter":
		return "[knn] failed to parse field [filter]"
	case n.name == nameKNN || len(n.filters()) == 0:
		return ""
	case field == "filter":
		return "[bool] failed to parse field [filter]"
	case field == "query":
		return "[bool] failed to parse field [must]"
	}
	return ""
}

// around puts the errors of the retrievers around a part at fault around one.
func (t *Tree) around(p part, at int, found *Cause) *RequestError {
	tp := &treeParser{search: t.search, doc: t.search.request.Body}
	var err error = &RequestError{Status: 400, at: at, Cause: found}
	n := p.owner
	if n.name != nameKNN || p.field == "filter" {
		err = tp.within(err, n.body, "[%s] failed to parse field [%s]", n.name, p.field)
	}
	for ; ; n = n.above {
		if n.name == namePinned || n.name == nameRescorer {
			err = tp.reworded(err, n.body)
		}
		if n.above == nil {
			break
		}
		switch n.above.name {
		case nameRRF:
			err = tp.within(err, n.body, "[%s] failed to parse field [retrievers]", nameRRF)
		case nameLinear:
			err = tp.within(err, n.body, "[retriever] failed to parse field [%s]", n.name)
			err = tp.within(err, n.body, "[retriever-component] failed to parse field [retriever]")
			err = tp.within(err, n.body, "[%s] failed to parse field [retrievers]", nameLinear)
		default:
			err = tp.within(err, n.body, "[retriever] failed to parse field [%s]", n.name)
			err = tp.within(err, n.body, "[%s] failed to parse field [retriever]", n.above.name)
		}
	}
	return err.(*RequestError) //nolint:errorlint,forcetypeassert // each step gives one
}

// wireCause is an exception in an error of the cluster.
type wireCause struct {
	Type     string     `json:"type"`
	Reason   string     `json:"reason"`
	Line     int        `json:"line"`
	Col      int        `json:"col"`
	CausedBy *wireCause `json:"caused_by"`
}

func (w *wireCause) cause() *Cause {
	c := &Cause{Type: w.Type, Reason: w.Reason, Line: w.Line, Col: w.Col}
	if w.CausedBy != nil {
		c.CausedBy = w.CausedBy.cause()
	}
	return c
}

// move turns every position in a chain of exceptions, which is one in a line sent
// to the cluster, into that of the same byte in the request.
func (c *Cause) move(doc []byte, line composed) {
	for ; c != nil; c = c.CausedBy {
		if _, at, ok := line.find(c.Col - 1); ok && c.Line == 1 {
			c.Line, c.Col = position(doc, at)
		}
		var col int
		if _, err := fmt.Sscanf(c.Reason, "[1:%d]", &col); err != nil {
			continue
		}
		if _, at, ok := line.find(col - 1); ok {
			_, rest, _ := strings.Cut(c.Reason, "]")
			l, col := position(doc, at)
			c.Reason = fmt.Sprintf("[%d:%d]%s", l, col, rest)
		}
	}
}
