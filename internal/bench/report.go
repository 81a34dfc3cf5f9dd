package bench

import (
	"slices"
	"time"
)

// Report is what was measured. Its JSON form is one object. Rates are medians of
// the rounds.
type Report struct {
	// PairsPerSecond, TokensPerSecond and PaddingRatio are those of the mixed load:
	// several callers at the same time with passages of all lengths. PaddingRatio is
	// the tokens that the model ran, padding included, by those of the pairs.
	PairsPerSecond  float64 `json:"pairs_per_second"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	PaddingRatio    float64 `json:"padding_ratio"`
	// FractionOfPeak is what the model's matrix products do, by what the machine
	// does in one large product of fp32: see [Peak]. 0 where it wasn't compared.
	FractionOfPeak float64 `json:"fraction_of_peak"`

	Model   Model   `json:"model"`
	Machine Machine `json:"machine"`

	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"` // that the measurement took
	Callers int     `json:"callers"` // of the mixed load
	// Spread is how far apart the rounds of the mixed load were: highest minus
	// lowest, relative to the median.
	Spread float64 `json:"spread"`

	Rates   []Rate    `json:"rates"`
	Latency []Latency `json:"latency"`
	Stages  Stages    `json:"stages"`
	Peak    *Peak     `json:"peak,omitempty"`
	// CacheHitsPerSecond is of one caller whose scores are all known.
	CacheHitsPerSecond float64  `json:"cache_hits_per_second"`
	Advice             []Advice `json:"advice"`
}

// Rate is the speed of lone calls of so many passages.
type Rate struct {
	Tokens          float64 `json:"tokens"` // of a pair, in the mean, as they came out
	Batch           int     `json:"batch"`  // passages in a call
	PairsPerSecond  float64 `json:"pairs_per_second"`
	TokensPerSecond float64 `json:"tokens_per_second"`
	Spread          float64 `json:"spread"` // as [Report.Spread]
}

// Latency is how long a lone call of so many passages takes, while nothing else
// is asked of the model.
type Latency struct {
	Depth   int     `json:"depth"`
	P50     float64 `json:"p50_ms"`
	P95     float64 `json:"p95_ms"`
	Samples int     `json:"samples"`
}

// Stages are shares of the time of such calls, which make 1 together.
type Stages struct {
	Depth    int     `json:"depth"` // of the calls
	Tokenize float64 `json:"tokenize"`
	Queue    float64 `json:"queue"` // waiting for a worker
	Infer    float64 `json:"infer"` // from the first batch's start to the last one's end
	Other    float64 `json:"other"`
}

// Peak compares the model with the machine, in 10⁹ operations a second: a product
// of two fp32 matrices by all workers at once, and the model's own products while
// it runs a batch, effective ones for a model of another precision.
type Peak struct {
	Machine float64 `json:"machine_gflops"`
	Model   float64 `json:"model_gflops"`
	Tokens  float64 `json:"tokens"` // of the pairs
	Pair    float64 `json:"pair_gflop"`
	Spread  float64 `json:"spread"` // of the fraction, as [Report.Spread]
}

// Advice is how many passages can be scored in a time.
type Advice struct {
	TargetMillis float64 `json:"target_ms"`
	// Depth is for passages of about 120 tokens, by P95; 0 when not even one can be.
	Depth int `json:"depth"`
	// Measured is false for a depth beyond those measured, which is a guess.
	Measured bool `json:"measured"`
}

