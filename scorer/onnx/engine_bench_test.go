package onnx

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/builtin"
)

func loadBuiltin(tb testing.TB, o Options) *Engine {
	tb.Helper()
	return loadFolder(tb, builtin.Model(), o)
}

func loadTiny(tb testing.TB, o Options) *Engine {
	tb.Helper()
	return loadFolder(tb, builtin.Tiny(), o)
}

func loadFolder(tb testing.TB, folder fs.FS, o Options) *Engine {
	tb.Helper()
	f, err := Open(folder)
	if err != nil {
		tb.Fatal(err)
	}
	return mustLoad(tb, f, o)
}

// BenchmarkScore measures a call of 30 passages, the default window: pairs a
// second, and the share of the time that goes into tokenising.
func BenchmarkScore(b *testing.B) {
	for _, model := range []struct {
		name string
		load func(testing.TB, Options) *Engine
	}{{"reference", loadReference}, {"builtin", loadBuiltin}, {"tiny", loadTiny}} {
		for _, tokens := range []int{20, 128, 256} {
			b.Run(fmt.Sprintf("%s/%d tokens", model.name, tokens), func(b *testing.B) {
				benchmarkScore(b, model.load(b, Options{}), tokens)
			})
		}
	}
}

func benchmarkScore(b *testing.B, e *Engine, tokens int) {
	b.Helper()
	const window = 30
	passages := make([]string, window)
	for i := range passages { // the query and the frame take some ten tokens
		passages[i] = strings.Repeat("the moon ", (tokens-10)/2)
	}
	var stats scorer.Stats
	ctx := scorer.WithStats(b.Context(), &stats)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Score(ctx, "what causes the tides", passages); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(stats.Scored.Load())/b.Elapsed().Seconds(), "pairs/s")
	b.ReportMetric(float64(stats.Tokens.Load())/float64(stats.Scored.Load()), "tokens/pair")
	b.ReportMetric(100*float64(stats.Tokenize.Load())/float64(b.Elapsed().Nanoseconds()), "%tokenising")
}

// BenchmarkAlone measures what a pair costs that runs alone against one that
// shares batches of 512 tokens, in processor time, interleaved.
func BenchmarkAlone(b *testing.B) {
	e := loadBuiltin(b, Options{})
	for _, tokens := range []int{16, 32, 64, 128, 256} {
		passages := make([]string, 4096/tokens)
		for i := range passages {
			passages[i] = strings.Repeat("the moon ", max(1, (tokens-10)/2))
		}
		b.Run(fmt.Sprintf("%d tokens", tokens), func(b *testing.B) {
			var busy [2]time.Duration
			for b.Loop() {
				for i, alone := range []bool{false, true} {
					e.queue.alone = alone // no call is inside
					before := e.Stats().Busy
					if _, err := e.Score(b.Context(), "what causes the tides", passages); err != nil {
						b.Fatal(err)
					}
					busy[i] += e.Stats().Busy - before
				}
			}
			b.ReportMetric(float64(busy[1])/float64(busy[0]), "alone/together")
		})
	}
}

// BenchmarkDeadline measures how late a call leaves whose deadline strikes in the
// middle, and how many of its 200 passages are scored by then.
func BenchmarkDeadline(b *testing.B) {
	e := loadBuiltin(b, Options{})
	passages := make([]string, 200)
	for i := range passages {
		passages[i] = fmt.Sprintf("%d ", i) + strings.Repeat("the moon ", 60)
	}
	var late []float64
	var stats scorer.Stats
	for b.Loop() {
		at := time.Now().Add(200 * time.Millisecond)
		ctx, cancel := context.WithDeadline(scorer.WithStats(b.Context(), &stats), at)
		_, err := e.Score(ctx, "what causes the tides", passages)
		late = append(late, float64(time.Since(at).Microseconds())/1000)
		cancel()
		if err == nil {
			b.Fatal("the call was done in time")
		}
	}
	slices.Sort(late)
	b.ReportMetric(late[len(late)/2], "ms-late-p50")
	b.ReportMetric(late[len(late)*99/100], "ms-late-p99")
	b.ReportMetric(float64(stats.Scored.Load())/float64(len(late)), "scored/call")
}

// BenchmarkEightClients measures the latency of eight clients that each rerank 30
// passages again and again, against the time that the work of eight takes a lone
// client: 1 is a queue without loss.
func BenchmarkEightClients(b *testing.B) {
	const clients, window = 8, 30
	e := loadBuiltin(b, Options{})
	passages := make([]string, window)
	for i := range passages {
		passages[i] = strings.Repeat("the moon ", 20+i*2)
	}
	call := func() float64 {
		start := time.Now()
		if _, err := e.Score(b.Context(), "what causes the tides", passages); err != nil {
			b.Error(err)
		}
		return time.Since(start).Seconds()
	}
	var lone, shared []float64
	for b.Loop() {
		lone = append(lone, call(), call())
		var mu sync.Mutex
		var running sync.WaitGroup
		for range clients {
			running.Go(func() {
				for range 3 {
					took := call()
					mu.Lock()
					shared = append(shared, took)
					mu.Unlock()
				}
			})
		}
		running.Wait()
	}
	slices.Sort(lone)
	slices.Sort(shared)
	fair := clients * lone[len(lone)/2]
	b.ReportMetric(lone[len(lone)/2]*1000, "lone-ms-p50")
	b.ReportMetric(shared[len(shared)/2]/fair, "p50/fair")
	b.ReportMetric(shared[len(shared)*99/100]/fair, "p99/fair")
}
