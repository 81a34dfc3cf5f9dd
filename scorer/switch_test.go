package scorer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/overlap"
	"github.com/rerankd/rerankd/scorer/scorertest"
)

func TestSwitchPassesTheContract(t *testing.T) {
	scorertest.Run(t, scorertest.Options{}, func(testing.TB) scorer.Scorer { return scorer.NewSwitch(overlap.Words{}) })
}

// held scores by a number of its own, once it is let go.
type held struct {
	score   float32
	release chan struct{}
}

func (h held) Score(_ context.Context, _ string, passages []string) ([]float32, error) {
	<-h.release
	scores := make([]float32, len(passages))
	for i := range scores {
		scores[i] = h.score
	}
	return scores, nil
}

// A call stays with the scorer that it began with; later ones don't wait for it,
// and the exchange does.
func TestSwitchDrainsTheFormerScorer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		former, next := held{1, make(chan struct{})}, held{2, make(chan struct{})}
		close(next.release)
		s := scorer.NewSwitch(former)
		var calls sync.WaitGroup
		want := func(score float32) {
			got, err := s.Score(t.Context(), "q", []string{"p"})
			if err != nil || got[0] != score {
				t.Errorf("got %v, %v; want %v", got, err, score)
			}
		}
		calls.Go(func() { want(1) })
		synctest.Wait()
		exchanged := make(chan struct{})
		go func() { s.Exchange(next); close(exchanged) }()
		synctest.Wait()
		want(2)
		select {
		case <-exchanged:
			t.Error("the exchange did not wait for the call inside")
		default:
		}
		close(former.release)
		calls.Wait()
		<-exchanged
	})
}
