package onnx

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

// Texts of natural lengths, all different: many short ones and a few that are cut.
func TestLittleIsPaddedUnderAMixedLoad(t *testing.T) {
	e := loadReference(t, Options{Workers: 2})
	if e.info.Batching != Together {
		t.Fatalf("batching %q: nothing would be padded", e.info.Batching)
	}
	const callers, window = 8, 30
	before := e.Stats()
	var running sync.WaitGroup
	for caller := range callers {
		random := rand.New(rand.NewPCG(uint64(caller), 0))
		passages := make([]string, window)
		for i := range passages {
			words := 60 * math.Exp(0.7*random.NormFloat64()) // log-normal, as lengths of paragraphs are
			passages[i] = strings.Repeat("moon ", int(words)+1)
		}
		running.Go(func() {
			if _, err := e.Score(t.Context(), "what causes the tides", passages); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	after := e.Stats()
	tokens, padded := after.Tokens-before.Tokens, after.PaddedTokens-before.PaddedTokens
	ratio := float64(padded) / float64(tokens)
	t.Logf("%d tokens in %d batches, padded to %d: %.3f", tokens, after.Batches-before.Batches, padded, ratio)
	if ratio > 1.05 {
		t.Errorf("padding ratio %.3f, want 1.05 at most", ratio)
	}
}
