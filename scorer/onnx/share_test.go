package onnx

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/scorertest"
)

// share makes an engine that shares the reference model's.
func share(tb testing.TB, of *Engine, workers int) *Engine {
	tb.Helper()
	s := of.Share()
	if err := s.SetWorkers(workers); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close the share: %v", err)
		}
	})
	return s
}

func TestAShareKeepsTheContractOfAScorer(t *testing.T) {
	scorertest.Run(t, scorertest.Options{Tolerance: tolerance}, func(tb testing.TB) scorer.Scorer {
		tb.Helper()
		return share(tb, loadReference(tb, Options{Workers: 1}), 2)
	})
}

func TestAShareHasItsOwnWorkersAndOutlivesNobody(t *testing.T) {
	e := loadReference(t, Options{Workers: 2})
	s := share(t, e, 0)
	passages := strings.Fields("tides moon ocean")
	type outcome struct {
		scores []float32
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		scores, err := s.Score(t.Context(), "tide", passages)
		done <- outcome{scores, err}
	}()
	for s.Backlog().OpenTokens == 0 {
		select {
		case o := <-done:
			t.Fatalf("a share without workers answered %v, %v", o.scores, o.err)
		default:
		}
	}
	want, err := e.Score(t.Context(), "tide", passages) // goes on beside it
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetWorkers(1); err != nil {
		t.Fatal(err)
	}
	if o := <-done; o.err != nil || !slices.Equal(o.scores, want) {
		t.Errorf("the share answered %v, %v, want %v", o.scores, o.err, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Score(t.Context(), "tide", passages); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed share: %v, want ErrClosed", err)
	}
	if _, err := e.Score(t.Context(), "tide", passages); err != nil {
		t.Errorf("the engine after its share was closed: %v", err)
	}
}
