package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/rerankd/rerankd/scorer"
)

// Head tells what a model's output is, from which the raw logit is taken.
type Head string

const (
	// Logit is the raw logit itself.
	Logit Head = "logit"
	// TwoLogits are those of two classes, irrelevant and relevant. The raw logit
	// is the second less the first: the log odds of being relevant.
	TwoLogits Head = "two logits"
	// Sigmoid is the probability of being relevant, where the exporter put the
	// activation into the graph. The raw logit is its log odds.
	Sigmoid Head = "sigmoid"
	// Softmax are the probabilities of two classes, irrelevant and relevant.
	Softmax Head = "softmax"
)

// headOf decides by the operator that makes the output and the width that it has.
func headOf(operator string, width int) (Head, error) {
	switch {
	case width == 1 && operator == "Sigmoid":
		return Sigmoid, nil
	case width == 1 && operator != "Softmax":
		return Logit, nil
	case width == 2 && operator == "Softmax":
		return Softmax, nil
	case width == 2 && operator != "Sigmoid":
		return TwoLogits, nil
	}
	return "", fmt.Errorf("model ends in %s with %d values a pair; want one logit, two logits, a sigmoid of one or a softmax of two", operator, width)
}

// leastOdds keeps the log odds of probabilities that float32 rounds to 0 or 1 finite.
const leastOdds = 1e-38

// raw turns what the model said of each pair into its raw logit.
func (h Head) raw(values, scores []float32) {
	for i := range scores {
		switch h {
		case Logit:
			scores[i] = values[i]
		case TwoLogits:
			scores[i] = values[2*i+1] - values[2*i]
		case Sigmoid:
			scores[i] = logOdds(float64(values[i]), 1-float64(values[i]))
		case Softmax:
			scores[i] = logOdds(float64(values[2*i+1]), float64(values[2*i]))
		}
	}
}

func logOdds(yes, no float64) float32 {
	if math.IsNaN(yes) || math.IsNaN(no) {
		return float32(math.NaN())
	}
	return float32(math.Log(max(yes, leastOdds)) - math.Log(max(no, leastOdds)))
}

// values are the numbers of a model's output, for so many pairs, and how many
// there are of each.
func values(output ort.Value, pairs int) (list []float32, width int, err error) {
	shape := output.GetShape()
	switch t := output.(type) {
	case *ort.Tensor[float32]:
		list = t.GetData()
	case *ort.CustomDataTensor: // checked at load to be of 16 bits
		list = halves(t.GetData())
	}
	width = len(list) / pairs
	if len(shape) == 0 || len(shape) > 2 || shape[0] != int64(pairs) || width < 1 || width > 2 || len(list) != width*pairs {
		return nil, 0, fmt.Errorf("%w: output of shape %s for %d pairs, want one or two numbers a pair", scorer.ErrScores, shape, pairs)
	}
	return list, width, nil
}

// halves reads numbers of IEEE 754's 16 bits.
func halves(data []byte) []float32 {
	out := make([]float32, len(data)/2)
	for i := range out {
		h := binary.NativeEndian.Uint16(data[2*i:])
		exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
		var v float64
		switch exponent {
		case 0:
			v = math.Ldexp(fraction, -24)
		case 0x1f:
			v = math.Inf(1)
			if fraction != 0 {
				v = math.NaN()
			}
		default:
			v = math.Ldexp(1024+fraction, exponent-25)
		}
		if h>>15 == 1 {
			v = -v
		}
		out[i] = float32(v)
	}
	return out
}
