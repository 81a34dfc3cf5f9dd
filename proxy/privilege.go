package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/rerankd/rerankd/retriever"
)

// privilege is a right that the cluster gives, and that this program asks it about
// before it does for a caller what the cluster would have done for that right.
type privilege struct {
	name    string // of the cluster privilege
	action  string // that it grants, as errors call it
	granted string // by which privileges, as errors list them

	// A cluster that knows no such privileges, for it has no security or another
	// one, is asked to do something of the same weight that changes nothing.
	method, path, query string
}

var (
	// useEndpoints is the right to see inference endpoints and to call them.
	useEndpoints = privilege{
		name: "monitor_inference", action: "cluster:monitor/xpack/inference", granted: "monitor_inference,manage_inference,monitor,manage,all",
		method: http.MethodGet, path: "/_cluster/health", query: "filter_path=status",
	}
	// manageEndpoints is the right to make, change and delete them.
	manageEndpoints = privilege{
		name: "manage_inference", action: "cluster:admin/xpack/inference/put", granted: "manage_inference,manage,all",
		method: http.MethodPost, path: "/_cluster/reroute", query: "dry_run=true&filter_path=acknowledged",
	}
)

// authorize asks the cluster, with the caller's own credentials, whether the
// caller has a privilege. nil is a yes; a *refused is the cluster's own no.
func (p *Proxy) authorize(r *http.Request, need privilege) error {
	body := []byte(`{"cluster":["` + need.name + `"]}`)
	answer, err := p.consult(r.Context(), r, http.MethodPost, &url.URL{Path: "/_security/user/_has_privileges"}, body)
	if err != nil {
		if !lacks(err) {
			return err
		}
		_, err := p.consult(r.Context(), r, need.method, &url.URL{Path: need.path, RawQuery: need.query}, nil)
		return err
	}
	var has struct {
		User string `json:"username"`
		All  bool   `json:"has_all_requested"`
	}
	if err := json.Unmarshal(answer, &has); err != nil {
		return fmt.Errorf("%w: %w", retriever.ErrAnswer, err)
	}
	if !has.All {
		return newError(http.StatusForbidden, "security_exception",
			"action [%s] is unauthorized for user [%s], this action is granted by the cluster privileges [%s]",
			need.action, clip(has.User), need.granted)
	}
	return nil
}

// consult is ask for a request whose media types are not the caller's.
func (p *Proxy) consult(ctx context.Context, r *http.Request, method string, target *url.URL, body []byte) ([]byte, error) {
	plain := r.Clone(ctx)
	plain.Header.Set("Accept", mediaJSON)
	plain.Header.Del("Content-Type")
	if body != nil {
		plain.Header.Set("Content-Type", mediaJSON)
	}
	answer, _, err := p.ask(ctx, plain, method, target, body)
	return answer, err
}

// lacks reports an answer by which a cluster says that it doesn't have the API
// that was asked for, and closes it.
func lacks(err error) bool {
	var no *refused
	if !errors.As(err, &no) || !absent(no.res) {
		return false
	}
	_ = no.res.Body.Close() // it was read as far as it matters
	return true
}
