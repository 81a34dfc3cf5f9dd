package onnx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

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
	last   string       // operator that makes the output
	halves []int64      // dimensions of an output with 16 bits a number, but for the first; nil: it has 32
	width  atomic.Int32 // numbers of the output for each pair, known once a pair was run
}

// openSession loads a model that has the shape of a cross-encoder and refuses every other.
func openSession(model []byte, g *graph) (*session, error) {
	options, err := sessionOptions()
	if err != nil {
		return nil, fmt.Errorf("set session options: %w", err)
	}
	defer func() { _ = options.Destroy() }()
	return openSessionWith(model, g, options)
}

func openSessionWith(model []byte, g *graph, options *ort.SessionOptions) (*session, error) {
	inputs, outputs, err := ort.GetInputOutputInfoWithONNXData(model)
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	names, err := checkShape(inputs, outputs)
	if err != nil {
		return nil, err
	}
	run, err := ort.NewDynamicAdvancedSessionWithONNXData(model, names, []string{outputs[0].Name}, options)
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	s := &session{run: run, inputs: names, last: g.last()}
	if outputs[0].DataType == ort.TensorElementDataTypeFloat16 {
		s.halves = append([]int64{}, outputs[0].Dimensions[1:]...)
	}
	return s, nil
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
	if !good || len(outputs) != 1 || !logits(outputs[0]) {
		return nil, fmt.Errorf("model has inputs %s and outputs %s; want %s, %s and optionally %s, each int64 [batch, tokens], "+
			"and one output, float32 or float16 [batch, 1], [batch, 2] or [batch]: a cross-encoder with one or two logits a pair",
			describe(inputs), describe(outputs), inputIDs, inputMask, inputType)
	}
	return names, nil
}

// logits reports whether an output can be one or two logits a pair. A width that
// the model leaves open is seen at the first run.
func logits(o ort.InputOutputInfo) bool {
	number := o.DataType == ort.TensorElementDataTypeFloat || o.DataType == ort.TensorElementDataTypeFloat16
	if o.OrtValueType != ort.ONNXTypeTensor || !number {
		return false
	}
	d := o.Dimensions
	if o.DataType == ort.TensorElementDataTypeFloat16 && len(d) == 2 && d[1] < 0 {
		return false // its memory is reserved before the run
	}
	return len(d) == 1 || len(d) == 2 && d[1] != 0 && d[1] <= 2
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
	outputs, err := s.outputs(len(scores))
	if err != nil {
		return fmt.Errorf("make output tensor: %w", err)
	}
	defer destroy(outputs)
	options, err := ort.NewRunOptions()
	if err != nil {
		return fmt.Errorf("make run options: %w", err)
	}
	terminated := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(terminated)
		_ = options.Terminate() // fails for lack of memory only, and then the run just takes longer
	})
	err = s.run.RunWithOptions(inputs, outputs, options)
	if !stop() {
		<-terminated // it must not touch the options once they are freed
	}
	_ = options.Destroy() // never returns an error
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("run model on %d pairs of %d tokens: %w", t.count, t.length, err)
	}
	return s.take(outputs[0], scores)
}

// outputs reserves the output's memory where the binding can't do it by itself: it
// takes the 16 bits of a number for 8.
func (s *session) outputs(pairs int) ([]ort.Value, error) {
	if s.halves == nil {
		return []ort.Value{nil}, nil
	}
	shape := ort.NewShape(append([]int64{int64(pairs)}, s.halves...)...)
	t, err := ort.NewCustomDataTensor(shape, make([]byte, 2*shape.FlattenedSize()), ort.TensorElementDataTypeFloat16)
	if err != nil {
		return nil, err
	}
	return []ort.Value{t}, nil
}

// take takes the raw logits out of the model's answer, if that is what they are.
func (s *session) take(output ort.Value, scores []float32) error {
	list, width, err := values(output, len(scores))
	if err != nil {
		return err
	}
	head, err := headOf(s.last, width)
	if err != nil {
		return err
	}
	s.width.Store(int32(width))
	head.raw(list, scores)
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
