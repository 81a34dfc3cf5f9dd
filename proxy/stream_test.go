package proxy

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A scroll or a slow search is seen as it comes, whether its length was told or not.
func TestAnAnswerThatComesInPartsIsSeenAsItComes(t *testing.T) {
	const first, second = "the first half, ", "and the second"
	for _, told := range []bool{true, false} {
		more := make(chan struct{})
		ctx, give := context.WithCancel(t.Context())
		node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
			if told {
				w.Header().Set("Content-Length", strconv.Itoa(len(first)+len(second)))
			}
			_, _ = io.WriteString(w, first)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-more:
			case <-ctx.Done():
			}
			_, _ = io.WriteString(w, second)
		})
		b := start(t, []string{node.URL}, nil)
		transport := &http.Transport{DisableCompression: true}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/x", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		half := make([]byte, len(first))
		if _, err := io.ReadFull(res.Body, half); err != nil || string(half) != first {
			t.Errorf("length told %t: read %q, %v before the rest is there", told, half, err)
		}
		close(more)
		rest, err := io.ReadAll(res.Body)
		if err != nil || string(rest) != second {
			t.Errorf("length told %t: then %q, %v", told, rest, err)
		}
		_ = res.Body.Close()
		transport.CloseIdleConnections()
		give()
	}
}

// flushes counts what a handler writes and flushes.
type flushes struct {
	http.ResponseWriter

	mu    sync.Mutex
	calls []string
}

func (f *flushes) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "write")
	return f.ResponseWriter.Write(p)
}

func (f *flushes) Flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, "flush")
}

// Header and body of a short answer leave in one piece.
func TestAnAnswerThatIsThereIsNotFlushed(t *testing.T) {
	for body, want := range map[string][]string{
		"short":                               {"write"},
		strings.Repeat("x", copyBufferSize*2): nil, // the flush before the last part is what matters
	} {
		node := cluster(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			_, _ = io.WriteString(w, body)
		})
		b := start(t, []string{node.URL}, nil)
		w := &flushes{ResponseWriter: newDiscard()}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/x", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.RequestURI = "/x"
		b.handler.ServeHTTP(w, r)
		if want != nil && !slices.Equal(w.calls, want) {
			t.Errorf("%d bytes: %q, want %q", len(body), w.calls, want)
		}
		if want == nil && (w.calls[len(w.calls)-1] != "write" || !slices.Contains(w.calls, "flush")) {
			t.Errorf("%d bytes: %q, want flushes, and none at the end", len(body), w.calls)
		}
	}
}

// discard is an answer that nobody reads.
type discard struct {
	header http.Header
	status int
}

func newDiscard() *discard { return &discard{header: http.Header{}} }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) Flush()                      {}
