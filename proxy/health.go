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
	if found := ofHeader(res.Header); found != FlavourAuto {
		u.flavour.learn(found)
	} else if u.flavour.get() == FlavourAuto && res.StatusCode == http.StatusOK {
		u.probeFlavour(req.Clone(ctx))
	}
	switch res.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return fmt.Errorf("probe node: status %d", res.StatusCode)
	}
	return nil
}

// probeFlavour reads the root page of a node that is not signed as Elasticsearch's. If
// that fails, the next probe tries again.
func (u *Upstream) probeFlavour(req *http.Request) {
	req.Method = http.MethodGet
	res, err := u.base.RoundTrip(req)
	if err != nil {
		return
	}
	u.flavour.learn(ofRootPage(res))
	_ = res.Body.Close() // what matters of it was read
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