func (b *bench) report(rounds int) *Report {
	load := b.mixed.perRound(sample.pairsPerSecond)
	sum := b.mixed.total()
	r := &Report{
		PairsPerSecond: median(load), TokensPerSecond: median(b.mixed.perRound(sample.tokensPerSecond)),
		PaddingRatio: ratio(float64(sum.padded), float64(sum.tokens)),
		Model:        b.Model, Machine: b.Machine, Rounds: rounds, Seconds: time.Since(b.start).Seconds(),
		Callers: b.Callers, Spread: spread(load),
		CacheHitsPerSecond: median(b.known.perRound(sample.pairsPerSecond)),
	}
	for i, m := range b.rates {
		pairs, all := m.perRound(sample.pairsPerSecond), m.total()
		r.Rates = append(r.Rates, Rate{
			Tokens: ratio(float64(all.tokens), float64(all.pairs)), Batch: b.Batches[i%len(b.Batches)],
			PairsPerSecond: median(pairs), TokensPerSecond: median(m.perRound(sample.tokensPerSecond)), Spread: spread(pairs),
		})
	}
	for i, m := range b.depths {
		r.Latency = append(r.Latency, latency(b.Depths[i], m))
	}
	r.Stages = b.stages()
	if b.peak != nil {
		r.FractionOfPeak, r.Peak = b.fraction()
	}
	for _, target := range b.Targets {
		r.Advice = append(r.Advice, advise(r.Latency, target))
	}
	return r
}

func latency(depth int, m *measure) Latency {
	var took []float64
	for _, s := range slices.Concat(m.rounds...) {
		took = append(took, float64(s.took.Nanoseconds())/1e6)
	}
	return Latency{Depth: depth, P50: quantile(took, 0.5), P95: quantile(took, 0.95), Samples: len(took)}
}

// stages are those at the depth that is nearest to a usual window.
func (b *bench) stages() Stages {
	at := 0
	for i, depth := range b.Depths {
		if distance(depth) < distance(b.Depths[at]) {
			at = i
		}
	}
	sum := b.depths[at].total()
	took := float64(sum.took)
	s := Stages{Depth: b.Depths[at], Tokenize: ratio(float64(sum.tokenize), took), Queue: ratio(float64(sum.queue), took), Infer: ratio(float64(sum.infer), took)}
	s.Other = max(0, 1-s.Tokenize-s.Queue-s.Infer)
	return s
}

func distance(depth int) int { return max(depth-window, window-depth) }

// fraction compares the encoder with the peak of the same round.
func (b *bench) fraction() (float64, *Peak) {
	var machine, model, fractions []float64
	for i, sum := range b.encoder.totals() {
		took := sum.infer
		if took == 0 { // the scorer doesn't tell
			took = sum.took
		}
		tokens := float64(sum.tokens)
		if tokens == 0 {
			tokens = float64(sum.pairs) * float64(b.peakTokens())
		}
		speed := ratio(b.work*tokens/float64(b.peakTokens()), took.Seconds())
		var gauge []float64
		for _, s := range b.peak.rounds[i] {
			gauge = append(gauge, s.operationsPerSecond)
		}
		machine, model = append(machine, median(gauge)), append(model, speed)
		fractions = append(fractions, ratio(speed, median(gauge)))
	}
	all := b.encoder.total()
	return median(fractions), &Peak{
		Machine: median(machine) / 1e9, Model: median(model) / 1e9, Pair: b.work / 1e9,
		Tokens: ratio(float64(all.tokens), float64(all.pairs)), Spread: spread(fractions),
	}
}

// deepest bounds a guess: the greatest window of Elasticsearch.
const deepest = 10_000

// advise finds the depth whose P95 is the target, on straight lines between the
// measured depths and on from the last one.
func advise(measured []Latency, target time.Duration) Advice {
	a := Advice{TargetMillis: float64(target.Nanoseconds()) / 1e6, Measured: true}
	depth, took := 0.0, 0.0 // where the line begins
	for _, l := range measured {
		end := max(l.P95, took) // a shallower call can't be the slower one but by chance
		if end > a.TargetMillis {
			a.Depth = int(depth + (float64(l.Depth)-depth)*(a.TargetMillis-took)/(end-took))
			return a
		}
		depth, took = float64(l.Depth), end
	}
	a.Measured = false
	a.Depth = deepest
	if took > 0 {
		a.Depth = int(min(deepest, depth*a.TargetMillis/took))
	}
	a.Measured = a.Depth <= measured[len(measured)-1].Depth
	return a
}

func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}
