package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/scorer"
)

// sample is one run of a measure.
type sample struct {
	took                   time.Duration
	pairs, tokens, padded  int64
	tokenize, queue, infer time.Duration
	operationsPerSecond    float64 // of the gauge alone
}

func (s *sample) add(o sample) {
	s.took += o.took
	s.pairs += o.pairs
	s.tokens += o.tokens
	s.padded += o.padded
	s.tokenize += o.tokenize
	s.queue += o.queue
	s.infer += o.infer
}

// measure is one thing that is measured, in rounds with all others.
type measure struct {
	run    func(ctx context.Context) (sample, error)
	rounds [][]sample
}

// totals are the sums of each round.
func (m *measure) totals() []sample {
	sums := make([]sample, len(m.rounds))
	for i, round := range m.rounds {
		for _, s := range round {
			sums[i].add(s)
		}
	}
	return sums
}

// perRound is the value of each round.
func (m *measure) perRound(value func(sample) float64) []float64 {
	var values []float64
	for _, sum := range m.totals() {
		values = append(values, value(sum))
	}
	return values
}

func (m *measure) total() sample {
	var all sample
	for _, sum := range m.totals() {
		all.add(sum)
	}
	return all
}

func (s sample) pairsPerSecond() float64  { return ratio(float64(s.pairs), s.took.Seconds()) }
func (s sample) tokensPerSecond() float64 { return ratio(float64(s.tokens), s.took.Seconds()) }

// score asks s once and accounts for it.
func score(ctx context.Context, s scorer.Scorer, query string, passages []string) (sample, error) {
	var stats scorer.Stats
	start := time.Now()
	scores, err := s.Score(scorer.WithStats(ctx, &stats), query, passages)
	took := time.Since(start)
	if err != nil {
		return sample{}, err
	}
	if len(scores) != len(passages) {
		return sample{}, fmt.Errorf("%w: %d scores for %d passages", scorer.ErrScores, len(scores), len(passages))
	}
	return sample{
		took: took, pairs: int64(len(passages)), tokens: stats.Tokens.Load(), padded: stats.PaddedTokens.Load(),
		tokenize: time.Duration(stats.Tokenize.Load()), queue: time.Duration(stats.Queue.Load()), infer: time.Duration(stats.Infer.Load()),
	}, nil
}

// alone is a lone call of so many passages of so many tokens.
func (b *bench) alone(passages, tokens int) *measure {
	return &measure{run: func(ctx context.Context) (sample, error) {
		return score(ctx, b.Scorer, b.texts.query(), b.passages(passages, tokens))
	}}
}

func (b *bench) passages(n, tokens int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = b.texts.words(b.scale.words(tokens))
	}
	return list
}

// load is several callers at the same time, each with a window of passages of
// mixed lengths, until the last is through.
func (b *bench) load() *measure {
	return &measure{run: func(ctx context.Context) (sample, error) {
		queries, windows := make([]string, b.Callers), make([][]string, b.Callers)
		for i := range windows {
			queries[i] = b.texts.query()
			for k := range window {
				tokens := min(mixedLengths[(i+k)%len(mixedLengths)], b.MaxTokens)
				windows[i] = append(windows[i], b.passages(1, tokens)...)
			}
			b.texts.random.Shuffle(window, func(x, y int) { windows[i][x], windows[i][y] = windows[i][y], windows[i][x] })
		}
		samples, errs := make([]sample, b.Callers), make([]error, b.Callers)
		var callers sync.WaitGroup
		start := time.Now()
		for i := range windows {
			callers.Go(func() { samples[i], errs[i] = score(ctx, b.Scorer, queries[i], windows[i]) })
		}
		callers.Wait()
		took := time.Since(start)
		var all sample
		for _, s := range samples {
			all.add(s)
		}
		all.took = took
		return all, errors.Join(errs...)
	}}
}

// cacheCalls is how many calls make one sample: a call is too short to time.
const cacheCalls = 100

// errNotKept is a cache that forgot what it was given.
var errNotKept = errors.New("the cache lost scores that it had room for")

// cached is a call whose scores are all known, through the decorators that stand
// before a model. stop frees the store.
func (b *bench) cached(ctx context.Context) (m *measure, stop func() error, err error) {
	store, err := cache.New(cache.Options{MaxBytes: cache.EntryBytes * 1 << 14})
	if err != nil {
		return nil, nil, err
	}
	s := scorer.NewSingleFlight(cache.NewScorer(constant{}, "bench", store))
	query, passages := b.texts.query(), b.passages(window, b.depthTokens())
	if _, err := s.Score(ctx, query, passages); err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	store.Settle()
	return &measure{run: func(ctx context.Context) (sample, error) {
		var stats scorer.Stats
		ctx = scorer.WithStats(ctx, &stats)
		start := time.Now()
		for range cacheCalls {
			if _, err := s.Score(ctx, query, passages); err != nil {
				return sample{}, err
			}
		}
		hits := stats.CacheHits.Load()
		if hits != cacheCalls*window {
			return sample{}, fmt.Errorf("%w: %d of %d", errNotKept, cacheCalls*window-hits, cacheCalls*window)
		}
		return sample{took: time.Since(start), pairs: hits}, nil
	}}, store.Close, nil
}

// constant stands for a model behind the cache.
type constant struct{}

func (constant) Score(_ context.Context, _ string, passages []string) ([]float32, error) {
	return make([]float32, len(passages)), nil
}

// gauge is the machine's peak.
func (b *bench) gauge() *measure {
	return &measure{run: func(ctx context.Context) (sample, error) {
		start := time.Now()
		value, err := b.Peak(ctx)
		return sample{took: time.Since(start), operationsPerSecond: value}, err
	}}
}

// median is the middle of the list, 0 of none.
func median(list []float64) float64 { return quantile(list, 0.5) }

// quantile is the value that a share q of the list is at or below: the nearest
// rank. It is 0 for an empty list.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	at := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

// spread is how far apart the lowest and the highest of the list are, relative to
// the median.
func spread(list []float64) float64 {
	m := median(list)
	if m == 0 {
		return 0
	}
	return (slices.Max(list) - slices.Min(list)) / m
}
