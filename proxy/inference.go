package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/rerankd/rerankd/internal/inference"
	"github.com/rerankd/rerankd/retriever"
)

// inferenceRoot is the first part of every path of the inference API.
const inferenceRoot = "_inference"

// definitionLimit bounds the body that makes or changes an endpoint.
const definitionLimit = 64 << 10

// inferenceRoutes lists the paths of the inference API. What is not about an
// endpoint of this program goes to the cluster.
func (p *Proxy) inferenceRoutes(r chi.Router) {
	for _, end := range []string{"", "/"} {
		r.Get("/"+inferenceRoot+end, p.showEndpoints)
		for _, pattern := range []string{"/" + inferenceRoot + "/{id}", "/" + inferenceRoot + "/{task}/{id}"} {
			r.Get(pattern+end, p.showEndpoints)
			r.Post(pattern+end, p.onEndpoint(p.callEndpoint))
			r.Put(pattern+end, p.createEndpoint)
			r.Delete(pattern+end, p.onEndpoint(p.deleteEndpoint))
			r.Put(pattern+"/_update"+end, p.onEndpoint(p.updateEndpoint))
		}
	}
}

// target is what a path of the inference API names.
type target struct{ task, id string } // task is empty where the path has none

func targetOf(r *http.Request) target {
	return target{task: param(r, "task"), id: param(r, "id")}
}

// param is a part of the path without its escapes.
func param(r *http.Request, name string) string {
	raw := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return raw // unescaped already
	}
	plain, err := url.PathUnescape(raw)
	if err != nil {
		return raw
	}
	return plain
}

// endpointHandler answers a request about an endpoint of this program.
type endpointHandler func(r *http.Request, t target, e *inference.Endpoint) ([]byte, error)

// onEndpoint has h answer what is about an endpoint of this program, and passes on
// the rest.
func (p *Proxy) onEndpoint(h endpointHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t := targetOf(r)
		e, ours := p.o.Inference.Lookup(t.id)
		if !ours {
			p.passOr(w, r, inference.NotFound(t.id))
			return
		}
		of(w).route = RouteInference
		answer, err := h(r, t, e)
		p.respond(w, r, answer, err)
	}
}

// passOr passes a request on, and answers with instead if the cluster doesn't have
// the inference API at all.
func (p *Proxy) passOr(w http.ResponseWriter, r *http.Request, instead *retriever.RequestError) {
	p.pass(w, r.WithContext(context.WithValue(r.Context(), fallbackKey{}, instead)))
}

// respond writes an answer of this program's own, or what an error means.
func (p *Proxy) respond(w http.ResponseWriter, r *http.Request, answer []byte, err error) {
	if err == nil {
		answer, err = retriever.Formatted(answer, r.URL.Query())
	}
	if err != nil {
		p.failUpstream(w, r, err)
		return
	}
	h := w.Header()
	h.Set(productHeader, product)
	h.Set("Content-Type", answerType(r))
	if id := r.Header.Get(opaqueHeader); id != "" {
		h.Set(opaqueHeader, id)
	}
	if len(answer) >= compressFrom && acceptsGzip(r.Header) {
		answer = compress(answer)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(answer); err != nil {
		rec := of(w)
		rec.outcome, rec.status, rec.err = OutcomeClientGone, statusClientGone, err
	}
}

// callEndpoint scores the texts of an inference call.
func (p *Proxy) callEndpoint(r *http.Request, t target, e *inference.Endpoint) ([]byte, error) {
	query, err := parameters(r, "timeout")
	if err != nil {
		return nil, err
	}
	limit, err := timeLimit(query.Get("timeout"), p.o.RerankTimeout)
	if err != nil {
		return nil, err
	}
	if err := p.authorize(r, useEndpoints); err != nil {
		return nil, err
	}
	if err := e.CheckCall(t.task); err != nil {
		return nil, err
	}
	body, err := p.jsonBody(r, p.o.BodyLimit)
	if err != nil {
		return nil, err
	}
	call, err := inference.ParseRerank(body, p.o.Retriever.MaxWindow)
	if err != nil {
		return nil, err
	}
	r, leave, err := p.admission.admit(r, len(body))
	if err != nil {
		return nil, err
	}
	defer leave()
	p.o.Observer.Passages(len(call.Input))
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	answer, err := e.Rerank(ctx, call)
	if err != nil {
		return nil, fmt.Errorf("rerank: %w", modelError(ctx, err))
	}
	return answer, nil
}

// jsonBody reads the body of a request for an endpoint of this program.
func (p *Proxy) jsonBody(r *http.Request, limit int64) ([]byte, error) {
	if !isJSON(r.Header.Get("Content-Type")) || opaque(r.Header) {
		return nil, retriever.Unsupported("a body of type [%s] and encoding [%s] for an inference endpoint; send JSON",
			clip(r.Header.Get("Content-Type")), clip(r.Header.Get("Content-Encoding")))
	}
	if r.Body == nil {
		return nil, nil
	}
	body, err := hold(r, limit)
	switch {
	case err != nil:
		return nil, err
	case body.over:
		return nil, newError(http.StatusRequestEntityTooLarge, "illegal_argument_exception",
			"a request for an inference endpoint may have at most [%d] bytes", limit)
	case !body.whole:
		return nil, retriever.BadRequest("illegal_argument_exception", "malformed request body")
	}
	return body.text, nil
}

// parameters checks the URL parameters of a request for an endpoint of this
// program against those that it may have.
func parameters(r *http.Request, allowed ...string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, retriever.BadRequest("illegal_argument_exception", "malformed URL parameters")
	}
	for name := range query {
		if !slices.Contains(allowed, name) && !slices.Contains([]string{"pretty", "human", "error_trace", "filter_path"}, name) {
			return nil, retriever.BadRequest("illegal_argument_exception",
				"request [%s] contains unrecognized parameter: [%s]", clip(r.URL.Path), clip(name))
		}
	}
	return query, nil
}

// timeLimit reads a time value and bounds it. An empty one is the bound itself,
// and so is -1.
func timeLimit(value string, most time.Duration) (time.Duration, error) {
	if value == "" || value == "-1" {
		return most, nil
	}
	d, ok := timeValue(value)
	if !ok {
		return 0, retriever.BadRequest("illegal_argument_exception",
			"failed to parse setting [timeout] with value [%s] as a time value: unit is missing or unrecognized", clip(value))
	}
	return min(d, most), nil
}

// asRequestError is the *retriever.RequestError that err is known to be.
func asRequestError(err error) *retriever.RequestError {
	if e, ok := errors.AsType[*retriever.RequestError](err); ok {
		return e
	}
	return newError(http.StatusInternalServerError, "status_exception", "internal error in rerankd")
}
