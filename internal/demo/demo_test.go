package demo

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/localcluster"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// testOptions run the demo against a cluster with a scorer that needs no model.
func testOptions(cluster *localcluster.Cluster, out *watchedOutput) Options {
	c := configs.Default()
	c.Listen, c.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.Rerank.AllowTestModels = true
	c.Endpoints = []configs.Endpoint{{ID: c.Rerank.DefaultEndpoint, Model: configs.ModelOverlap}}
	return Options{
		Config: c, Out: out, Logger: slog.New(slog.DiscardHandler),
		Getenv: func(name string) string {
			if name == "ES_URL" {
				return cluster.URL
			}
			return os.Getenv(name)
		},
	}
}

// watchedOutput keeps what is written and closes seen when it holds want.
type watchedOutput struct {
	mu   sync.Mutex
	b    bytes.Buffer
	want string
	seen chan struct{}
	once sync.Once
}

func watch(want string) *watchedOutput {
	return &watchedOutput{want: want, seen: make(chan struct{})}
}

func (w *watchedOutput) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.b.Write(p)
	if strings.Contains(w.b.String(), w.want) {
		w.once.Do(func() { close(w.seen) })
	}
	return n, err
}

func (w *watchedOutput) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

func TestTheDemoShowsEveryQuestionAndRemovesWhatItMade(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a real Elasticsearch, which -short leaves out")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cluster, err := localcluster.Start(ctx, localcluster.Options{Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	e := newElastic(cluster.URL, "", cluster.Authorization)
	defer e.client.CloseIdleConnections()
	indices := func() string {
		names, _, err := e.call(ctx, "GET", "/_cat/indices/rerankd-demo-*?h=index", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(names)
	}
	before := indices()

	t.Run("once", func(t *testing.T) {
		out := watch("Ctrl-C")
		o := testOptions(cluster, out)
		o.Once = true
		if err := Run(ctx, o); err != nil {
			t.Fatalf("%v after\n%s", err, out)
		}
		for _, want := range append([]string{"curl -s 'http://127.0.0.1:", "/metrics", "first time", "hits=30, misses=0", "▲"}, questions...) {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the output lacks %q:\n%s", want, out)
			}
		}
		if strings.Contains(out.String(), "Ctrl-C ends") || strings.Contains(out.String(), "not reranked") {
			t.Errorf("got\n%s", out)
		}
	})

	// begin runs the demo until it has written want.
	begin := func(t *testing.T, want string) (quit chan struct{}, ended chan error) {
		t.Helper()
		out := watch(want)
		o := testOptions(cluster, out)
		quit, ended = make(chan struct{}), make(chan error, 1)
		o.Quit = quit
		go func() { ended <- Run(ctx, o) }()
		select {
		case <-out.seen:
		case err := <-ended:
			t.Fatalf("ended by itself: %v after\n%s", err, out)
		}
		return quit, ended
	}
	t.Run("until it is asked to quit", func(t *testing.T) {
		quit, ended := begin(t, "Ctrl-C ends")
		if indices() == before {
			t.Error("no index of the demo while it runs")
		}
		close(quit)
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})

	t.Run("asked to quit before it is through", func(t *testing.T) {
		quit, ended := begin(t, "indexing")
		close(quit)
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want context.Canceled", err)
		}
	})

	if after := indices(); after != before {
		t.Errorf("indices before %q, after %q", before, after)
	}
}

func TestTheCurlLineNamesTheUserAndKeepsThePassword(t *testing.T) {
	e := newElastic("http://127.0.0.1:9280", "godoc", "Basic x")
	line := curlLine(e, "https://o'neil:hidden@es.example.org:9200", &localcluster.Cluster{Authorization: "Basic x"})
	for _, want := range []string{"'http://127.0.0.1:9280/godoc/_search?", `-u 'o'\''neil'`, `"rank_window_size": 30`} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %s", want, line)
		}
	}
	if strings.Contains(line, "hidden") || strings.Contains(line, "Basic") {
		t.Errorf("the password is in %s", line)
	}
	if line := curlLine(e, "", &localcluster.Cluster{}); strings.Contains(line, " -u ") {
		t.Errorf("a user for a cluster without security in %s", line)
	}
}
