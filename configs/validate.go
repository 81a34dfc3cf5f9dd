package configs

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Validate reports every problem, one a line, each led by the YAML path that the
// operator must change. It looks at no file and opens no connection.
func (c Config) Validate() error {
	var p problems
	p.address("listen", c.Listen)
	c.Admin.validate(&p, c.Listen)
	c.Upstream.validate(&p)
	c.Limits.validate(&p)
	c.Rerank.validate(&p, c.Limits.Window, c.Endpoints)
	validateEndpoints(&p, c.Endpoints, c.Rerank.AllowTestModels)
	validateRules(&p, c.Rules, c.Endpoints, c.Limits.Window)
	c.Inference.validate(&p)
	c.Engine.validate(&p)
	if c.Cache.Bytes != 0 {
		between(&p, "cache.bytes", c.Cache.Bytes, 64*KiB, TiB)
	}
	p.oneOf("log.level", c.Log.Level, slices.Sorted(maps.Keys(levels))...)
	p.oneOf("log.format", c.Log.Format, FormatJSON, FormatText)
	within(&p, "shutdown_timeout", c.ShutdownTimeout, 0, time.Hour)
	return errors.Join(p...)
}

func (a Admin) validate(p *problems, listen string) {
	if a.Listen != "" {
		p.address("admin.listen", a.Listen)
		if a.Listen == listen && !strings.HasSuffix(listen, ":0") {
			p.add("admin.listen", "is the same as listen: %q", listen)
		}
	}
	token := a.Token.Reveal()
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		p.add("admin.token", "must be visible ASCII without blanks, to fit into a header")
	}
	if token == Mask {
		// Somebody copied a printed configuration: a token that all know.
		p.add("admin.token", "is the mask that stands for a token, not a token")
	}
}

// maxNodes is the most upstream nodes and the most endpoints.
const maxNodes = 64

func (u Upstream) validate(p *problems) {
	p.oneOf("upstream.flavour", u.Flavour, FlavourAuto, FlavourElasticsearch, FlavourOpenSearch)
	between(p, "upstream.urls", len(u.URLs), 1, maxNodes)
	seen := make(map[string]bool)
	for i, raw := range u.URLs {
		path := fmt.Sprintf("upstream.urls[%d]", i)
		if fault := urlFault(raw); fault != "" {
			p.add(path, "%s, got %q", fault, redacted(raw))
			continue
		}
		if same := strings.ToLower(strings.TrimSuffix(raw, "/")); seen[same] {
			p.add(path, "%q is there twice", raw)
		} else {
			seen[same] = true
		}
	}
	p.path("upstream.ca_file", u.CAFile)
	if u.CAFile != "" && u.InsecureSkipVerify {
		p.add("upstream.insecure_skip_verify", "must be false when upstream.ca_file is set")
	}
	within(p, "upstream.dial_timeout", u.DialTimeout, time.Millisecond, 5*time.Minute)
	between(p, "upstream.max_idle_conns_per_host", u.MaxIdleConnsPerHost, 1, 65536)
	within(p, "upstream.health_interval", u.HealthInterval, 100*time.Millisecond, time.Hour)
}

// urlFault says what is wrong with the address of a node, or nothing.
func urlFault(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(u.Host, ", "):
		return "want http(s)://host:port"
	case u.User != nil:
		return "must not hold a user or password: callers bring their own credentials"
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(raw, "#"):
		return "must end after the port"
	}
	if port := u.Port(); port != "" && !validPort(port, 1) || strings.HasSuffix(u.Host, ":") {
		return "port must be from 1 to 65535"
	}
	return ""
}

func (l Limits) validate(p *problems) {
	between(p, "limits.body_bytes", l.BodyBytes, 1, 2*GiB)
	between(p, "limits.answer_bytes", l.AnswerBytes, 1, 16*GiB)
	between(p, "limits.searches", l.Searches, 1, 65536)
	if l.HeldBytes != 0 {
		between(p, "limits.held_bytes", l.HeldBytes, MiB, TiB)
		if one := l.BodyBytes + l.AnswerBytes; l.HeldBytes < one {
			p.add("limits.held_bytes", "must be at least limits.body_bytes and limits.answer_bytes together, which are %v, got %v", one, l.HeldBytes)
		}
	}
	between(p, "limits.window", l.Window, 1, 10000)
	within(p, "limits.header_timeout", l.HeaderTimeout, time.Millisecond, time.Hour)
	within(p, "limits.idle_timeout", l.IdleTimeout, time.Millisecond, 24*time.Hour)
}

func (r Rerank) validate(p *problems, window int, endpoints []Endpoint) {
	between(p, "rerank.default_window", r.DefaultWindow, 1, max(1, window))
	// Without any endpoint that is the one problem to solve.
	if len(endpoints) > 0 && !slices.ContainsFunc(endpoints, func(e Endpoint) bool { return e.ID == r.DefaultEndpoint }) {
		p.add("rerank.default_endpoint", "%q is not the id of any of endpoints", r.DefaultEndpoint)
	}
	within(p, "rerank.timeout", r.Timeout, time.Millisecond, time.Hour)
	p.oneOf("rerank.on_failure", r.OnFailure, OnFailureDegrade, OnFailureFail)
	p.oneOf("rerank.fusion", r.Fusion, FusionProxy, FusionCluster)
}

func (i Inference) validate(p *problems) {
	p.path("inference.folder", i.Folder)
	between(p, "inference.max_endpoints", i.MaxEndpoints, 0, 1000)
	within(p, "inference.scale_down_after", i.ScaleDownAfter, time.Second, 24*time.Hour)
}

func (e Engine) validate(p *problems) {
	p.path("engine.library", e.Library)
	between(p, "engine.workers", e.Workers, 0, 1024)
	between(p, "engine.batch_tokens", e.BatchTokens, 16, 1<<20)
	if e.MaxTokens != 0 {
		between(p, "engine.max_tokens", e.MaxTokens, 16, 8192)
	}
	between(p, "engine.running", e.Running, 0, 4096)
	between(p, "engine.waiting", e.Waiting, 0, 65536)
}

// problems collects what is wrong.
type problems []error

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

// path wants the name of a file or folder that can be printed on one line.
func (p *problems) path(path, name string) {
	if strings.ContainsFunc(name, unicode.IsControl) {
		p.add(path, "a path can't hold control characters, got %q", clip(name))
	}
}

// host is a name, an address of IPv4 or IPv6 with its zone, or nothing.
var host = regexp.MustCompile(`^[A-Za-z0-9._:%-]*$`)

// address wants a host, which may be empty for all of them, and a port.
func (p *problems) address(path, address string) {
	if name, port, err := net.SplitHostPort(address); err != nil || !host.MatchString(name) || !validPort(port, 0) {
		p.add(path, "want host:port, got %q", clip(address))
	}
}

func validPort(port string, least uint64) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n >= least
}

func (p *problems) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		p.add(path, "want one of %s, got %q", strings.Join(allowed, ", "), clip(value))
	}
}

// between wants a number or a size in a range, ends included.
func between[T cmp.Ordered](p *problems, path string, value, least, most T) {
	if value < least || value > most {
		p.add(path, "must be from %v to %v, got %v", least, most, value)
	}
}

// within is between for durations, which are shown as they are written.
func within(p *problems, path string, value, least, most time.Duration) {
	if value < least || value > most {
		p.add(path, "must be from %s to %s, got %s", durationText(least), durationText(most), durationText(value))
	}
}
