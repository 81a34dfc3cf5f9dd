package onnx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/builtin"
)

// loadBuiltin loads the built-in model, or skips where the program is built without it.
func loadBuiltin(tb testing.TB, o Options) *Engine {
	tb.Helper()
	folder, ok := builtin.Model()
	if !ok {
		tb.Skip("built without the built-in model: run `make model` to test it")
	}
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
	}{{"reference", loadReference}, {"builtin", loadBuiltin}} {
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
