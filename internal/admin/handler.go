package admin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes bounds the scrapes at the same time; one more gets 503.
const maxScrapes = 8

// Options are what a handler shows and to whom.
type Options struct {
	// Gatherer is what /metrics shows. Required.
	Gatherer prometheus.Gatherer
	// Logger takes the faults of gathering; nil: nothing does.
	Logger *slog.Logger
	// Checks must all pass for /-/ready to be 200. They run in order, at each
	// request, for several requests at a time, and must return at once.
	Checks []Check
	// Models lists the models in use for /-/ready; nil: none are listed.
	Models func() []Model
	// Reload loads changed models anew and tells which; nil: nobody can ask for it.
	// It may take long and is called for one request at a time. Without a Token
	// callers on this machine alone can ask, and no page of another origin.
	Reload func(context.Context) (reloaded []string, err error)
	// Token is what a caller must bring as Bearer token; empty: nothing.
	Token string
	// Pprof serves profiles below /debug/pprof/. Without a Token they are shown
	// to callers on this machine alone, whatever the listener is bound to.
	Pprof bool
}

// New returns the handler of the admin listener. It panics without a Gatherer.
// It is safe for concurrent use.
func New(o Options) http.Handler {
	if o.Gatherer == nil {
		panic("admin: a handler without a gatherer")
	}
	guard := newGuard(o.Token)
	r := chi.NewRouter()
	r.Use(middleware.GetHead, headers)
	r.Get("/-/healthy", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	r.Get("/-/ready", readiness{o.Checks, o.Models, guard}.ServeHTTP)
	r.Group(func(r chi.Router) {
		r.Use(guard.require)
		r.Get("/metrics", metricsHandler(o).ServeHTTP)
		if o.Token == "" {
			r = r.With(local)
		}
		if o.Pprof {
			profiles(r)
		}
		if o.Reload != nil {
			r.With(http.NewCrossOriginProtection().Handler).Post("/-/models/reload", reloadHandler(o.Reload))
		}
	})
	return r
}

// metricsHandler shows what can be gathered even when some of it can't.
func metricsHandler(o Options) http.Handler {
	opts := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes}
	if o.Logger != nil {
		opts.ErrorLog = slog.NewLogLogger(o.Logger.Handler(), slog.LevelError)
	}
	return promhttp.HandlerFor(o.Gatherer, opts)
}

// profiles serves net/http/pprof but for its cmdline: flags may hold secrets.
func profiles(r chi.Router) {
	const root = "/debug/pprof"
	r.Get(root+"/", pprof.Index)
	r.Get(root+"/profile", pprof.Profile)
	r.Get(root+"/trace", pprof.Trace)
	r.Get(root+"/symbol", pprof.Symbol)
	r.Post(root+"/symbol", pprof.Symbol)
	for _, name := range []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"} {
		r.Get(root+"/"+name, pprof.Handler(name).ServeHTTP)
	}
}

// headers keeps answers out of caches and from being taken for pages.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// local refuses callers that did not come in on a loopback address, and requests
// to any name but the local machine's: a web page whose name was made to resolve
// to 127.0.0.1 could read profiles otherwise.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if address == nil || !isLocal(address.String()) || !isLocal(r.Host) {
			http.Error(w, "this is for callers on this machine alone, unless a token is configured", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocal reports whether an address, with or without a port, is loopback.
func isLocal(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

// guard compares tokens. It keeps a digest: the comparison takes the same time
// whatever is wrong and however long it is.
type guard struct {
	open   bool
	digest [sha256.Size]byte
}

func newGuard(token string) guard {
	return guard{open: token == "", digest: sha256.Sum256([]byte(token))}
}

// admits tells whether the caller brought the token, or none is needed.
func (g guard) admits(r *http.Request) bool {
	if g.open {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	digest := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(digest[:], g.digest[:]) == 1
}

// require answers 401 to those that guard does not admit.
func (g guard) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.admits(r) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="rerankd admin"`)
			http.Error(w, "a Bearer token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
