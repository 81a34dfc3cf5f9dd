package bench

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheReportAsText(t *testing.T) {
	r := Report{
		PairsPerSecond: 123.4, TokensPerSecond: 15678, PaddingRatio: 1.02, FractionOfPeak: 0.725,
		Model:   Model{Name: "builtin", ID: "mini", Precision: "int8", Batching: "alone"},
		Machine: Machine{Processor: "A Core", Features: []string{"avx2"}, Platform: "linux/amd64", Cores: 2, Workers: 2, Go: "go1.26", Runtime: "1.30.0"},
		Rounds:  5, Seconds: 30.2, Callers: 4, Spread: 0.1,
		Rates: []Rate{
			{20, 1, 471.5, 9430, 0.02},
			{20, 8, 500, 10000, 0.04},
			{128, 1, 44.4, 5683, 0.3},
			{128, 8, 50, 6400, 0.02},
		},
		Latency:            []Latency{{10, 80.12, 90.5, 14}, {30, 240, 260, 5}},
		Stages:             Stages{30, 0.004, 0.001, 0.99, 0.005},
		Peak:               &Peak{100, 72.5, 128, 2.47, 0.02},
		CacheHitsPerSecond: 180127,
		Advice:             []Advice{{5, 0, true}, {100, 11, true}, {1000, 115, false}},
	}
	const want = `Model    builtin, mini, int8, pairs run alone
Machine  A Core, avx2, linux/amd64, go1.26, ONNX Runtime 1.30.0; 2 cores, 2 workers
Measured in 30 s: medians of 5 rounds, ± half of what lies between the lowest and the highest.

Under load, 4 callers at once with 30 passages of mixed lengths each:
  123.4 pairs/s ±5.0 %, 15678 tokens/s, padding ratio 1.020

Pairs a second of a lone caller, by the tokens of a pair and the passages in a call:

  tokens      1              8          tokens/s
      20  471.5  ±1.0 %  500.0  ±2.0 %     10000
     128   44.4   ±15 %   50.0  ±1.0 %      6400

Latency of a lone call, passages of about 120 tokens:

  depth       p50       p95  calls
     10   80.1 ms   90.5 ms     14
     30  240.0 ms  260.0 ms      5

Of the time of a call of 30 passages: 0.4 % tokenising, 0.1 % waiting for a worker, 99 % in the model, 0.5 % elsewhere.
Of the machine's peak in fp32 products, 100.0 GFLOP/s, the model uses 72 %: 72.5 GFLOP/s at 128 tokens (2.47 GFLOP a pair, ±1.0 %).
The cache gives 180127 known scores a second to one caller.

How deep a search can be reranked within a time, by p95, nothing cached and nothing else running;
the cluster's own search comes on top:

     5 ms    depth 0  not even one passage
   100 ms   depth 11
  1000 ms  depth 115  beyond what was measured
`
	if diff := cmp.Diff(want, text(t, r)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	r.Rounds = 1
	if got := text(t, r); strings.Count(got, "±") != 1 || !strings.Contains(got, "one round only") {
		t.Errorf("one round shows a spread:\n%s", got)
	}
}

func text(t *testing.T, r Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
