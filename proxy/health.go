package proxy

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// watch probes a node at once, then at every tick and whenever it is kicked,
// until ctx ends.
func (u *Upstream) watch(ctx context.Context, n *node, interval, timeout time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if err := u.probe(ctx, n, timeout); err == nil {
			u.report(n, nil)
		} else if ctx.Err() == nil {
			u.report(n, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-n.kick:
		}
	}
}

// probe asks the node for its root page without a body and without credentials.
// Any answer shows a working node, a 401 or 405 too, except those by which a
// node, or a load balancer before it, says that it can't serve.
func (u *Upstream) probe(ctx context.Context, n *node, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, n.conn.URL.String()+"/", http.NoBody)
	if err != nil {
		return fmt.Errorf("create probe: %w", err)
	}
	req.Header.Set("User-Agent", "rerankd")
	res, err := u.base.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("probe node: %w", err)
	}
	if err := res.Body.Close(); err != nil {
		return fmt.Errorf("close probe answer: %w", err)
	}
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("probe node: status %d", res.StatusCode)
	}
	return nil
}

// report records what was learnt of a node and logs a change.
func (u *Upstream) report(n *node, err error) {
	if err == nil {
		if n.up() {
			u.logger.Info("upstream node is back", keyNode, n.name)
		}
		return
	}
	if n.down(err) {
		u.logger.Warn("upstream node is down", keyNode, n.name, keyError, err)
	}
}
