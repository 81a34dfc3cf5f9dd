// Package scorer is the port between reranking and whatever rates a passage:
// the [Scorer] interface, the errors its callers branch on, and the parts every
// implementation shares — admission ([Gate]), joining of equal work in flight
// ([SingleFlight]) and per-request accounting ([Stats]).
//
// It knows no model, no tensor, no HTTP and no search engine.
package scorer

import (
	"context"
	"errors"
)

// Scorer rates how well each passage answers a query.
//
// Score returns exactly len(passages) finite values in passage order: raw
// logits, larger is better, the scale is the model's own. An empty passages
// slice yields an empty result and no error. Implementations are safe for
// concurrent use, do not keep or change the slices they are given, and give up
// soon after ctx ends, returning an error that wraps ctx.Err(): a [PartialError]
// from those that can tell which passages were scored by then. A [Patience] returns
// one of [ErrEnough], too. On error the scores are nil.
type Scorer interface {
	Score(ctx context.Context, query string, passages []string) ([]float32, error)
}

// Errors that callers branch on. Everything else that a Scorer returns is a
// failure of the model or its runtime.
var (
	// ErrOverloaded reports that every slot and every place in the queue is
	// taken. The caller is refused at once instead of waiting.
	ErrOverloaded = errors.New("scorer overloaded")

	// ErrScores reports a model that answered with the wrong number of scores
	// or with one that is not finite.
	ErrScores = errors.New("scorer returned unusable scores")
)
