package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"time"
)

// dialect is how a server is asked to rerank, and how it answers.
type dialect struct {
	path string
	ask  func(c call) any
	// hits are the results of an answer, in any order.
	hits func(a serverAnswer) []hit
}

type hit struct {
	Index int     `json:"index"`
	Score float64 `json:"relevance_score"`
}

// serverAnswer has the results under the name that each server gives them.
type serverAnswer struct {
	Results []hit `json:"results"`
	Rerank  []hit `json:"rerank"`
}

var (
	infinityDialect = dialect{
		path: "/rerank",
		ask: func(c call) any {
			return map[string]any{"model": "m", "query": c.query, "documents": c.passages, "raw_scores": true, "return_documents": false}
		},
		hits: func(a serverAnswer) []hit { return a.Results },
	}
	rerankdDialect = dialect{
		path: "/_inference/rerank/bench",
		ask:  func(c call) any { return map[string]any{"query": c.query, "input": c.passages} },
		hits: func(a serverAnswer) []hit { return a.Rerank },
	}
)

// server is a worker behind HTTP. It may be asked by several callers at once.
type server struct {
	*process
	dialect

	url    string
	client http.Client
	told   map[string]string
}

// startServer starts a program that listens on the port it is told, and waits
// until it answers.
func startServer(ctx context.Context, dir string, d dialect, told map[string]string, command func(port string) *exec.Cmd) (worker, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	p, err := launch(dir, command(port))
	if err != nil {
		return nil, err
	}
	s := &server{
		process: p, dialect: d, url: "http://127.0.0.1:" + port, told: told,
		client: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}},
	}
	if err := s.await(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// await asks until there is an answer, or the process has ended.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for {
		_, _, err := s.score(ctx, call{query: "what is ready", passages: []string{"this is"}})
		if err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("it ended: %s", s.reason())
		case <-ctx.Done():
			return fmt.Errorf("it is not ready after %v: %w", startLimit, err)
		case <-again.C:
		}
	}
}

func (s *server) versions() map[string]string { return s.told }

// score measures what a caller waits for, to the last byte of the answer.
func (s *server) score(ctx context.Context, c call) ([]float64, time.Duration, error) {
	body, err := json.Marshal(s.ask(c))
	if err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+s.path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	start := time.Now()
	res, err := s.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(res.Body)
	took := time.Since(start)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return nil, 0, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("status %d: %.300s", res.StatusCode, data)
	}
	scores, err := s.read(data, len(c.passages))
	return scores, took, err
}

func (s *server) read(data []byte, n int) ([]float64, error) {
	var a serverAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, err
	}
	scores := make([]float64, n)
	hits := s.hits(a)
	if len(hits) != n {
		return nil, errors.New("another number of scores than of passages")
	}
	for _, h := range hits {
		if h.Index < 0 || h.Index >= n {
			return nil, fmt.Errorf("a score for passage %d of %d", h.Index, n)
		}
		scores[h.Index] = h.Score
	}
	return scores, nil
}

func (s *server) stop() {
	s.client.CloseIdleConnections()
	s.process.stop()
}

// freePort is a port of the loopback interface that nobody listens on.
func freePort(ctx context.Context) (string, error) {
	l, port, err := listen(ctx, "0")
	if err != nil {
		return "", err
	}
	return port, l.Close()
}

// listen listens on a port of the loopback interface, "0" for a free one, and says
// on which.
func listen(ctx context.Context, port string) (net.Listener, string, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:"+port)
	if err != nil {
		return nil, "", err
	}
	if _, port, err = net.SplitHostPort(l.Addr().String()); err != nil {
		return nil, "", errors.Join(err, l.Close())
	}
	return l, port, nil
}
