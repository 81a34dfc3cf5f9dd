package localcluster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// externalLimit bounds the questions asked of a cluster that should be
	// there already.
	externalLimit = 10 * time.Second

	// maxInfoBytes bounds the answers read from a cluster that is only asked
	// for its health and version.
	maxInfoBytes = 1 << 20
)

// startExternal takes the cluster that a variable names. A faulty one is an
// error and not a reason to go on: who sets it wants that cluster and no other.
func startExternal(ctx context.Context, s *setup) (*Cluster, error) {
	variable := s.dist.url
	raw := s.getenv(variable)
	if raw == "" {
		return nil, fmt.Errorf("%w: %s is not set", errNotTaken, variable)
	}
	c, err := parseURL(variable, raw)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, externalLimit)
	defer cancel()
	client := newClient()
	defer client.CloseIdleConnections()
	if err := checkHealth(ctx, client, c); err != nil {
		return nil, fmt.Errorf("ask the cluster of %s: %w (start it, or unset %s to have one started)", variable, err, variable)
	}
	c.Version = askVersion(ctx, client, c)
	return c, nil
}

// parseURL splits an address into the base URL and the credentials in it. Its
// errors never repeat the address, which may hold a password.
func parseURL(variable, raw string) (*Cluster, error) {
	const want = "want http(s)://[user:password@]host:port"
	u, err := url.Parse(raw)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // without the address itself
		}
		return nil, fmt.Errorf("read %s: %w, %s", variable, err, want)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("read %s: %s, got %q", variable, want, u.Redacted())
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("read %s: %s and nothing behind it, got %q", variable, want, u.Redacted())
	}
	c := &Cluster{URL: u.Scheme + "://" + u.Host}
	if u.User != nil {
		password, _ := u.User.Password()
		c.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
	}
	return c, nil
}

// newClient returns a client with a transport of its own, so that its idle
// connections can be closed without touching anybody else's.
func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	return &http.Client{Transport: t}
}

// checkHealth asks for a cluster that can serve reads and writes. Any healthy
// answer will do: an account without the monitor privilege gets 403 from a
// cluster that works.
func checkHealth(ctx context.Context, client *http.Client, c *Cluster) error {
	status, _, err := get(ctx, client, c, "/_cluster/health?wait_for_status=yellow&timeout=5s")
	switch {
	case err != nil:
		return err
	case status == http.StatusUnauthorized:
		return errors.New("status 401: it wants credentials, put them into the address as user:password@")
	case status >= 300 && status != http.StatusForbidden:
		return fmt.Errorf("status %d from /_cluster/health", status)
	}
	return nil
}

// askVersion reads the version from the root page, or from the node itself
// where a minimal distribution has no root page.
func askVersion(ctx context.Context, client *http.Client, c *Cluster) string {
	var root struct {
		Version struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		} `json:"version"`
	}
	if getJSON(ctx, client, c, "/", &root) == nil && root.Version.Number != "" {
		return strings.TrimSpace(root.Version.Distribution + " " + root.Version.Number)
	}
	var nodes struct {
		Nodes map[string]struct {
			Version string `json:"version"`
		} `json:"nodes"`
	}
	if getJSON(ctx, client, c, "/_nodes/_local?filter_path=nodes.*.version", &nodes) == nil {
		for _, n := range nodes.Nodes {
			return n.Version
		}
	}
	return "unknown"
}

func getJSON(ctx context.Context, client *http.Client, c *Cluster, path string, into any) error {
	status, body, err := get(ctx, client, c, path)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("get %s: status %d", path, status)
	}
	return json.Unmarshal(body, into)
}

func get(ctx context.Context, client *http.Client, c *Cluster, path string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	if c.Authorization != "" {
		req.Header.Set("Authorization", c.Authorization)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxInfoBytes))
	return res.StatusCode, body, err
}
