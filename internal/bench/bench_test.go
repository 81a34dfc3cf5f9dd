package bench

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/scorer"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const frame = 10 // tokens of the query and what stands around

// worker scores one call after the other: a millisecond of padding for every
// passage, one for each token, and one for tokenising all of it.
type worker struct {
	one  chan struct{} // has room for one call
	fail error
}

func newWorker(fail error) *worker { return &worker{make(chan struct{}, 1), fail} }

func (w *worker) Score(ctx context.Context, _ string, passages []string) ([]float32, error) {
	stats := scorer.StatsFrom(ctx)
	queued := time.Now()
	w.one <- struct{}{}
	defer func() { <-w.one }()
	stats.Queue.Add(int64(time.Since(queued)))
	if w.fail != nil {
		return nil, w.fail
	}
	tokens := 0
	for _, p := range passages {
		tokens += len(strings.Fields(p)) + frame
	}
	infer := time.Duration(tokens+len(passages)) * time.Millisecond
	stats.Tokens.Add(int64(tokens))
	stats.PaddedTokens.Add(int64(tokens + len(passages)))
	stats.Tokenize.Add(int64(time.Millisecond))
	stats.Infer.Add(int64(infer))
	select {
	case <-time.After(infer + time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return make([]float32, len(passages)), nil
}

func options(s scorer.Scorer) Options {
	return Options{
		Scorer: s, MaxTokens: 512, Lengths: []int{19, 49}, Batches: []int{1, 4}, Depths: []int{10, 30}, Callers: 2,
		Targets: []time.Duration{121 * time.Millisecond, 1816 * time.Millisecond, time.Minute},
		Peak:    func(context.Context) (float64, error) { return 2e9, nil },
		Work:    func(_ context.Context, tokens int) (float64, error) { return float64(tokens+1) * 1e6, nil },
	}
}

// Time is the worker's alone here, so that every figure is known.
func TestFiguresAreThoseOfTheScorer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := Run(t.Context(), options(newWorker(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if r.Rounds != 1 || r.Callers != 2 {
			t.Errorf("%d rounds and %d callers, want 1 and 2", r.Rounds, r.Callers)
		}
		for i, want := range []struct {
			tokens float64
			batch  int
		}{{19, 1}, {19, 4}, {49, 1}, {49, 4}} {
			seconds := (float64(want.batch)*(want.tokens+1) + 1) / 1000
			got := r.Rates[i]
			if got.Tokens != want.tokens || got.Batch != want.batch || !near(got.PairsPerSecond, float64(want.batch)/seconds) ||
				!near(got.TokensPerSecond, got.Tokens*got.PairsPerSecond) {
				t.Errorf("rate %+v, want %v in %v s", got, want, seconds)
			}
		}
		if diff := cmp.Diff([]Latency{{10, 1211, 1211, 1}, {30, 3631, 3631, 1}}, r.Latency); diff != "" {
			t.Errorf("latency (-want +got):\n%s", diff)
		}
		if s := r.Stages; s.Depth != 30 || !near(s.Tokenize, 1/3631.) || s.Queue != 0 || !near(s.Infer, 3630/3631.) || !near(s.Other, 0) {
			t.Errorf("stages %+v", s)
		}
		if !near(r.FractionOfPeak, 0.5) || !near(r.Peak.Machine, 2) || !near(r.Peak.Model, 1) || r.Peak.Tokens != 128 || !near(r.Peak.Pair, 0.129) {
			t.Errorf("%v of the peak, %+v, want a half", r.FractionOfPeak, r.Peak)
		}
		// Ten times the mean of the lengths is known to no better than a token.
		perPair := r.TokensPerSecond / r.PairsPerSecond
		if !near(r.PaddingRatio, (perPair+1)/perPair) || perPair < 80 || perPair > 160 || r.PairsPerSecond > 1000/perPair {
			t.Errorf("%v pairs and %v tokens a second, padding ratio %v", r.PairsPerSecond, r.TokensPerSecond, r.PaddingRatio)
		}
		want := []Advice{{121, 0, true}, {1816, 15, true}, {60000, 495, false}}
		if diff := cmp.Diff(want, r.Advice); diff != "" {
			t.Errorf("advice (-want +got):\n%s", diff)
		}
	})
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }

func TestTheTimeIsSpentInRounds(t *testing.T) {
	steps := &steps{}
	o := options(instant{})
	o.Time, o.Progress = 300*time.Millisecond, steps
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rounds < 1 || r.Rounds > mostRounds {
		t.Errorf("%d rounds", r.Rounds)
	}
	if r.Latency[0].Samples < r.Rounds || r.Latency[0].Samples > r.Rounds*mostSamples {
		t.Errorf("%d samples in %d rounds", r.Latency[0].Samples, r.Rounds)
	}
	if r.CacheHitsPerSecond <= 0 || r.PaddingRatio != 0 {
		t.Errorf("%v hits a second, padding ratio %v of a scorer that doesn't tell", r.CacheHitsPerSecond, r.PaddingRatio)
	}
	if steps.done != 1 || steps.steps != r.Rounds*len(o.Lengths)*len(o.Batches)+r.Rounds*(len(o.Depths)+4) {
		t.Errorf("%d steps and %d ends were told", steps.steps, steps.done)
	}
}

// instant is a scorer that accounts for nothing.
type instant struct{}

func (instant) Score(_ context.Context, _ string, passages []string) ([]float32, error) {
	return make([]float32, len(passages)), nil
}

type steps struct{ steps, done int }

func (s *steps) Begin(string, string, int) (step, done func()) {
	return func() { s.steps++ }, func() { s.done++ }
}

type short struct{}

func (short) Score(context.Context, string, []string) ([]float32, error) { return nil, nil }

func TestFailuresEndTheMeasurement(t *testing.T) {
	boom := errors.New("boom")
	for _, tc := range []struct {
		name   string
		change func(*Options)
		want   error
	}{
		{"of the model", func(o *Options) { o.Scorer = newWorker(boom) }, boom},
		{"of a model that forgets scores", func(o *Options) { o.Scorer = short{} }, scorer.ErrScores},
		{"of the peak", func(o *Options) { o.Peak = func(context.Context) (float64, error) { return 0, boom } }, boom},
		{"of the work", func(o *Options) { o.Work = func(context.Context, int) (float64, error) { return 0, boom } }, boom},
	} {
		o := options(instant{})
		tc.change(&o)
		if r, err := Run(t.Context(), o); !errors.Is(err, tc.want) || r != nil {
			t.Errorf("%s: got %v, %v, want %v", tc.name, r, err, tc.want)
		}
	}
}

func TestACallerWhoLeavesEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(newWorker(nil))
		o.Time = time.Hour
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := Run(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it ended after %v, want 1m", took)
		}
	})
}

