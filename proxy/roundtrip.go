package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
)

// errCaller marks a failure to read the caller's own request body.
var errCaller = errors.New("request body ended early")

// errUnreachable marks a request that no node answered.
var errUnreachable = errors.New("no answer from upstream")

// RoundTrip sends a request to a live node and returns its answer, whatever the
// status. The URL's scheme and host are the node's; everything else is the
// request's own. The error wraps the context's error if the request was given
// up, errCaller if its body failed, and errUnreachable otherwise.
//
// A request for OpenSearch is put into its words, and its answer into those of
// Elasticsearch.
func (u *Upstream) RoundTrip(in *http.Request) (*http.Response, error) {
	if u.flavourFor(in) != FlavourOpenSearch {
		return u.send(in)
	}
	out, back, err := toOpenSearch(in)
	if err != nil {
		return nil, err
	}
	res, err := u.send(out)
	if err != nil {
		return nil, err
	}
	if err := back(res); err != nil {
		_ = res.Body.Close() // of no use
		return nil, fmt.Errorf("send request: %w", err)
	}
	return res, nil
}

// send is a round trip as the request stands.
func (u *Upstream) send(in *http.Request) (*http.Response, error) {
	body := guard(in.Body)
	defer body.release()
	for range u.nodes.list {
		body.rearm()
		out := outgoing(in, body)
		res, err := u.client.Perform(out)
		n := u.nodes.at(out.URL)
		switch {
		case err == nil:
			u.report(n, nil)
			return res, nil
		case in.Context().Err() != nil:
			return nil, fmt.Errorf("send request: %w", context.Cause(in.Context()))
		case body.failed() != nil:
			return nil, fmt.Errorf("send request: %w: %w", errCaller, body.failed())
		case n == nil: // the transport gave up before it chose a node: it is closed
			return nil, fmt.Errorf("send request: %w: %w", errUnreachable, err)
		}
		u.report(n, err)
		if !repeatable(in, err) || !u.nodes.anyLive() {
			return nil, fmt.Errorf("send request to %s: %w: %w", n.name, errUnreachable, err)
		}
	}
	return nil, fmt.Errorf("send request: %w: every node was tried", errUnreachable)
}

// outgoing copies what the transport will change: it writes the node's address
// into the URL and its own name into User-Agent, and an http.RoundTripper may
// not change the request it is given.
func outgoing(in *http.Request, body *guardedBody) *http.Request {
	out := in.WithContext(context.WithValue(in.Context(), callerKey{}, in))
	address := *in.URL
	out.URL = &address
	out.Header = maps.Clone(in.Header) // whole values are replaced, and none is changed
	if out.Header == nil {
		out.Header = http.Header{}
	}
	out.Host = "" // the node's own name, which a certificate and virtual hosts are bound to
	if body != nil {
		out.Body = body
	}
	return out
}

// repeatable reports whether a failed request can't have had an effect: either
// no connection came about, so nothing was sent, or it only reads.
func repeatable(r *http.Request, err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.Body == nil || r.Body == http.NoBody)
}

// callerKey is the context key of the request as the caller sent it.
type callerKey struct{}

// asCaller is the transport under elastictransport, whose User-Agent it replaces
// with the caller's. Without one of the caller's the header stays empty, by which
// net/http sends none; so a caller's header without a value is lost, too.
type asCaller struct{ base *http.Transport }

// noAgent has net/http send no User-Agent. Nobody writes to it.
var noAgent = []string{""}

// RoundTrip implements [http.RoundTripper] for requests made by outgoing, which
// may be changed.
func (t asCaller) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header["User-Agent"] = noAgent
	if in, ok := r.Context().Value(callerKey{}).(*http.Request); ok {
		if agent, has := in.Header["User-Agent"]; has {
			r.Header["User-Agent"] = agent
		}
	}
	return t.base.RoundTrip(r)
}
