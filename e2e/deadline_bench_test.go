package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
)

// BenchmarkDeadline measures how much longer than its deadline a search takes that
// can't be done by then, the cluster's time left aside: all that the program, HTTP
// and the client add. Once it has the program to itself, and once beside four
// clients whose searches keep the model busy.
func BenchmarkDeadline(b *testing.B) {
	for name, others := range map[string]int{"alone": 0, "beside four clients": 4} {
		b.Run(name, func(b *testing.B) {
			p := startProxyAt(b, instantNode(b, 30).URL, func(c *configs.Config) {
				builtIn(c)
				c.Cache.Bytes = 0
			})
			ctx, end := context.WithCancel(b.Context())
			var clients sync.WaitGroup
			for i := range others {
				clients.Go(func() { keepBusy(ctx, b, p, i) })
			}
			late := hurry(b, p)
			end()
			clients.Wait()
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(quantile(late, .5), "ms-late-p50")
			b.ReportMetric(quantile(late, .99), "ms-late-p99")
		})
	}
}

// hurried is the deadline of the searches measured: a fraction of what they take.
const hurried = 25 * time.Millisecond

func hurry(b *testing.B, p *program) (late []float64) {
	b.Helper()
	client := newBencher(b)
	for n := 0; b.Loop(); n++ {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, p.url+"/i/_search", strings.NewReader(benchSearch(n)))
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Rerankd-Deadline", hurried.String())
		start := time.Now()
		res, err := client.Do(r)
		took := time.Since(start)
		if err != nil {
			b.Fatal(err)
		}
		_ = res.Body.Close()
		if outcome := res.Header.Get("X-Rerankd-Outcome"); outcome == "reranked" {
			b.Fatal("a search was done by its deadline: it measures nothing")
		}
		upstream, _ := stageMillis(b, res.Header)
		late = append(late, millis(took)-upstream-millis(hurried))
	}
	return late
}

// keepBusy asks for new searches until ctx ends.
func keepBusy(ctx context.Context, b *testing.B, p *program, number int) {
	b.Helper()
	client := newBencher(b)
	for n := 0; ctx.Err() == nil; n++ {
		body := strings.Replace(benchSearch(n), "in case", fmt.Sprintf("by %d in case", number), 1)
		if _, _, err := client.do(ctx, http.MethodPost, p.url+"/i/_search", body); err != nil && ctx.Err() == nil {
			b.Error(err)
			return
		}
	}
}
