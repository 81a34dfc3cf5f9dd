package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
)

// Proxy is the handler for everything that clients send. It is safe for
// concurrent use and starts no goroutine of its own.
type Proxy struct {
	o         Options
	router    http.Handler
	relay     *httputil.ReverseProxy
	admission admission
}

var _ http.Handler = (*Proxy)(nil)

// New builds the handler. The error joins everything that is wrong with the
// options.
func New(o Options) (*Proxy, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("check proxy options: %w", err)
	}
	p := &Proxy{o: o, admission: admission{mostRequests: o.Searches, mostBytes: o.HeldBytes}}
	p.relay = p.newReverseProxy()
	p.router = p.routes()
	return p, nil
}

// routes lists the paths under which a search may hold a reranker, and those of
// the inference API. All else is
// passed on, under these paths with other methods too. chi matches the escaped
// path, so an index name may hold an escaped slash.
func (p *Proxy) routes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(p.pass)
	r.MethodNotAllowed(p.pass)
	route := func(tail string, h http.HandlerFunc) {
		for _, pattern := range []string{"/" + tail, "/{index}/" + tail} {
			for _, end := range []string{"", "/"} { // Elasticsearch takes a slash at the end
				r.Get(pattern+end, h)
				r.Post(pattern+end, h)
			}
		}
	}
	route("_search", p.search)
	route("_msearch", p.multiSearch)
	route(templateTail, p.searchTemplate)
	route(asyncTail, p.asyncSearch)
	route(evaluationTail, p.rankEval)
	route("_msearch/template", p.multiTemplate)
	if p.o.Inference != nil {
		p.inferenceRoutes(r)
	}
	return r
}

// ServeHTTP answers one request.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.observed(w, r, p.router)
}

// observed has h answer one request, then reports and logs how it went.
func (p *Proxy) observed(w http.ResponseWriter, r *http.Request, h http.Handler) {
	rec := &recorder{ResponseWriter: w, outcome: OutcomeOK, route: RoutePassthrough, start: time.Now()}
	defer func() {
		v := recover()
		err, _ := v.(error)
		aborted := errors.Is(err, http.ErrAbortHandler)
		switch {
		case aborted:
			rec.aborted(r)
		case v != nil:
			p.o.Logger.Error("handler panicked", keyError, v, keyStack, string(debug.Stack()))
			p.panicked(rec, r)
		}
		p.finish(rec, r)
		if aborted || rec.broken {
			panic(http.ErrAbortHandler)
		}
	}()
	h.ServeHTTP(rec, r)
}

// panicked answers in place of a handler that couldn't: a dropped connection
// would make clients take the node for dead.
func (p *Proxy) panicked(rec *recorder, r *http.Request) {
	if rec.status == 0 {
		p.fail(rec, r, errInternal)
		return
	}
	rec.outcome, rec.broken = OutcomeInternal, true
}

// finish reports one request. Searches of ours get their line at level info;
// what merely passed through does only if it went wrong.
func (p *Proxy) finish(rec *recorder, r *http.Request) {
	took := time.Since(rec.start)
	p.o.Observer.Request(rec.route, rec.outcome, took.Seconds())
	level := rec.level()
	if !p.o.Logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String(keyID, requestID(r)),
		slog.String(keyMethod, r.Method),
		slog.String(keyPath, clip(r.URL.EscapedPath())),
		slog.String(keyOutcome, rec.outcome),
		slog.Int(keyStatus, rec.status),
		slog.Float64(keyMillis, milliseconds(took)),
	}
	if rec.err != nil {
		attrs = append(attrs, slog.String(keyError, clipError(rec.err)))
	}
	message := "request"
	if rec.route == RouteRerank {
		message = "search"
		attrs = append(attrs, rec.summary.attrs()...)
	}
	p.o.Logger.LogAttrs(r.Context(), level, message, attrs...)
}
