package retriever

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ErrNotOurs reports a body without a text_similarity_reranker in its retriever
// tree: the original bytes are to be forwarded.
var ErrNotOurs = errors.New("no text_similarity_reranker in this request")

// ErrAnswer reports a first-stage answer that is not the JSON of a search.
var ErrAnswer = errors.New("unreadable search answer")

// Cause is one exception in Elasticsearch's error form.
type Cause struct {
	Type   string // for instance illegal_argument_exception
	Reason string
	// Line and Col are the position that a parsing_exception carries beside its
	// text, from 1; 0 means none.
	Line, Col int
	CausedBy  *Cause
	// suppressed is a ready-made rendering of attached exceptions, without and
	// with their causes.
	suppressedBrief, suppressed json.RawMessage
}

// RequestError is a request that is answered with an error instead of hits.
type RequestError struct {
	Status int // HTTP status
	Cause  *Cause

	at     int    // the byte of the request at fault; 0 for none
	final  bool   // levels around don't wrap it
	logged string // the reason without the text that it quotes; "": it quotes none
}

// Error is for logs: it leaves out the text of the request that Body quotes.
func (e *RequestError) Error() string {
	return fmt.Sprintf("%s: %s (status %d)", e.Cause.Type, cmp.Or(e.logged, e.Cause.Reason), e.Status)
}

// Body renders the error as Elasticsearch does:
// {"error":{"root_cause":[…],"type":…,"reason":…},"status":…}.
func (e *RequestError) Body() []byte {
	brief := *e.Cause.rootCause()
	brief.CausedBy, brief.suppressed = nil, brief.suppressedBrief
	body := struct {
		Error struct {
			RootCause []cause `json:"root_cause"`
			cause
		} `json:"error"`
		Status int `json:"status"`
	}{Status: e.Status}
	body.Error.RootCause = []cause{brief.wire()}
	body.Error.cause = e.Cause.wire()
	return marshal(body)
}

// cause is the wire form of a Cause.
type cause struct {
	Type       string          `json:"type"`
	Reason     string          `json:"reason"`
	Line       int             `json:"line,omitempty"`
	Col        int             `json:"col,omitempty"`
	Suppressed json.RawMessage `json:"suppressed,omitempty"`
	CausedBy   *cause          `json:"caused_by,omitempty"`
}

func (c *Cause) wire() cause {
	w := cause{Type: c.Type, Reason: c.Reason, Line: c.Line, Col: c.Col, Suppressed: c.suppressed}
	if c.CausedBy != nil {
		inner := c.CausedBy.wire()
		w.CausedBy = &inner
	}
	return w
}

// rootCause is the exception that Elasticsearch lists as the root: content
// exceptions are unwrapped as long as their cause is one of the family or a
// parsing_exception, other causes stay inside.
func (c *Cause) rootCause() *Cause {
	for c.CausedBy != nil && contentException(c.Type) &&
		(contentException(c.CausedBy.Type) || c.CausedBy.Type == "parsing_exception") {
		c = c.CausedBy
	}
	return c
}

func contentException(typ string) bool {
	return typ == "x_content_parse_exception" || typ == "named_object_not_found_exception"
}

// marshal encodes without HTML escaping, which Elasticsearch doesn't do either.
// The values given here are plain structs, so encoding can't fail.
func marshal(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("retriever: encode an error body: " + err.Error())
	}
	return bytes.TrimRight(buf.Bytes(), "\n")
}

// BadRequest is a 400 with one exception.
func BadRequest(typ, format string, args ...any) *RequestError {
	return &RequestError{Status: http.StatusBadRequest, Cause: &Cause{Type: typ, Reason: fmt.Sprintf(format, args...)}}
}

// Unsupported is the 400 for what Elasticsearch can do beside or inside a
// reranker and this program can't: what names the part of the request.
func Unsupported(format string, args ...any) *RequestError {
	return late("rerankd does not support %s", fmt.Sprintf(format, args...))
}

// late is the 400 for what Elasticsearch finds only after it has parsed all.
func late(format string, args ...any) *RequestError {
	e := BadRequest("illegal_argument_exception", format, args...)
	e.final = true
	return e
}

// illegal is the 400 for an argument found to be wrong while it is parsed.
func illegal(at int, format string, args ...any) *RequestError {
	e := BadRequest("illegal_argument_exception", format, args...)
	e.at = at
	return e
}

