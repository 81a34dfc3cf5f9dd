package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// upstream answers searches with three hits, and holds a search for /slow until
// it is let go.
type upstream struct {
	*httptest.Server
	entered chan struct{}
	release chan struct{}
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{entered: make(chan struct{}, 10), release: make(chan struct{})}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		if strings.HasPrefix(r.URL.Path, "/slow") {
			// Only a body that was read to its end lets the server see the caller go.
			_, _ = io.Copy(io.Discard, r.Body)
			u.entered <- struct{}{}
			select {
			case <-u.release:
			case <-r.Context().Done():
				return
			}
		}
		if !strings.HasSuffix(r.URL.Path, "/_search") {
			_, _ = io.WriteString(w, "{}")
			return
		}
		_, _ = io.WriteString(w, `{"took":1,"timed_out":false,"hits":{"total":{"value":3,"relation":"eq"},"max_score":3.0,"hits":[
			{"_index":"i","_id":"1","_score":3.0,"fields":{"text":["a dog"]}},
			{"_index":"i","_id":"2","_score":2.0,"fields":{"text":["a red fox"]}},
			{"_index":"i","_id":"3","_score":1.0,"fields":{"text":["a fox"]}}]}}`)
	}))
	t.Cleanup(u.Close)
	return u
}

func testConfig(upstream string) configs.Config {
	c := configs.Default()
	c.Listen, c.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.Upstream.URLs = []string{upstream}
	c.Upstream.HealthInterval = 100 * time.Millisecond
	c.Rerank.AllowTestModels = true
	c.Rerank.DefaultEndpoint = "words"
	c.Endpoints = []configs.Endpoint{{ID: "words", Model: configs.ModelOverlap}, {ID: "again", Model: configs.ModelOverlap}, {ID: "numbers", Model: configs.ModelNumeric}}
	return c
}

func start(t *testing.T, c configs.Config) (*app.App, *lockedBuffer) {
	t.Helper()
	log := new(lockedBuffer)
	a, err := app.New(t.Context(), app.Options{Config: c, Logger: slog.New(slog.NewJSONHandler(log, nil)), Version: "v-test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	a.Start()
	return a, log
}

// client has no connections left when the test ends.
func client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, c, req)
}

func do(t *testing.T, c *http.Client, req *http.Request) (int, string) {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func search(t *testing.T, path, endpoint string) *http.Request {
	t.Helper()
	body := `{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{}},"field":"text","inference_text":"red fox","inference_id":"` + endpoint + `"}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return req
}

func order(t *testing.T, answer string) string {
	t.Helper()
	var r struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal([]byte(answer), &r); err != nil {
		t.Fatalf("%v in %s", err, answer)
	}
	var ids []string
	for _, h := range r.Hits.Hits {
		ids = append(ids, h.ID)
	}
	return strings.Join(ids, " ")
}
