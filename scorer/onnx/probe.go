package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// mostSway is how far the score of a pair may move with the pairs beside it for a
// model to count as one that scores each pair by itself: more than the rounding of
// fp32 does, and far less than a scale of activations that a whole batch shares.
const mostSway = 1e-4

// Texts that the probe scores, and how many tokens of them: short and long ones,
// so that much is padded.
var (
	probeQuery    = "what causes the tides"
	probePassages = []string{
		"The Moon.", "x", "Keep only a slow salted hash, and never the password itself; 3.14159 & [SEP] é日本",
		"The Moon's gravity pulls the oceans, so the water rises twice a day on most coasts of the world.",
	}
)

const (
	probeQueryTokens   = 8
	probePassageTokens = 24
)

// probe runs the model on pairs alone and together. It is an error if the model
// is no cross-encoder after all; sway is how far a pair's score moved with its
// company, at most.
func (e *Engine) probe(ctx context.Context) (sway float64, err error) {
	query, err := e.tokenizer.Encode(probeQuery, probeQueryTokens)
	if err != nil {
		return 0, err
	}
	pairs := make([]tokenizer.Pair, len(probePassages))
	for i, text := range probePassages {
		passage, err := e.tokenizer.Encode(text, probePassageTokens)
		if err != nil {
			return 0, err
		}
		pairs[i] = e.tokenizer.Pair(query, passage, e.options.MaxTokens)
	}
	together, err := e.tryOut(ctx, pairs)
	if err != nil {
		return 0, err
	}
	for i := range pairs {
		alone, err := e.tryOut(ctx, pairs[i:i+1])
		if err != nil {
			return 0, err
		}
		sway = max(sway, math.Abs(float64(alone[0]-together[i])))
	}
	return sway, nil
}

// tryOut runs pairs as one batch, without the queue.
func (e *Engine) tryOut(ctx context.Context, pairs []tokenizer.Pair) ([]float32, error) {
	var r rows
	r.lay(pairs, e.tokenizer.PadID())
	scores := make([]float32, len(pairs))
	return scores, e.session.score(ctx, &r, scores)
}

// Batching tells how an engine runs the pairs of a model.
type Batching string

const (
	// Together runs pairs of about equal length as one batch: a score does not
	// depend on the pairs beside it.
	Together Batching = "together"
	// Alone runs each pair by itself, without padding, since a batch would change
	// its score: the model chooses the scale of its activations by the whole of
	// what it is given. Only so is a score that was kept the score.
	Alone Batching = "alone"
)

// settleBatching tries the model and decides by it how pairs are run.
func (e *Engine) settleBatching(ctx context.Context) error {
	sway, err := e.probe(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("try the model: %w", err), e.Close())
	}
	// The width was checked by the run that it is of.
	e.info.Head, _ = headOf(e.session.last, int(e.session.width.Load()))
	e.info.Batching, e.info.Sway = Together, sway
	// Numbers of 16 bits round so coarsely that a few pairs don't show who falls on
	// which side.
	if sway > mostSway || e.session.halves != nil {
		e.info.Batching, e.queue.alone = Alone, true
	}
	return nil
}
