package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rerankd/rerankd/retriever"
	"github.com/rerankd/rerankd/scorer"
)

// patience is how long a test waits for what must happen; it is never waited out
// by a test that passes.
const patience = time.Minute

// scoreFunc is a scorer that injects faults or fixed scores.
type scoreFunc func(ctx context.Context, query string, passages []string) ([]float32, error)

func (f scoreFunc) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	return f(ctx, query, passages)
}

// byLength rates longer passages higher.
func byLength(_ context.Context, _ string, passages []string) ([]float32, error) {
	scores := make([]float32, len(passages))
	for i, p := range passages {
		scores[i] = float32(len(p))
	}
	return scores, nil
}

// counts is an Observer that keeps what it was told.
type counts struct {
	mu       sync.Mutex
	requests []string // route outcome
	stages   map[string]int
	passages []int
	upstream []int
}

func (c *counts) Request(route, outcome string, _ float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests = append(c.requests, route+" "+outcome)
}

func (c *counts) Stage(stage string, _ float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stages == nil {
		c.stages = map[string]int{}
	}
	c.stages[stage]++
}

func (c *counts) Passages(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passages = append(c.passages, n)
}

func (c *counts) Upstream(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.upstream = append(c.upstream, status)
}

// logs keeps log lines, and lets a test wait for one.
type logs struct {
	mu    sync.Mutex
	lines []map[string]any
	fresh chan struct{} // closed and replaced at each line
}

func (l *logs) Write(p []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	close(l.fresh)
	l.fresh = make(chan struct{})
	return len(p), nil
}

// waitFor returns the first line that matches all of want.
func (l *logs) waitFor(t *testing.T, want map[string]any) map[string]any {
	t.Helper()
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		lines, fresh := slices.Clone(l.lines), l.fresh
		l.mu.Unlock()
		for _, line := range lines {
			if holds(line, want) {
				return line
			}
		}
		select {
		case <-fresh:
		case <-deadline:
			t.Fatalf("no log line with %v in %v", want, lines)
		}
	}
}

func holds(line, want map[string]any) bool {
	for key, value := range want {
		if line[key] != value {
			return false
		}
	}
	return true
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, line := range l.lines {
		for _, key := range slices.Sorted(maps.Keys(line)) {
			raw, _ := json.Marshal(line[key])
			b.WriteString(key + "=" + string(raw) + " ")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func newLogs() (*logs, *slog.Logger) {
	l := &logs{fresh: make(chan struct{})}
	return l, slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// bench is a proxy on a real socket before real upstream sockets.
type bench struct {
	url      string // of the proxy
	addr     string
	handler  *Proxy
	upstream *Upstream
	seen     *counts
	logs     *logs
}

// start runs a proxy before the given nodes. change may alter its options, tune
// those of its upstream.
func start(tb testing.TB, nodes []string, change func(*Options), tune ...func(*UpstreamOptions)) *bench {
	tb.Helper()
	logged, logger := newLogs()
	uo := UpstreamOptions{
		URLs: nodes, DialTimeout: patience, MaxIdleConnsPerHost: 16,
		HealthInterval: time.Hour, Logger: logger,
	}
	for _, f := range tune {
		f(&uo)
	}
	up, err := NewUpstream(uo)
	if err != nil {
		tb.Fatal(err)
	}
	seen := &counts{}
	o := Options{
		Upstream: up, Observer: seen, Logger: logger,
		Endpoint: func(id string) (scorer.Scorer, bool) {
			return scoreFunc(byLength), id == ".rerank-v1-elasticsearch"
		},
		BodyLimit: 1 << 20, AnswerLimit: 1 << 20, RerankTimeout: time.Hour,
		Searches: 100, HeldBytes: 1 << 30,
		Retriever: retriever.Options{DefaultWindow: 30, MaxWindow: 1000, DefaultEndpoint: ".rerank-v1-elasticsearch"},
	}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(p)
	tb.Cleanup(func() {
		server.Close()
		if err := up.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &bench{handler: p, url: server.URL, addr: server.Listener.Addr().String(), upstream: up, seen: seen, logs: logged}
}

// cluster starts one upstream node. Health probes don't reach the handler.
func cluster(tb testing.TB, h http.HandlerFunc) *httptest.Server {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && r.URL.Path == "/" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		h(w, r)
	}))
	tb.Cleanup(server.Close)
	return server
}

// answer is what a client reads from a socket.
type answer struct {
	Interim []int // statuses before the last
	Status  int
	Header  http.Header // without Date
	Body    []byte
	Length  int64
	Chunked bool
	Trailer http.Header
}

// sendRaw writes request bytes to a fresh connection and reads the answer.
func sendRaw(t *testing.T, addr, raw string) answer {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(conn, raw) }() // ends with the connection at the latest
	method, _, _ := strings.Cut(raw, " ")
	reader := bufio.NewReader(conn)
	var a answer
	for {
		res, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("read answer to %.80q: %v", raw, err)
		}
		if res.StatusCode < 200 {
			a.Interim = append(a.Interim, res.StatusCode)
			continue
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("read body of answer to %.80q: %v", raw, err)
		}
		_ = res.Body.Close()
		res.Header.Del("Date")
		a.Status, a.Header, a.Body, a.Length, a.Trailer = res.StatusCode, res.Header, body, res.ContentLength, res.Trailer
		a.Chunked = slices.Contains(res.TransferEncoding, "chunked")
		return a
	}
}

// send makes one request through a client that neither compresses nor follows.
func send(t *testing.T, method, url, body string, header ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer func() { _ = res.Body.Close() }()
	var buf bytes.Buffer
	if _, err := buf.ReadFrom(res.Body); err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer{Status: res.StatusCode, Header: res.Header, Body: buf.Bytes(), Length: res.ContentLength, Trailer: res.Trailer}
}

// esError is the part of Elasticsearch's error form that clients read.
type esError struct {
	Error struct {
		RootCause  []struct{ Type, Reason string } `json:"root_cause"`
		Type       string                          `json:"type"`
		Reason     string                          `json:"reason"`
		Suppressed []struct {
			CausedBy struct{ Type, Reason string } `json:"caused_by"`
		} `json:"suppressed"`
	} `json:"error"`
	Status int `json:"status"`
}

// wantError checks that an answer has Elasticsearch's error form and a text that
// names the fault.
func wantError(t *testing.T, a answer, status int, reason string) esError {
	t.Helper()
	var e esError
	if err := json.Unmarshal(a.Body, &e); err != nil {
		t.Fatalf("status %d, body %q is no JSON: %v", a.Status, a.Body, err)
	}
	if a.Status != status || e.Status != status {
		t.Errorf("status = %d, in the body %d, want %d: %s", a.Status, e.Status, status, a.Body)
	}
	if len(e.Error.RootCause) != 1 || e.Error.Type == "" {
		t.Errorf("body %s lacks a type or its one root cause", a.Body)
	}
	if !strings.Contains(string(a.Body), reason) {
		t.Errorf("body %s does not name %q", a.Body, reason)
	}
	if got := a.Header.Get("X-Elastic-Product"); got != "Elasticsearch" {
		t.Errorf("X-Elastic-Product = %q", got)
	}
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "application/") {
		t.Errorf("Content-Type = %q", a.Header.Get("Content-Type"))
	}
	return e
}
