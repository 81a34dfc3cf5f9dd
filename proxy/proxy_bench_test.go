package proxy

import (
	"bytes"
	"fmt"
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

// BenchmarkRerank is the proxy's own share of a reranked search of a usual window,
// in one phase: the client and the scorer are in memory, the node on a socket.
func BenchmarkRerank(b *testing.B) {
	answer := firstStageOf(30, 600)
	node := cluster(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	})
	p := start(b, []string{node.URL}, func(o *Options) { o.Logger = slog.New(slog.DiscardHandler) }).handler
	body := strings.Replace(rerankBody, `"rank_window_size":4`, `"rank_window_size":30`, 1)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/docs/_search", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		if p.ServeHTTP(w, r); w.Code != http.StatusOK || w.Header().Get(outcomeHeader) != "reranked" {
			b.Fatal(w.Code, w.Header())
		}
	}
}

// firstStageOf is an answer of so many hits, each with a text of so many bytes.
func firstStageOf(hits, size int) string {
	var list strings.Builder
	for i := range hits {
		if i > 0 {
			list.WriteByte(',')
		}
		text := strings.Repeat("words of a paragraph, ", size/22)[:size/22*22-i] // of different lengths
		fmt.Fprintf(&list, `{"_index":"docs","_id":"%d","_score":%d.5,"_source":{"n":%d},"fields":{"t":[%q]}}`, i, hits-i, i, text)
	}
	return fmt.Sprintf(`{"took":7,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},`+
		`"hits":{"total":{"value":%d,"relation":"eq"},"max_score":%d.5,"hits":[%s]}}`, hits, hits, list.String())
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
