package onnx

import (
	"sync"
	"testing"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

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

// A caller wakes up as soon as its job is done, and reads then what it took.
func TestTheAccountIsWrittenBeforeTheCallerWakesUp(t *testing.T) {
	for range 1000 {
		var stats scorer.Stats
		j := newJob(&stats, 1, time.Time{})
		j.queued = time.Now()
		j.started = j.queued.Add(time.Second)
		go j.finish(j.started.Add(time.Minute))
		<-j.done
		if queue, infer := time.Duration(stats.Queue.Load()), time.Duration(stats.Infer.Load()); queue != time.Second || infer != time.Minute {
			t.Fatalf("the caller reads %v and %v, want 1s and 1m", queue, infer)
		}
	}
}
