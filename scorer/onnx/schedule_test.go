package onnx

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/tokenizer"
)

func TestQueueTakesOneBatchOfEachCallInTurn(t *testing.T) {
	q := newQueue()
	jobs := map[*job]string{}
	add := func(name string, batches int) {
		_, cancel := context.WithCancelCause(t.Context())
		t.Cleanup(func() { cancel(nil) })
		j := &job{stats: new(scorer.Stats), cancel: cancel, done: make(chan struct{})}
		for i := range batches {
			j.batches = append(j.batches, []int{i})
		}
		jobs[j] = name
		q.put(j)
	}
	add("large", 4)
	add("small", 1)
	add("middle", 2)
	q.close() // what is queued is still handed out
	var order []string
	for {
		j, _, ok := q.take()
		if !ok {
			break
		}
		order = append(order, jobs[j])
		q.finish(j)
	}
	if want := []string{"large", "small", "middle", "large", "middle", "large", "large"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	for j, name := range jobs {
		select {
		case <-j.done:
		default:
			t.Errorf("%s is not done", name)
		}
	}
}

// lengthsToPairs makes pairs that are so many tokens long.
func lengthsToPairs(tok *tokenizer.Tokenizer, lengths []int) []tokenizer.Pair {
	pairs := make([]tokenizer.Pair, len(lengths))
	for i, n := range lengths {
		pairs[i] = tok.Pair(nil, make([]uint32, n-tok.SpecialTokens()), n)
	}
	return pairs
}

func TestPlanFillsBatchesByLengthWithinTheBudget(t *testing.T) {
	tok := loadReference(t, Options{}).tokenizer
	for _, tc := range []struct {
		name            string
		lengths         []int
		budget, workers int
		want            [][]int
	}{
		{"nothing", nil, 100, 2, nil},
		{"one pair", []int{10}, 100, 2, [][]int{{0}}},
		{"one pair over the budget", []int{200}, 100, 2, [][]int{{0}}},
		{"both workers get half", []int{10, 10, 10, 10}, 1000, 2, [][]int{{0, 1}, {2, 3}}},
		{"one worker gets all", []int{10, 10, 10, 10}, 1000, 1, [][]int{{0, 1, 2, 3}}},
		{"the longest stand together", []int{5, 50, 6, 49}, 100, 2, [][]int{{1, 3}, {2, 0}}},
		{"a pair over the budget is alone", []int{10, 200, 10}, 100, 1, [][]int{{1}, {0, 2}}},
		{"a budget smaller than any pair", []int{10, 20, 30}, 1, 4, [][]int{{2}, {1}, {0}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := plan(lengthsToPairs(tok, tc.lengths), tc.budget, tc.workers)
			if !slices.EqualFunc(got, tc.want, slices.Equal) {
				t.Errorf("batches %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPlanHoldsEachPairOnceAndKeepsTheBudget(t *testing.T) {
	tok := loadReference(t, Options{}).tokenizer
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		lengths := make([]int, 1+rng.IntN(100))
		for i := range lengths {
			lengths[i] = 3 + rng.IntN(254)
		}
		budget, workers := 1+rng.IntN(4096), 1+rng.IntN(8)
		batches := plan(lengthsToPairs(tok, lengths), budget, workers)
		seen := make([]bool, len(lengths))
		for _, batch := range batches {
			longest := 0
			for _, i := range batch {
				if seen[i] {
					t.Fatalf("pair %d is in two batches of %v", i, batches)
				}
				seen[i] = true
				longest = max(longest, lengths[i])
			}
			if len(batch) > 1 && longest*len(batch) > budget {
				t.Fatalf("a batch of %d pairs of up to %d tokens exceeds %d", len(batch), longest, budget)
			}
		}
		if i := slices.Index(seen, false); i >= 0 {
			t.Fatalf("pair %d of %v is in no batch", i, lengths)
		}
	}
}

func TestLoneCallKeepsEveryWorkerBusy(t *testing.T) {
	e := loadReference(t, Options{Workers: 4})
	before := e.Stats().Batches
	if _, err := e.Score(t.Context(), "tide", strings.Fields("eight passages that would fit into a single batch")); err != nil {
		t.Fatal(err)
	}
	if n := e.Stats().Batches - before; n < 4 {
		t.Errorf("%d batches for 4 workers", n)
	}
}

func TestAccountsAndObserverAgree(t *testing.T) {
	var mu sync.Mutex
	var seen Batch
	batches := 0
	e := loadReference(t, Options{Workers: 2, BatchTokens: 100, Observe: func(b Batch) {
		mu.Lock()
		defer mu.Unlock()
		batches++
		seen.Pairs += b.Pairs
		seen.Tokens += b.Tokens
		seen.PaddedTokens += b.PaddedTokens
		seen.Duration += b.Duration
	}})
	loaded := e.Stats()
	mu.Lock()
	batches, seen = 0, Batch{}
	mu.Unlock()
	passages := []string{"", "moon", long, "the moon and the tides", "ocean", "water"}
	var stats scorer.Stats
	start := time.Now()
	if _, err := e.Score(scorer.WithStats(t.Context(), &stats), "what causes the tides", passages); err != nil {
		t.Fatal(err)
	}
	wall := time.Since(start)
	pairs, err := e.encode(t.Context(), "what causes the tides", passages)
	if err != nil {
		t.Fatal(err)
	}
	tokens := 0
	for _, p := range pairs {
		tokens += p.Len()
	}
	mu.Lock()
	defer mu.Unlock()
	now := e.Stats()
	if got := (Stats{
		Batches: now.Batches - loaded.Batches, Pairs: now.Pairs - loaded.Pairs, Tokens: now.Tokens - loaded.Tokens,
		PaddedTokens: now.PaddedTokens - loaded.PaddedTokens, Busy: now.Busy - loaded.Busy,
	}); got != (Stats{int64(batches), int64(seen.Pairs), int64(seen.Tokens), int64(seen.PaddedTokens), seen.Duration}) {
		t.Errorf("engine counts %+v, observer saw %d batches %+v", got, batches, seen)
	}
	if stats.Scored.Load() != int64(len(passages)) || seen.Pairs != len(passages) {
		t.Errorf("%d pairs scored by the call's account, %d by the observer, want %d", stats.Scored.Load(), seen.Pairs, len(passages))
	}
	if stats.Tokens.Load() != int64(tokens) || seen.Tokens != tokens {
		t.Errorf("%d tokens by the call's account, %d by the observer, want %d", stats.Tokens.Load(), seen.Tokens, tokens)
	}
	if padded := stats.PaddedTokens.Load(); padded != int64(seen.PaddedTokens) || padded < int64(tokens) {
		t.Errorf("%d padded tokens by the call's account, %d by the observer, want equal and at least %d", padded, seen.PaddedTokens, tokens)
	}
	spent := time.Duration(stats.Tokenize.Load() + stats.Queue.Load() + stats.Infer.Load())
	if stats.Tokenize.Load() <= 0 || stats.Infer.Load() <= 0 || spent > wall {
		t.Errorf("%v tokenising, %v queued, %v in the model: want parts of the %v that the call took",
			time.Duration(stats.Tokenize.Load()), time.Duration(stats.Queue.Load()), time.Duration(stats.Infer.Load()), wall)
	}
}

func TestWarmRunsTheLongestPair(t *testing.T) {
	e := loadReference(t, Options{Workers: 2})
	before := e.Stats()
	if err := e.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := e.Stats().Tokens - before.Tokens; n != int64(2*e.Info().MaxTokens) {
		t.Errorf("%d tokens ran, want 2 pairs of %d", n, e.Info().MaxTokens)
	}
}
