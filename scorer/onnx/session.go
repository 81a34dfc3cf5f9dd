package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/rerankd/rerankd/scorer"
)

// The inputs of a cross-encoder. Many models have no use for type ids.
const (
	inputIDs  = "input_ids"
	inputMask = "attention_mask"
	inputType = "token_type_ids"
)

// session is a loaded model. Its run is safe for concurrent use; close is not
// and must come last.
type session struct {
	run    *ort.DynamicAdvancedSession
	inputs []string
}

// openSession loads a model that has the shape of a cross-encoder and refuses every other.
func openSession(model []byte) (*session, error) {
	inputs, outputs, err := ort.GetInputOutputInfoWithONNXData(model)
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	names, err := checkShape(inputs, outputs)
	if err != nil {
		return nil, err
	}
	options, err := sessionOptions()
	if err != nil {
		return nil, fmt.Errorf("set session options: %w", err)
	}
	defer func() { _ = options.Destroy() }()
	run, err := ort.NewDynamicAdvancedSessionWithONNXData(model, names, []string{outputs[0].Name}, options)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	return &session{run: run, inputs: names}, nil
}

// checkShape returns the names of the inputs in the order in which they are fed.
func checkShape(inputs, outputs []ort.InputOutputInfo) ([]string, error) {
	names := make([]string, 0, 3)
	for _, want := range []string{inputIDs, inputMask, inputType} {
		if slices.ContainsFunc(inputs, func(i ort.InputOutputInfo) bool { return i.Name == want }) {
			names = append(names, want)
		}
	}
	good := len(names) == len(inputs) && slices.Contains(names, inputIDs) && slices.Contains(names, inputMask)
	for _, i := range inputs {
		good = good && i.OrtValueType == ort.ONNXTypeTensor && i.DataType == ort.TensorElementDataTypeInt64 && len(i.Dimensions) == 2
	}
	if !good || len(outputs) != 1 || !oneLogit(outputs[0]) {
		return nil, fmt.Errorf("model has inputs %s and outputs %s; want %s, %s and optionally %s, each int64 [batch, tokens], "+
			"and one output, float32 [batch, 1] or [batch]: a cross-encoder with one logit a pair",
			describe(inputs), describe(outputs), inputIDs, inputMask, inputType)
	}
	return names, nil
}

// oneLogit reports whether an output can be one logit a pair. A width that the
// model leaves open is seen at the first run.
func oneLogit(o ort.InputOutputInfo) bool {
	if o.OrtValueType != ort.ONNXTypeTensor || o.DataType != ort.TensorElementDataTypeFloat {
		return false
	}
	d := o.Dimensions
	return len(d) == 1 || len(d) == 2 && (d[1] == 1 || d[1] < 0)
}

func describe(infos []ort.InputOutputInfo) string {
	parts := make([]string, len(infos))
	for i, info := range infos {
		kind := strings.ToLower(strings.TrimPrefix(info.DataType.String(), "ONNX_TENSOR_ELEMENT_DATA_TYPE_"))
		sizes := make([]string, len(info.Dimensions))
		for d, size := range info.Dimensions {
			sizes[d] = strconv.FormatInt(size, 10)
			if size < 0 {
				sizes[d] = "any"
			}
		}
		parts[i] = fmt.Sprintf("%s (%s [%s])", info.Name, kind, strings.Join(sizes, ", "))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// sessionOptions runs the model on the calling thread alone: as many workers as
// cores share the session, which was measured faster than many threads a run.
func sessionOptions() (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		o.SetIntraOpNumThreads(1),
		o.SetInterOpNumThreads(1),
		// A pattern is remembered for each shape, and our shapes never end.
		o.SetMemPattern(false),
		// Threads that wait for work by spinning would take the cores from the proxy.
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		o.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
		o.AddSessionConfigEntry("session.set_denormal_as_zero", "1"),
	)
	if err != nil {
		_ = o.Destroy()
		return nil, err
	}
	return o, nil
}

// score runs rows of equal length, which were laid into t, and writes one logit
// a row to scores. It returns soon after ctx ends, with an error that wraps
// ctx.Err(), and the session stays usable.
func (s *session) score(ctx context.Context, t *rows, scores []float32) error {
	inputs, err := t.tensors(s.inputs)
	defer destroy(inputs)
	if err != nil {
		return fmt.Errorf("make input tensors: %w", err)
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return fmt.Errorf("make run options: %w", err)
	}
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		_ = options.Terminate() // fails for lack of memory only, and then the run just takes longer
	})
	outputs := []ort.Value{nil}
	err = s.run.RunWithOptions(inputs, outputs, options)
	if !stop() {
		<-terminated // it must not touch the options once they are freed
	}
	_ = options.Destroy() // never returns an error
	defer destroy(outputs)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("run model on %d pairs of %d tokens: %w", t.count, t.length, err)
	}
	return copyScores(outputs[0], scores)
}

// copyScores takes the logits out of the model's answer, if that is what they are.
func copyScores(output ort.Value, scores []float32) error {
	shape := output.GetShape()
	tensor, ok := output.(*ort.Tensor[float32])
	if !ok || len(tensor.GetData()) != len(scores) || len(shape) == 0 || shape[0] != int64(len(scores)) {
		return fmt.Errorf("%w: output of shape %s for %d pairs, want one float32 a pair", scorer.ErrScores, shape, len(scores))
	}
	copy(scores, tensor.GetData())
	for i, v := range scores {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("%w: pair %d of a batch of %d got %v", scorer.ErrScores, i, len(scores), v)
		}
	}
	return nil
}

func (s *session) close() error { return s.run.Destroy() }

func destroy(values []ort.Value) {
	for _, v := range values {
		if v != nil {
			_ = v.Destroy() // never returns an error
		}
	}
}
