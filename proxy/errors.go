package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/rerankd/rerankd/internal/rerank"
	"github.com/rerankd/rerankd/retriever"
	"github.com/rerankd/rerankd/scorer"
)

var (
	// errModel marks a failure of the scorer that is neither overload nor deadline.
	errModel = errors.New("scoring failed")
	// errInternal is a fault of this program.
	errInternal = errors.New("internal error")
)

// rejected is the type by which Elasticsearch, and its clients, know that there was
// no place for a request.
const rejected = "es_rejected_execution_exception"

// unreadable tells a client of an answer of the cluster that isn't JSON.
const unreadable = "rerankd got an answer from Elasticsearch that it can't read"

// failure is what an error means to the client and to the metrics.
type failure struct {
	outcome string
	answer  *retriever.RequestError // nil for a client that is gone
}

// classify is the only place where an error becomes a status, an exception and a
// metric label. What it doesn't know is a fault of this program. Texts name no
// address and no internal error: those are in the log.
//
// No failure of the rerank step is a 5xx, for which clients would take the whole node
// out of use; Elasticsearch answers a failing rerank service with 400, too. The one
// exception is its own: a scorer that miscounts is a 500.
func classify(r *http.Request, err error) failure {
	var (
		request *retriever.RequestError
		count   *rerank.CountError
	)
	switch {
	case errors.As(err, &request):
		if errors.Is(err, errNoPlace) {
			return failure{OutcomeOverloaded, request}
		}
		if request.Status == http.StatusRequestEntityTooLarge {
			return failure{OutcomeTooLarge, request}
		}
		return failure{OutcomeBadRequest, request}
	case r.Context().Err() != nil, errors.Is(err, errCaller) && errors.Is(err, io.ErrUnexpectedEOF):
		return failure{OutcomeClientGone, nil}
	case errors.Is(err, errCaller):
		return failure{OutcomeBadRequest, newError(http.StatusBadRequest,
			"illegal_argument_exception", "malformed request body")}
	case errors.Is(err, errUnreachable): // before the deadline: a dial that timed out is one, too
		return failure{OutcomeUpstreamError, newError(http.StatusBadGateway,
			"upstream_exception", "rerankd got no answer from Elasticsearch")}
	case errors.Is(err, retriever.ErrAnswer):
		return failure{OutcomeUpstreamError, newError(http.StatusBadGateway,
			"upstream_exception", unreadable)}
	case errors.Is(err, scorer.ErrOverloaded):
		return failure{OutcomeOverloaded, newError(http.StatusTooManyRequests,
			rejected, "rerankd is overloaded: no place is left in its queue")}
	case errors.Is(err, context.DeadlineExceeded):
		return failure{OutcomeDeadline, newError(http.StatusRequestTimeout,
			"status_exception", "timeout waiting for inference result")}
	case errors.As(err, &count):
		return failure{OutcomeModelError, newError(http.StatusInternalServerError, "illegal_state_exception",
			"Reranker input document count and returned score count mismatch: [%d] vs [%d]", count.Passages, count.Scores)}
	case errors.Is(err, errModel):
		return failure{OutcomeModelError, newError(http.StatusBadRequest,
			"status_exception", "rerankd could not score the documents")}
	}
	return failure{OutcomeInternal, newError(http.StatusInternalServerError,
		"status_exception", "internal error in rerankd")}
}

func newError(status int, typ, format string, args ...any) *retriever.RequestError {
	return &retriever.RequestError{
		Status: status,
		Cause:  &retriever.Cause{Type: typ, Reason: fmt.Sprintf(format, args...)},
	}
}

// tooLarge is the 413 for a search with a reranker in a body beyond limit.
func tooLarge(limit int64) *retriever.RequestError {
	return newError(http.StatusRequestEntityTooLarge, "illegal_argument_exception",
		"a search with a [%s] may have at most [%d] bytes; rerankd is configured so by [limits.body_bytes]",
		retriever.Name, limit)
}

// answerTooLarge is the 413 for a first stage that can't be held.
func answerTooLarge(limit int64) *retriever.RequestError {
	return newError(http.StatusRequestEntityTooLarge, "illegal_argument_exception",
		"the first stage of a search with a [%s] may have an answer of at most [%d] bytes, by [limits.answer_bytes] of rerankd; "+
			"ask for a smaller [rank_window_size] or for less of [_source]", retriever.Name, limit)
}

// answersTooLarge is the 413 for a multi search whose answers can't be held.
func answersTooLarge(limit int64) *retriever.RequestError {
	return newError(http.StatusRequestEntityTooLarge, "illegal_argument_exception",
		"the answers to a multi search with a [%s] may have at most [%d] bytes together, by [limits.answer_bytes] of rerankd; "+
			"send fewer searches at once", retriever.Name, limit)
}

// fail answers with what an error means, in Elasticsearch's form.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	p.answerFailure(w, r, err, classify(r, err))
}

func (p *Proxy) answerFailure(w http.ResponseWriter, r *http.Request, err error, f failure) {
	rec := of(w)
	rec.outcome, rec.err = f.outcome, err
	if errors.Is(err, errUnreachable) {
		p.o.Observer.Upstream(0)
	}
	if f.answer == nil {
		w.WriteHeader(statusClientGone) // for the log: nobody reads it
		return
	}
	if rec.route == RouteRerank {
		w.Header().Set(outcomeHeader, "failed; reason="+f.outcome)
	}
	p.writeError(w, r, f.answer)
}

func (p *Proxy) writeError(w http.ResponseWriter, r *http.Request, err *retriever.RequestError) {
	body := err.Body()
	if formatted, bad := retriever.Formatted(body, r.URL.Query()); bad == nil {
		body = formatted // by filter_path and pretty, as Elasticsearch's own
	}
	h := w.Header()
	h.Set(productHeader, product)
	h.Set("Content-Type", answerType(r))
	body = of(w).form.written(h, body)
	if id := r.Header.Get(opaqueHeader); id != "" {
		h.Set(opaqueHeader, id) // as Elasticsearch gives it back
	}
	if r.Method != http.MethodHead {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(err.Status)
	if _, werr := w.Write(body); werr != nil {
		p.o.Logger.Debug("write error answer", keyError, werr)
	}
}