// requiredError is the fault of an object, which ends at a byte, without members
// that it must have.
func requiredError(missing []string, at int) *RequestError {
	return illegal(at, "Required [%s]", strings.Join(missing, ", "))
}

// contentError is an x_content_parse_exception, whose text begins with the
// position of off in doc.
func contentError(doc []byte, off int, by *Cause, format string, args ...any) *RequestError {
	line, col := position(doc, off)
	return &RequestError{Status: http.StatusBadRequest, at: off, Cause: &Cause{
		Type:     "x_content_parse_exception",
		Reason:   fmt.Sprintf("[%d:%d] ", line, col) + fmt.Sprintf(format, args...),
		CausedBy: by,
	}}
}

// parsingError is a parsing_exception, which carries the position beside its text.
func parsingError(doc []byte, off int, format string, args ...any) *RequestError {
	e := BadRequest("parsing_exception", format, args...)
	e.Cause.Line, e.Cause.Col = position(doc, off)
	e.at = off
	return e
}

// validation collects findings into one action_request_validation_exception.
type validation []string

func (v *validation) add(format string, args ...any) {
	*v = append(*v, fmt.Sprintf(format, args...))
}

func (v validation) err() error {
	if len(v) == 0 {
		return nil
	}
	return &RequestError{Status: http.StatusBadRequest, Cause: validationCause(v...)}
}

func validationCause(findings ...string) *Cause {
	var b strings.Builder
	b.WriteString("Validation Failed: ")
	for i, f := range findings {
		fmt.Fprintf(&b, "%d: %s;", i+1, f)
	}
	return &Cause{Type: "action_request_validation_exception", Reason: b.String()}
}

// RerankFailure is the answer to a search whose rerank step failed and may not
// be replaced by the first stage: Elasticsearch hides the cause in the
// suppressed exceptions of a status_exception that carries the cause's status.
func (s *Search) RerankFailure(status int, by *Cause) *RequestError {
	type phase struct {
		Type         string   `json:"type"`
		Reason       string   `json:"reason"`
		Phase        string   `json:"phase"`
		Grouped      bool     `json:"grouped"`
		FailedShards []string `json:"failed_shards"`
		CausedBy     *cause   `json:"caused_by,omitempty"`
	}
	p := phase{
		Type: "search_phase_execution_exception", Reason: "Computing updated ranks for results failed",
		Phase: "rank-feature", Grouped: true, FailedShards: []string{},
	}
	brief := marshal([]phase{p})
	inner := by.wire()
	p.CausedBy = &inner
	return retrieversFailed(Name, []string{s.child.title}, status, brief, marshal([]phase{p}))
}

// retrieversFailed is the failure of a compound retriever because of those below
// it; brief and all are the errors attached, without and with their causes.
func retrieversFailed(name string, titles []string, status int, brief, all json.RawMessage) *RequestError {
	return &RequestError{Status: status, final: true, Cause: &Cause{
		Type: "status_exception",
		Reason: fmt.Sprintf("[%s] search failed - retrievers '[%s]' returned errors. "+
			"All failures are attached as suppressed exceptions.", name, strings.Join(titles, ", ")),
		suppressedBrief: brief,
		suppressed:      all,
	}}
}

// UnknownEndpoint is the failure of a search that names an inference endpoint
// which doesn't exist: 404.
func (s *Search) UnknownEndpoint() *RequestError {
	return s.RerankFailure(http.StatusNotFound, &Cause{
		Type: "resource_not_found_exception", Reason: fmt.Sprintf("Inference endpoint not found [%s]", s.InferenceID),
	})
}

// TopNBelowWindow is the failure of a search on an endpoint that returns no more
// than topN passages, fewer than the search's window: 400.
func (s *Search) TopNBelowWindow(topN int) *RequestError {
	return s.RerankFailure(http.StatusBadRequest, &Cause{
		Type: "illegal_argument_exception",
		Reason: fmt.Sprintf("Inference endpoint [%s] is configured to return the top [%d] results, but rank_window_size is [%d]. "+
			"Reduce rank_window_size to be less than or equal to the configured top N value.", s.InferenceID, topN, s.Window),
	})
}

// EmptyQuery is the failure of a search with an empty inference_text and at
// least one document to score: 400.
func (s *Search) EmptyQuery() *RequestError {
	return s.RerankFailure(http.StatusBadRequest, validationCause("Field [query] cannot be empty for task type [rerank]"))
}
