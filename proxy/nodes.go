package proxy

import (
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// node is one address of the cluster and what is known of it.
type node struct {
	conn *elastictransport.Connection
	name string        // scheme://host:port, for logs
	kick chan struct{} // asks for a probe now; holds one

	mu    sync.Mutex
	state NodeState
}

// NodeState is what is known of one node at a moment.
type NodeState struct {
	URL string // scheme://host:port
	// Live tells whether requests are sent to the node. A node counts as live
	// until it is seen to fail.
	Live bool
	// Answered tells whether the node has ever answered.
	Answered bool
	// Err is why the node is not live, else nil.
	Err error
}

func newNode(u *url.URL) *node {
	return &node{
		conn:  &elastictransport.Connection{URL: u},
		name:  u.String(),
		kick:  make(chan struct{}, 1),
		state: NodeState{URL: u.String(), Live: true},
	}
}

func (n *node) snapshot() NodeState {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.state
}

func (n *node) live() bool { return n.snapshot().Live }

// up records an answer and reports whether the node was down before.
func (n *node) up() (changed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed = !n.state.Live
	n.state.Live, n.state.Answered, n.state.Err = true, true, nil
	return changed
}

// down records a failure, asks for a probe and reports whether the node was
// live before. Without the probe, one dropped connection would bench a healthy
// node until the next tick.
func (n *node) down(err error) (changed bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed = n.state.Live
	n.state.Live, n.state.Err = false, err
	if changed {
		select {
		case n.kick <- struct{}{}:
		default:
		}
	}
	return changed
}

// nodes is the connection pool under elastictransport: round robin over the
// nodes that are live. It takes the place of that package's own pool, which
// benches a node for a minute on any error of a round trip, a caller's hanging
// up included, and which has no health check. What a failure means is decided by
// Upstream, which sees the request, so the pool's two reports do nothing.
type nodes struct {
	list []*node
	next atomic.Uint64
}

// ConcurrentSafe spares the transport a lock around Next.
func (p *nodes) ConcurrentSafe() {}

var _ elastictransport.ConcurrentSafeConnectionPool = (*nodes)(nil)

// Next gives the next live node in turn. With none live it gives the next one
// all the same: a node may have come back since it was seen last, and a caller
// is better served by the true error than by a refusal from memory.
func (p *nodes) Next() (*elastictransport.Connection, error) {
	start := p.next.Add(1)
	count := uint64(len(p.list))
	for i := range count {
		if n := p.list[(start+i)%count]; n.live() {
			return n.conn, nil
		}
	}
	return p.list[start%count].conn, nil
}

// OnSuccess does nothing: see nodes.
func (p *nodes) OnSuccess(*elastictransport.Connection) error { return nil }

// OnFailure does nothing: see nodes.
func (p *nodes) OnFailure(*elastictransport.Connection) error { return nil }

// URLs lists the addresses of all nodes.
func (p *nodes) URLs() []*url.URL {
	urls := make([]*url.URL, len(p.list))
	for i, n := range p.list {
		urls[i] = n.conn.URL
	}
	return urls
}

// anyLive reports whether a node is left to try.
func (p *nodes) anyLive() bool {
	for _, n := range p.list {
		if n.live() {
			return true
		}
	}
	return false
}

// at finds the node with the scheme and host of u.
func (p *nodes) at(u *url.URL) *node {
	for _, n := range p.list {
		if n.conn.URL.Host == u.Host && n.conn.URL.Scheme == u.Scheme {
			return n
		}
	}
	return nil
}
