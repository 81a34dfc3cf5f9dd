package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// bareCommand is the argument by which this program becomes the bare proxy.
const bareCommand = "bare"

// bareProxy shows what the server of net/http takes of passing a request through,
// whoever uses it: it only writes the request to a connection that belongs to the
// caller's, reads the answer in the same goroutine, and copies it. It has no
// pool, retries, limits, timeouts, logs or metrics, and must not be used for
// anything else.
type bareProxy struct {
	upstream    string
	connections sync.Map // from a caller's net.Conn to the one to the upstream
	buffers     sync.Pool
}

// upstreamKey is the context key of a caller's connection to the upstream.
type upstreamKey struct{}

// serveBare serves until ctx ends; connections to the upstream may close a moment
// later. Upstream is a port of the loopback interface.
func serveBare(ctx context.Context, l net.Listener, upstream string) error {
	p := &bareProxy{upstream: "127.0.0.1:" + upstream, buffers: sync.Pool{New: func() any { return new([32 << 10]byte) }}}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute, ConnContext: p.connect, ConnState: p.disconnect}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (p *bareProxy) connect(ctx context.Context, caller net.Conn) context.Context {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.upstream)
	if err != nil {
		return ctx // ServeHTTP tells
	}
	p.connections.Store(caller, c)
	return context.WithValue(ctx, upstreamKey{}, bufio.NewReadWriter(bufio.NewReaderSize(c, 16<<10), bufio.NewWriterSize(c, 16<<10)))
}

func (p *bareProxy) disconnect(caller net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	if c, ok := p.connections.LoadAndDelete(caller); ok {
		_ = c.(net.Conn).Close()
	}
}

func (p *bareProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(upstreamKey{}).(*bufio.ReadWriter)
	if !ok {
		http.Error(w, "no connection to the upstream", http.StatusBadGateway)
		return
	}
	if err := p.relay(w, r, c); err != nil {
		panic(http.ErrAbortHandler) // which ends both connections
	}
}

func (p *bareProxy) relay(w http.ResponseWriter, r *http.Request, c *bufio.ReadWriter) error {
	r.URL.Scheme, r.URL.Host = "http", p.upstream
	if err := errors.Join(r.Write(c), c.Flush()); err != nil {
		return err
	}
	res, err := http.ReadResponse(c.Reader, r)
	if err != nil {
		return err
	}
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	buffer := p.buffers.Get().(*[32 << 10]byte)
	defer p.buffers.Put(buffer)
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, res.Body, buffer[:])
	return errors.Join(err, res.Body.Close())
}
