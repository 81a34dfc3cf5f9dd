package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
)

// The machine is shared by the load, the program and the cluster, and its speed
// changes from second to second. What is compared is therefore measured in
// rounds that alternate, and medians of the rounds are shown.

const (
	// benchClients is how many clients send at the same time where throughput is
	// measured.
	benchClients = 16
	// benchWindow is how many documents a search reranks.
	benchWindow = 30
	// benchRounds is how many rounds one pass of a benchmark makes at least,
	// however short the time for it.
	benchRounds = 7
	// benchQuestions is how many new questions one pass asks, and benchRepeats how
	// often each is repeated.
	benchQuestions, benchRepeats = 10, 10
)

// bencher sends requests over kept connections, as applications do.
type bencher struct{ http.Client }

func newBencher(b *testing.B) *bencher {
	b.Helper()
	t := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: benchClients}
	b.Cleanup(t.CloseIdleConnections)
	return &bencher{http.Client{Transport: t}}
}

// do sends one request and returns how long its answer took to the last byte.
func (c *bencher) do(ctx context.Context, method, url, body string) (time.Duration, http.Header, error) {
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if started != nil && started.Authorization != "" {
		req.Header.Set("Authorization", started.Authorization)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, nil, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, nil, fmt.Errorf("%s %s: status %d", method, url, res.StatusCode)
	}
	return time.Since(start), res.Header, nil
}

// must is do for a single client.
func (c *bencher) must(b *testing.B, url, body string) (time.Duration, http.Header) {
	b.Helper()
	took, header, err := c.do(b.Context(), http.MethodPost, url, body)
	if err != nil {
		b.Fatal(err)
	}
	return took, header
}

