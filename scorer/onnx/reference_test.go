package onnx

import (
	"math"
	"slices"
	"testing"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/scorertest"
)

// tolerance is how far a logit may be from PyTorch's in fp32.
const tolerance = 1e-4

func TestContract(t *testing.T) {
	open := func(tb testing.TB) scorer.Scorer {
		tb.Helper()
		return loadReference(tb, Options{Workers: 2, BatchTokens: 64})
	}
	scorertest.Run(t, scorertest.Options{Tolerance: tolerance}, open)
}

// The reference scored each pair alone. Here they run in batches of every size
// that the budget makes of them, several calls to a query's pairs included.
func TestScoresEqualPyTorch(t *testing.T) {
	pairs := loadPairs(t)
	var want []float32
	readJSON(t, "testdata/reference/logits.json", &want)
	if len(pairs) != len(want) || len(pairs) < 200 {
		t.Fatalf("%d pairs and %d logits, want equally many, 200 or more", len(pairs), len(want))
	}
	if low, high := slices.Min(want), slices.Max(want); high-low < 1 {
		t.Fatalf("the logits spread from %v to %v only: they could not tell right from wrong", low, high)
	}
	byQuery := map[string][]int{}
	for i, p := range pairs {
		query, _ := p.texts()
		byQuery[query] = append(byQuery[query], i)
	}
	for _, o := range []Options{{}, {Workers: 1, BatchTokens: 1}, {Workers: 3, BatchTokens: 700}} {
		e := loadReference(t, o)
		worst := 0.0
		for query, members := range byQuery {
			passages := make([]string, len(members))
			for k, i := range members {
				_, passages[k] = pairs[i].texts()
			}
			got, err := e.Score(t.Context(), query, passages)
			if err != nil {
				t.Fatal(err)
			}
			for k, i := range members {
				d := math.Abs(float64(got[k] - want[i]))
				worst = max(worst, d)
				if d > tolerance {
					t.Errorf("%+v: pair %d (%.40q, %.40q): logit %v, PyTorch has %v", o, i, query, passages[k], got[k], want[i])
				}
			}
		}
		t.Logf("%d pairs with %d workers and batches of %d tokens: at most %.2g from PyTorch", len(pairs), e.options.Workers, e.options.BatchTokens, worst)
	}
}

func TestPairsOfManyLengthsShareBatchesWithoutTouchingEachOther(t *testing.T) {
	pairs := loadPairs(t)
	const query = "what causes the tides"
	passages := make([]string, len(pairs))
	for i, p := range pairs {
		_, passages[i] = p.texts()
	}
	alone := loadReference(t, Options{Workers: 1, BatchTokens: 1})
	together := loadReference(t, Options{})
	want, err := alone.Score(t.Context(), query, passages)
	if err != nil {
		t.Fatal(err)
	}
	got, err := together.Score(t.Context(), query, passages)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > tolerance {
			t.Errorf("passage %d %.40q: %v in a batch, %v alone", i, passages[i], got[i], want[i])
		}
	}
	// How many pairs share a batch depends on how many are tokenised when a worker is free.
	if a, b := alone.Stats().Batches, together.Stats().Batches; a < int64(len(passages)) || b >= a/2 {
		t.Errorf("%d and %d batches for %d passages: the two did not differ as meant", a, b, len(passages))
	}
}
