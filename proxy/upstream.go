package proxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// UpstreamOptions describe the cluster and how it is reached.
type UpstreamOptions struct {
	// URLs are the nodes, as scheme://host:port without user, path or query; at
	// least one, none twice. Several nodes must belong to one cluster.
	URLs []string
	// CAFile is a PEM file of certificate authorities. When set, only certificates
	// that chain to one of them are accepted; otherwise the system's are used.
	CAFile string
	// InsecureSkipVerify accepts any certificate. For trials only.
	InsecureSkipVerify bool
	// DialTimeout bounds the making of a connection, and a health probe. Positive.
	DialTimeout time.Duration
	// MaxIdleConnsPerHost is how many idle connections are kept to each node.
	// Positive.
	MaxIdleConnsPerHost int
	// HealthInterval is the time between two probes of a node. Positive.
	HealthInterval time.Duration
	// Flavour is the kind of cluster; "" means Elasticsearch.
	Flavour Flavour
	// Logger takes a line for each node that goes down or comes back. Required.
	Logger *slog.Logger
}

const (
	tlsHandshakeTimeout = 10 * time.Second
	// expectTimeout is how long a body waits for the cluster's 100 Continue before
	// it is sent anyway, as HTTP allows.
	expectTimeout = time.Second
	// idleTimeout closes connections that are unused for longer than most load
	// balancers in between keep them.
	idleTimeout = 50 * time.Second
	// connectionBuffer is read and written at once: enough for a usual page of hits
	// with its header, where net/http's 4 KiB take three calls of the system.
	connectionBuffer = 16 << 10
)

// Upstream sends requests to the nodes of one cluster. It is an
// [http.RoundTripper] over Elastic's own transport, and safe for concurrent use.
//
// Each request goes to the next live node in turn. A node that can't be
// connected to, or that drops a connection without an answer, is skipped until a
// probe of its own succeeds; a caller who hangs up leaves the node's state as it
// was. A request is sent again, to another node, only if no byte of it can have
// been acted on: no connection came about, or it is a GET or HEAD without body.
//
// It has no credentials: a request without Authorization is sent without one.
type Upstream struct {
	client  *elastictransport.Client
	base    *http.Transport
	nodes   *nodes
	flavour flavour
	logger  *slog.Logger

	cancel  context.CancelFunc
	probing sync.WaitGroup
}

var _ http.RoundTripper = (*Upstream)(nil)

// NewUpstream checks the options, joining every problem found, and starts the
// health probes; Close ends them. It does not wait for the cluster: Ready tells.
func NewUpstream(o UpstreamOptions) (*Upstream, error) {
	urls, err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("check upstream options: %w", err)
	}
	security, err := o.tls()
	if err != nil {
		return nil, err
	}
	pool := &nodes{}
	for _, u := range urls {
		pool.list = append(pool.list, newNode(u))
	}
	base := &http.Transport{
		// No Proxy: the environment's HTTP_PROXY is for reaching the outside, and a
		// proxy in between would see the callers' credentials.
		DialContext:           (&net.Dialer{Timeout: o.DialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       security,
		TLSHandshakeTimeout:   tlsHandshakeTimeout,
		DisableCompression:    true, // else answers would be decompressed on their way through
		MaxIdleConnsPerHost:   o.MaxIdleConnsPerHost,
		IdleConnTimeout:       idleTimeout,
		ExpectContinueTimeout: expectTimeout,
		ReadBufferSize:        connectionBuffer,
		WriteBufferSize:       connectionBuffer,
	}
	client, err := elastictransport.NewClient(
		elastictransport.WithURLs(urls...),
		elastictransport.WithTransport(asCaller{base}),
		// Its retries repeat POST too, and buffer whole bodies for it.
		elastictransport.WithDisableRetry(),
		elastictransport.WithConnectionPoolFunc(func([]*elastictransport.Connection, elastictransport.Selector) elastictransport.ConnectionPool {
			return pool
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("create upstream transport: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	u := &Upstream{client: client, base: base, nodes: pool, logger: o.Logger, cancel: cancel}
	u.flavour.known = cmp.Or(o.Flavour, FlavourElasticsearch)
	u.flavour.told = func(found Flavour) { u.logger.Info("the cluster has told what it is", keyFlavour, string(found)) }
	for _, n := range pool.list {
		u.probing.Go(func() { u.watch(ctx, n, o.HealthInterval, o.DialTimeout) })
	}
	return u, nil
}

func (o UpstreamOptions) validate() ([]*url.URL, error) {
	var errs []error
	if len(o.URLs) == 0 {
		errs = append(errs, errors.New("no url"))
	}
	seen := map[string]bool{}
	var urls []*url.URL
	for i, s := range o.URLs {
		u, err := nodeURL(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("url %d: %w", i+1, err))
			continue
		}
		if seen[u.String()] {
			errs = append(errs, fmt.Errorf("url %d: %s is listed twice", i+1, u))
		}
		seen[u.String()] = true
		urls = append(urls, u)
	}
	if o.DialTimeout <= 0 {
		errs = append(errs, errors.New("dial timeout must be positive"))
	}
	if o.HealthInterval <= 0 {
		errs = append(errs, errors.New("health interval must be positive"))
	}
	if o.MaxIdleConnsPerHost <= 0 {
		errs = append(errs, errors.New("idle connections per host must be positive"))
	}
	if o.Logger == nil {
		errs = append(errs, errors.New("no logger"))
	}
	return urls, errors.Join(errs...)
}

// nodeURL parses an address and refuses what can't be honoured: a path would
// make the transport rebuild, and so re-escape, every request path, and a user
// would lend its rights to callers that have none.
func nodeURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL") // the parser's message repeats the text, password included
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("%s: no user or password may be given here; callers send their own", u.Redacted())
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, fmt.Errorf("want http(s)://host:port, got %q", u.Redacted())
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("%s: no path, query or fragment may be given", u.Redacted())
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func (o UpstreamOptions) tls() (*tls.Config, error) {
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: o.InsecureSkipVerify,
	}
	if o.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read upstream CA file: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read upstream CA file: no PEM certificate in %s", o.CAFile)
	}
	return c, nil
}

// Nodes reports the state of every node, in the order of the options.
func (u *Upstream) Nodes() []NodeState {
	states := make([]NodeState, len(u.nodes.list))
	for i, n := range u.nodes.list {
		states[i] = n.snapshot()
	}
	return states
}

// Ready returns nil as soon as some node has answered and is live, else an error
// that joins what is wrong with each.
func (u *Upstream) Ready() error {
	var errs []error
	for _, s := range u.Nodes() {
		switch {
		case s.Live && s.Answered:
			return nil
		case s.Err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", s.URL, s.Err))
		default:
			errs = append(errs, fmt.Errorf("%s: has not answered yet", s.URL))
		}
	}
	return errors.Join(errs...)
}

// Close ends the probes and closes idle connections. Requests in flight go on.
// It may be called once.
func (u *Upstream) Close() error {
	u.cancel()
	u.probing.Wait()
	err := u.client.Close(context.Background())
	u.base.CloseIdleConnections()
	if err != nil {
		return fmt.Errorf("close upstream transport: %w", err)
	}
	return nil
}
