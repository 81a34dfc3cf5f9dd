package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func rawSearch(body string) string {
	return "POST /docs/_search HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: " +
		fmt.Sprint(len(body)) + "\r\n\r\n" + body
}

// hangUp sends a search, waits until work on it has begun, leaves, and waits
// until that work has ended.
func hangUp(t *testing.T, b *bench, begun, ended <-chan struct{}) {
	t.Helper()
	conn := dial(t, b.addr)
	if _, err := io.WriteString(conn, rawSearch(rerankBody)); err != nil {
		t.Fatal(err)
	}
	wait(t, begun, "work to begin")
	_ = conn.Close()
	wait(t, ended, "work to end")
	b.logs.waitFor(t, map[string]any{"msg": "search", "status": 499.0, "outcome": OutcomeClientGone, "level": "INFO"})
	if !slices.Equal(b.seen.requests, []string{"rerank client_gone"}) {
		t.Errorf("observed %v", b.seen.requests)
	}
	if s := b.upstream.Nodes()[0]; !s.Live {
		t.Errorf("node is benched: %v", s.Err)
	}
}

func TestClientLeavingEndsTheFirstStage(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(begun)
		<-r.Context().Done()
		close(ended)
	})
	hangUp(t, start(t, []string{node.URL}, nil), begun, ended)
}

func TestClientLeavingEndsScoringWhateverThePolicy(t *testing.T) {
	for _, fail := range []bool{false, true} {
		var seen arrived
		begun, ended := make(chan struct{}), make(chan struct{})
		b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
			failing(func(ctx context.Context, _ string, _ []string) ([]float32, error) {
				close(begun)
				<-ctx.Done()
				close(ended)
				return nil, ctx.Err()
			})(o)
			o.FailOnRerank = fail
		})
		hangUp(t, b, begun, ended)
	}
}

func TestClientLeavingInItsSearchBodyReachesNoNode(t *testing.T) {
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the cluster got %s", r.URL) })
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	if _, err := io.WriteString(conn, strings.TrimSuffix(rawSearch(rerankBody), "}")); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	b.logs.waitFor(t, map[string]any{"status": 499.0, "outcome": OutcomeClientGone})
}

func TestMalformedChunksAreTheClientsMistake(t *testing.T) {
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	b := start(t, []string{node.URL}, nil)
	for _, path := range []string{"/docs/_search", "/docs/_bulk"} {
		raw := "POST " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n" +
			"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
		wantError(t, sendRaw(t, b.addr, raw), http.StatusBadRequest, "malformed request body")
	}
	if s := b.upstream.Nodes()[0]; !s.Live {
		t.Errorf("node is benched: %v", s.Err)
	}
}

// A trailer that the transport would refuse must not pass for a node's fault.
func TestInvalidTrailerNameIsTheClientsMistake(t *testing.T) {
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the cluster got %s", r.URL) })
	b := start(t, []string{node.URL}, nil)
	raw := "POST /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTrailer: a b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	wantError(t, sendRaw(t, b.addr, raw), http.StatusBadRequest, "trailer")
}

// An answer that the cluster breaks off must not look whole to the client. A
// refusal of the first stage is relayed the same way.
func TestAnswerBrokenOffByTheClusterIsBrokenOff(t *testing.T) {
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	for path, body := range map[string]string{"/x": "{}", "/docs/_search": rerankBody} {
		b := start(t, []string{node.URL}, nil)
		conn := dial(t, b.addr)
		if _, err := io.WriteString(conn, strings.Replace(rawSearch(body), "/docs/_search", path, 1)); err != nil {
			t.Fatal(err)
		}
		if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
			if got, err := io.ReadAll(res.Body); err == nil {
				t.Errorf("%s: the client reads %q as a whole answer", path, got)
			}
			_ = res.Body.Close()
		}
		_ = conn.Close()
		b.logs.waitFor(t, map[string]any{"outcome": OutcomeUpstreamError, "path": path})
	}
}

func TestClientLeavingInTheAnswerEndsTheRelay(t *testing.T) {
	ended := make(chan struct{})
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 100<<10)); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	wait(t, ended, "the cluster to see the cancellation")
	b.logs.waitFor(t, map[string]any{"status": 499.0, "outcome": OutcomeClientGone})
	if s := b.upstream.Nodes()[0]; !s.Live {
		t.Errorf("node is benched: %v", s.Err)
	}
}
