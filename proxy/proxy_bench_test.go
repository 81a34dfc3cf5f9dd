package proxy

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/retriever"
)

// plainSearch is a search of 11 KB without a reranker, with a vector and an
// escape in it, as hybrid searches have.
var plainSearch = `{"query":{"match":{"t":"caf\u00e9"}},"knn":{"field":"v","query_vector":[` +
	strings.TrimSuffix(strings.Repeat("0.123456789,", 900), ",") + `]}}`

func BenchmarkDetection(b *testing.B) {
	body := []byte(plainSearch)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if retriever.MayHold(body) {
			b.Fatal("detected")
		}
	}
}

func BenchmarkHoldAndDetect(b *testing.B) {
	body := []byte(plainSearch)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r := &http.Request{Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body))}
		h, err := hold(r, 1<<20)
		if err != nil || retriever.MayHold(h.text) {
			b.Fatal("detected", err)
		}
	}
}

// BenchmarkPassThrough is the proxy's own share: the client is in memory, the
// node on a socket. BenchmarkBareRoundTrip is what the node alone costs.
func BenchmarkPassThrough(b *testing.B) {
	node := cluster(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"took":1}`)
	})
	for _, path := range []string{"/docs/_doc/1", "/docs/_search"} {
		b.Run(path, func(b *testing.B) {
			p := start(b, []string{node.URL}, func(o *Options) { o.Logger = slog.New(slog.DiscardHandler) }).handler
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, strings.NewReader(plainSearch))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				if p.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}

func BenchmarkBareRoundTrip(b *testing.B) {
	node := cluster(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"took":1}`)
	})
	transport := &http.Transport{DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, node.URL+"/docs/_search", strings.NewReader(plainSearch))
		if err != nil {
			b.Fatal(err)
		}
		res, err := transport.RoundTrip(r)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
}
