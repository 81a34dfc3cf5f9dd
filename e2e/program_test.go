package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
)

// Inference ids that every program under test has, beside those of a test.
const (
	mock  = "mock"  // reads the score out of the text
	words = "words" // share of the query's words
)

// program is a running rerankd.
type program struct {
	*app.App

	url   string // of the proxy
	admin string // URL of the admin listener
	logs  *logs
}

// startProxy builds the program before the cluster of these tests, on free
// ports, and returns when it is ready to serve. It is stopped with the test.
func startProxy(tb testing.TB, change func(*configs.Config)) *program {
	tb.Helper()
	return startProxyAt(tb, cluster(tb).URL, change)
}

// startProxyAt is startProxy before another address.
func startProxyAt(tb testing.TB, upstream string, change func(*configs.Config)) *program {
	tb.Helper()
	p := startUnready(tb, upstream, change)
	p.awaitReady(tb)
	return p
}

// startUnready does not wait until the program says that it is ready.
func startUnready(tb testing.TB, upstream string, change func(*configs.Config)) *program {
	tb.Helper()
	c := configs.Default()
	c.Listen, c.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.Upstream.URLs = []string{upstream}
	c.Rerank.AllowTestModels = true
	c.Rerank.DefaultEndpoint = mock
	c.Endpoints = []configs.Endpoint{{ID: mock, Model: configs.ModelNumeric}, {ID: words, Model: configs.ModelOverlap}}
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		tb.Fatalf("configuration of the test: %v", err)
	}
	l, logger := newLogs()
	if _, bench := tb.(*testing.B); bench {
		// As the shipped program logs: the lines are made, at their cost.
		logger = slog.New(slog.NewJSONHandler(struct{ io.Writer }{io.Discard}, nil))
	}
	a, err := app.New(tb.Context(), app.Options{Config: c, Logger: logger})
	if err != nil {
		tb.Fatalf("build the program: %v", err)
	}
	a.Start()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := a.Stop(ctx); err != nil {
			tb.Errorf("stop the program: %v", err)
		}
		if tb.Failed() {
			tb.Logf("last lines in the log of the program:\n%s", l.tail(20))
		}
	})
	return &program{App: a, url: "http://" + a.Addr(), admin: "http://" + a.AdminAddr(), logs: l}
}

// awaitReady waits until the admin listener says that the program can serve.
func (p *program) awaitReady(tb testing.TB) {
	tb.Helper()
	eventually(tb, "the program is ready", func() (bool, string) {
		a := send(tb, http.MethodGet, p.admin+"/-/ready", "")
		return a.Status == http.StatusOK, a.String()
	})
}

// awaitRunning waits until so many calls are inside of a model.
func (p *program) awaitRunning(tb testing.TB, model string, calls int) {
	tb.Helper()
	p.await(tb, fmt.Sprintf("rerankd_queue_running{model=%q}", model), func(n int) bool { return n == calls })
}

// awaitCached waits until the cache has so many scores at least: it takes them in
// some time after the answer.
func (p *program) awaitCached(tb testing.TB, scores int) {
	tb.Helper()
	p.await(tb, "rerankd_cache_entries", func(n int) bool { return n >= scores })
}

// await polls a metric of whole numbers.
func (p *program) await(tb testing.TB, series string, holds func(int) bool) {
	tb.Helper()
	eventually(tb, series+" has its value", func() (bool, string) {
		text := p.metric(tb, series)
		n, err := strconv.Atoi(text)
		return err == nil && holds(n), text
	})
}

// eventually polls until the condition holds, and fails with its last words.
func eventually(tb testing.TB, what string, holds func() (ok bool, seen string)) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, seen := holds()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("waited %v until %s, last saw %s", patience, what, seen)
		}
	}
}

// logs keeps log lines, and lets a test wait for one. It is safe for concurrent
// use.
type logs struct {
	mu    sync.Mutex
	raw   bytes.Buffer
	lines []map[string]any
	fresh chan struct{} // closed and replaced at each line
}

func newLogs() (*logs, *slog.Logger) {
	l := &logs{fresh: make(chan struct{})}
	return l, slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logs) Write(p []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.raw.Write(p)
	l.lines = append(l.lines, line)
	close(l.fresh)
	l.fresh = make(chan struct{})
	return len(p), nil
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.raw.String()
}

// tail is the last n lines.
func (l *logs) tail(n int) string {
	lines := strings.SplitAfter(strings.TrimSpace(l.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// matching returns the lines that hold all of want.
func (l *logs) matching(want map[string]any) (lines []map[string]any, fresh <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if holds(line, want) {
			lines = append(lines, line)
		}
	}
	return slices.Clip(lines), l.fresh
}

func holds(line, want map[string]any) bool {
	for key, value := range want {
		if line[key] != value {
			return false
		}
	}
	return true
}

// waitFor returns the first line that holds all of want. Lines are written after
// the answer, so a test must wait for them.
func (l *logs) waitFor(tb testing.TB, want map[string]any) map[string]any {
	tb.Helper()
	deadline := time.After(patience)
	for {
		lines, fresh := l.matching(want)
		if len(lines) > 0 {
			return lines[0]
		}
		select {
		case <-fresh:
		case <-deadline:
			tb.Fatalf("no log line with %v in\n%s", want, l)
		}
	}
}

// metric reads one sample of the metrics, 0 where it is not there. series is its
// name with its labels as the text format prints them.
func (p *program) metric(tb testing.TB, series string) string {
	tb.Helper()
	a := send(tb, http.MethodGet, p.admin+"/metrics", "")
	if a.Status != http.StatusOK {
		tb.Fatalf("read metrics: %s", a)
	}
	for line := range strings.Lines(string(a.Body)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return "0"
}
