package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// guardedBody is a request body on its way to the cluster. It does two things
// that a plain body can't: it holds back the Close of a transport that failed to
// connect, so the unread body can go to the next node; and it remembers a failed
// read, so a caller who hung up is not taken for a node that failed.
//
// The transport reads and closes it on a goroutine of its own, which may outlast
// the round trip.
type guardedBody struct {
	body io.ReadCloser

	mu       sync.Mutex
	err      error // of a Read, other than io.EOF
	started  bool  // a Read happened: the bytes can't be had again
	closing  bool  // a Close is held back
	released bool  // Close goes through
}

// guard wraps a body; without one it gives nil, whose methods are no-ops.
func guard(body io.ReadCloser) *guardedBody {
	if body == nil || body == http.NoBody {
		return nil
	}
	return &guardedBody{body: body}
}

func (g *guardedBody) Read(p []byte) (int, error) {
	g.mu.Lock()
	g.started = true
	g.mu.Unlock()
	n, err := g.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		g.mu.Lock()
		if g.err == nil && !g.closing {
			g.err = err
		}
		g.mu.Unlock()
	}
	return n, err
}

// Close closes the body, or keeps it for the next node if nothing was read.
func (g *guardedBody) Close() error {
	g.mu.Lock()
	g.closing = true
	pass := g.started || g.released
	g.mu.Unlock()
	if pass {
		return g.body.Close()
	}
	return nil
}

// rearm readies the body for one more node, after a Close that was held back.
func (g *guardedBody) rearm() {
	if g == nil {
		return
	}
	g.mu.Lock()
	g.closing = false
	g.mu.Unlock()
}

// release ends the holding back: there will be no other node.
func (g *guardedBody) release() {
	if g == nil {
		return
	}
	g.mu.Lock()
	held := g.closing && !g.started && !g.released
	g.released = true
	g.mu.Unlock()
	if held {
		// The body was not read and nobody waits for it: there is nothing to tell.
		_ = g.body.Close()
	}
}

// failed returns the error by which reading the body ended, nil for none.
func (g *guardedBody) failed() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}