// rate sends n requests from several clients and returns requests a second.
func (c *bencher) rate(b *testing.B, n int, method, url, body string) float64 {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var clients sync.WaitGroup
	start := time.Now()
	for range benchClients {
		clients.Go(func() {
			for left.Add(-1) >= 0 {
				if _, _, err := c.do(b.Context(), method, url, body); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	return float64(n) / time.Since(start).Seconds()
}

// BenchmarkPassThrough measures requests a second with the program in between
// over those without, before a server that does nothing but answer, and before
// Elasticsearch.
func BenchmarkPassThrough(b *testing.B) {
	b.Run("trivial upstream", func(b *testing.B) {
		answer := bytes.Repeat([]byte(`{"_id":"1","n":1.50},`), 11<<10/21)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
			_, _ = w.Write(answer) // a client that is gone has said so itself
		}))
		defer server.Close()
		passRounds(b, server.URL, 2000, http.MethodGet, "/e2e-bench/_doc/1", "")
	})
	b.Run("elasticsearch", func(b *testing.B) {
		benchIndex(b)
		passRounds(b, cluster(b).URL, 500, http.MethodPost, "/e2e-bench/_search", `{"size":11,"query":{"match":{"text":"lock"}}}`)
	})
}

// passRounds alternates rounds of n requests without and with the program.
func passRounds(b *testing.B, upstream string, n int, method, target, body string) {
	b.Helper()
	p := startProxyAt(b, upstream, nil)
	client := newBencher(b)
	client.rate(b, n, method, upstream+target, body) // warms both
	client.rate(b, n, method, p.url+target, body)
	var direct, through, shares []float64
	for b.Loop() {
		for range benchRounds {
			d := client.rate(b, n, method, upstream+target, body)
			t := client.rate(b, n, method, p.url+target, body)
			direct, through, shares = append(direct, d), append(through, t), append(shares, t/d)
		}
	}
	b.ReportMetric(0, "ns/op") // a round is no operation
	b.ReportMetric(quantile(direct, .5), "direct-req/s")
	b.ReportMetric(quantile(through, .5), "proxy-req/s")
	b.ReportMetric(quantile(shares, .5), "proxy/direct")
	b.Logf("pass-through: %.0f req/s with the program, %.0f without, ratio %.2f (medians of %d alternating rounds of %d requests, %d clients)",
		quantile(through, .5), quantile(direct, .5), quantile(shares, .5), len(direct), n, benchClients)
}

// BenchmarkRerank measures what reranking 30 documents with the built-in model
// adds to the search that finds them: with no score known, and with all known.
func BenchmarkRerank(b *testing.B) {
	p := benchProgram(b)
	client := newBencher(b)
	const target = "/e2e-bench/_search"
	childURL, rerankURL := cluster(b).URL+target, p.url+target
	for range 1000 { // the cluster's code is compiled as it runs
		client.must(b, childURL, childSearch)
	}
	var child, cold, cached, coldOwn, cachedOwn []float64
	// pair searches without and with reranking, and returns what that adds.
	pair := func(body, cache string) (added, own float64) {
		alone, _ := client.must(b, childURL, childSearch)
		reranked, h := client.must(b, rerankURL, body)
		if got := h.Get("X-Rerankd-Cache"); got != cache {
			b.Fatalf("X-Rerankd-Cache = %q, want %q", got, cache)
		}
		child = append(child, millis(alone))
		return millis(reranked) - millis(alone), ownMillis(b, h)
	}
	questions := 0
	for b.Loop() {
		for range benchQuestions {
			questions++
			body := benchSearch(questions)
			added, own := pair(body, fmt.Sprintf("hits=0, misses=%d", benchWindow))
			cold, coldOwn = append(cold, added), append(coldOwn, own)
			for range benchRepeats {
				added, own := pair(body, fmt.Sprintf("hits=%d, misses=0", benchWindow))
				cached, cachedOwn = append(cached, added), append(cachedOwn, own)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for name, list := range map[string][]float64{"cold": cold, "cached": cached} {
		b.ReportMetric(quantile(list, .5), name+"-added-p50-ms")
		b.ReportMetric(quantile(list, .95), name+"-added-p95-ms")
	}
	show := func(list []float64) string {
		return fmt.Sprintf("p50 %.2f ms, p95 %.2f ms", quantile(list, .5), quantile(list, .95))
	}
	b.Logf("child search alone: %s (%d searches)", show(child), len(child))
	b.Logf("rerank of %d documents, cold, adds %s; the program's own part: %s", benchWindow, show(cold), show(coldOwn))
	b.Logf("rerank of %d documents, cached, adds %s; the program's own part: %s (goal: at most 2 ms)", benchWindow, show(cached), show(cachedOwn))
}

// BenchmarkPairs measures how many pairs of query and document are scored a
// second when several clients search at the same time.
func BenchmarkPairs(b *testing.B) {
	const clients = 4
	p := benchProgram(b)
	client := newBencher(b)
	questions := 0
	for b.Loop() {
		for range benchRounds {
			var group sync.WaitGroup
			for range clients {
				questions++
				body := benchSearch(questions)
				group.Go(func() {
					if _, _, err := client.do(b.Context(), http.MethodPost, p.url+"/e2e-bench/_search", body); err != nil {
						b.Error(err)
					}
				})
			}
			group.Wait()
		}
	}
	pairs := float64(questions*benchWindow) / b.Elapsed().Seconds()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(pairs, "pairs/s")
	b.Logf("%.0f pairs/s (%d searches of %d documents, %d clients)", pairs, questions, benchWindow, clients)
}

// benchProgram runs the program as it is shipped, with the built-in model.
func benchProgram(b *testing.B) *program {
	b.Helper()
	benchIndex(b)
	return startProxy(b, func(c *configs.Config) {
		builtIn(c)
		c.Rerank.OnFailure = configs.OnFailureFail
	})
}

// benchIndex has documents of some 70 words, as paragraphs of documentation are.
func benchIndex(b *testing.B) {
	b.Helper()
	documents := make([]document, 200)
	for i := range documents {
		var text strings.Builder
		for j := range 5 {
			text.WriteString(articles[(i*7+j*(1+i%5))%len(articles)] + " ")
		}
		fmt.Fprintf(&text, "Section %d.", i)
		documents[i] = document{strconv.Itoa(i), encode(b, map[string]any{"text": text.String(), "n": i})}
	}
	index(b, "e2e-bench", `{"mappings":{"properties":{"text":{"type":"text"}}}}`, documents...)
}

// benchChild finds the documents, and childSearch is what the program asks the
// cluster for them.
const (
	benchChild  = `{"standard":{"query":{"match":{"text":"lock memory goroutine thread"}}}}`
	childSearch = `{"retriever":` + benchChild + `,"size":30,"fields":["text"],"_source":["n"]}`
)

// benchSearch asks a question that has not been asked before.
func benchSearch(n int) string {
	return fmt.Sprintf(`{"_source":["n"],"retriever":%s}`,
		reranker(builtInEndpoint, fmt.Sprintf("how is shared memory protected in case %d", n), "text", benchChild, `,"rank_window_size":30`))
}

var timings = regexp.MustCompile(`upstream;dur=([\d.]+).*total;dur=([\d.]+)`)

// ownMillis is the time that an answer spent in the program, without the
// cluster's.
func ownMillis(b *testing.B, h http.Header) float64 {
	b.Helper()
	upstream, total := stageMillis(b, h)
	return total - upstream
}

// stageMillis is the time that an answer took in the cluster and in all, by what
// the program says.
func stageMillis(b *testing.B, h http.Header) (upstream, total float64) {
	b.Helper()
	found := timings.FindStringSubmatch(h.Get("Server-Timing"))
	if found == nil {
		b.Fatalf("Server-Timing = %q", h.Get("Server-Timing"))
	}
	upstream, _ = strconv.ParseFloat(found[1], 64) // the pattern takes numbers alone
	total, _ = strconv.ParseFloat(found[2], 64)
	return upstream, total
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantile is the value that a share q of the list is at or below.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