func TestAdviceIsReadOffTheMeasuredDepths(t *testing.T) {
	measured := []Latency{{Depth: 10, P95: 100}, {Depth: 20, P95: 90}, {Depth: 50, P95: 500}}
	for _, tc := range []struct {
		millis int
		want   Advice
	}{
		{5, Advice{5, 0, true}},
		{50, Advice{50, 5, true}},
		{100, Advice{100, 20, true}}, // a deeper call was as fast
		{300, Advice{300, 35, true}},
		{500, Advice{500, 50, true}},
		{1000, Advice{1000, 100, false}},
		{3600_000, Advice{3600_000, deepest, false}},
	} {
		if got := advise(measured, time.Duration(tc.millis)*time.Millisecond); got != tc.want {
			t.Errorf("%d ms: %+v, want %+v", tc.millis, got, tc.want)
		}
	}
}

func TestTextsAreTheSameEveryTimeAndNeverTwice(t *testing.T) {
	a, b := newTexts(1), newTexts(1)
	seen := map[string]bool{}
	for range 1000 {
		text := a.words(12)
		if text != b.words(12) || seen[text] || len(strings.Fields(text)) != 12 {
			t.Fatalf("%q is of another length, other than before or not new", text)
		}
		seen[text] = true
	}
}

func TestWordsFollowTheTokenizer(t *testing.T) {
	for _, tc := range []struct {
		scale        scale
		tokens, want int
	}{
		{scale{}, 20, 20},
		{scale{fixed: 10, perWord: 1}, 128, 118},
		{scale{fixed: 10, perWord: 1.5}, 100, 60},
		{scale{fixed: 10, perWord: 1}, 5, 1},
	} {
		if got := tc.scale.words(tc.tokens); got != tc.want {
			t.Errorf("%+v: %d words for %d tokens, want %d", tc.scale, got, tc.tokens, tc.want)
		}
	}
}

func TestQuantilesAreByNearestRank(t *testing.T) {
	list := []float64{4, 1, 3, 2}
	for _, tc := range []struct{ q, want float64 }{{0.25, 1}, {0.5, 2}, {0.75, 3}, {0.95, 4}, {1, 4}, {0, 1}} {
		if got := quantile(list, tc.q); got != tc.want {
			t.Errorf("quantile %v of %v is %v, want %v", tc.q, list, got, tc.want)
		}
	}
	if quantile(nil, 0.5) != 0 || spread([]float64{0, 0}) != 0 || spread([]float64{1, 2, 4}) != 1.5 {
		t.Error("of nothing, or spreads")
	}
}

func TestTheProcessorsNameIsFound(t *testing.T) {
	if got := processor([]byte("processor\t: 0\nmodel name\t: A Core: fast\nflags\t\t: x\n")); got != "A Core: fast" {
		t.Errorf("found %q", got)
	}
	if got := processor([]byte("processor\t: 0\n")); got != "" {
		t.Errorf("found %q where none is", got)
	}
	if m := ThisMachine(); m.Cores < 1 || m.Go == "" || m.Platform == "" {
		t.Errorf("%+v", m)
	}
}
