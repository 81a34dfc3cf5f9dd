package proxy

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
)

// newReverseProxy builds the relay. What it adds to [httputil.ReverseProxy] is
// only what keeps a request as the caller sent it; see asSent.
func (p *Proxy) newReverseProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			asSent(pr)
			p.dropOwnHeaders(pr.Out.Header)
		},
		Transport:  p.o.Upstream,
		BufferPool: copyBuffers{},
		ModifyResponse: func(res *http.Response) error {
			p.o.Observer.Upstream(res.StatusCode)
			return fallback(res)
		},
		ErrorHandler: p.fail,
		ErrorLog:     slog.NewLogLogger(p.o.Logger.Handler(), slog.LevelDebug),
	}
}

// asSent undoes what ReverseProxy changes on its own account. Hop-by-hop headers,
// and those that Connection names, are gone already.
//
//   - The path goes out in the caller's own spelling. Parsing and printing it
//     again would re-escape characters that clients may leave bare, as in <logs>.
//   - Query parameters that Go can't parse are put back: the cluster judges them.
//   - Forwarded and X-Forwarded-* are neither stripped nor extended. A caller, or
//     a proxy before this one, is seen by the cluster as without rerankd.
//   - No upgrade of the protocol is offered: behind one, searches would go by unseen.
//   - Trailers are shared with the incoming request, because their values are
//     only known when the body has been read.
func asSent(pr *httputil.ProxyRequest) {
	in, out := pr.In, pr.Out
	out.URL.Opaque = rawPath(in)
	out.URL.RawQuery = in.URL.RawQuery
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if values, has := in.Header[name]; has {
			out.Header[name] = values
		}
	}
	out.Header.Del("Connection")
	out.Header.Del("Upgrade")
	out.Trailer = in.Trailer
}

// rawPath is the path of the request line as it was sent, for url.URL.Opaque;
// empty where the parsed path must be used: in the absolute form of a request,
// and for a path with two slashes in front, which Opaque would turn into a host.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return ""
	}
	return path
}

// pass relays a request and its answer.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect {
		p.fail(w, r, newError(http.StatusMethodNotAllowed, "illegal_argument_exception",
			"rerankd does not support method [CONNECT]"))
		return
	}
	for name := range r.Trailer {
		if !validToken(name) {
			p.fail(w, r, newError(http.StatusBadRequest, "illegal_argument_exception", "invalid name of a trailer"))
			return
		}
	}
	of(w).streams = true
	p.relay.ServeHTTP(w, r)
}

// copyBuffers lends the relay its copy buffers.
type copyBuffers struct{}

const copyBufferSize = 32 << 10

var copyPool = sync.Pool{New: func() any { return new([copyBufferSize]byte) }}

// Get implements [httputil.BufferPool].
func (copyBuffers) Get() []byte { return copyPool.Get().(*[copyBufferSize]byte)[:] }

// Put implements [httputil.BufferPool].
func (copyBuffers) Put(b []byte) { copyPool.Put((*[copyBufferSize]byte)(b)) }
