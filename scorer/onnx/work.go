package onnx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Work returns how many operations the matrix products of a model take for a
// batch of so many pairs of so many tokens each: two for a multiplication with an
// addition, whatever their precision. They are counted in a run that ONNX Runtime
// profiles, so that they are those of the graph as it is run, optimised and fused.
// Everything else in a transformer is little beside them. The profile is a
// temporary file. [Init] must have succeeded.
func Work(ctx context.Context, f Files, pairs, tokens int) (float64, error) {
	if !initialized() {
		return 0, errors.New("ONNX Runtime is not loaded: call Init first")
	}
	profile, err := profileRun(ctx, f, pairs, tokens)
	if err != nil {
		return 0, fmt.Errorf("profile the model: %w", err)
	}
	var events []event
	if err := json.Unmarshal(profile, &events); err != nil {
		return 0, fmt.Errorf("read the profile: %w", err)
	}
	sum := 0.0
	for _, e := range events {
		if e.Category == "Node" && strings.HasSuffix(e.Name, "_kernel_time") {
			sum += e.Args.operations()
		}
	}
	if sum == 0 {
		return 0, errors.New("the profile has no matrix product")
	}
	return sum, nil
}

// profileRun runs a batch once and returns ONNX Runtime's profile of it.
func profileRun(ctx context.Context, f Files, pairs, tokens int) (profile []byte, err error) {
	folder, err := os.MkdirTemp("", "rerankd-profile-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := runProfiled(ctx, f.Model, filepath.Join(folder, "profile"), pairs, tokens); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(folder, "profile*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("%d files of a profile, want one", len(files))
	}
	return os.ReadFile(files[0])
}

func runProfiled(ctx context.Context, model []byte, prefix string, pairs, tokens int) error {
	g, err := readGraph(model)
	if err != nil {
		return err
	}
	options, err := sessionOptions()
	if err != nil {
		return err
	}
	defer func() { _ = options.Destroy() }()
	if err := options.EnableProfiling(prefix); err != nil {
		return err
	}
	s, err := openSessionWith(model, g, options)
	if err != nil {
		return err
	}
	n := pairs * tokens
	r := rows{count: pairs, length: tokens, ids: make([]int64, n), mask: make([]int64, n), types: make([]int64, n)}
	for i := range r.mask {
		r.mask[i] = 1
	}
	// Closing the session is what writes the profile.
	return errors.Join(s.score(ctx, &r, make([]float32, pairs)), s.close())
}

// event is one of a profile, of which those of nodes have shapes.
type event struct {
	Category string `json:"cat"`
	Name     string `json:"name"`
	Args     kernel `json:"args"`
}

// kernel is a run of an operator. A shape has the name of its element type.
type kernel struct {
	Operator string             `json:"op_name"`
	Inputs   []map[string][]int `json:"input_type_shape"`
	Outputs  []map[string][]int `json:"output_type_shape"`
}

// operations counts those of a matrix product, and 0 for any other operator.
// Weights that ONNX Runtime has packed are missing among the inputs, so that only
// the activations and the output are looked at.
func (k kernel) operations() float64 {
	in, out := shapeOf(k.Inputs), shapeOf(k.Outputs)
	if len(in) == 0 || len(out) == 0 {
		return 0
	}
	width := float64(in[len(in)-1])
	switch k.Operator {
	case "MatMul", "FusedMatMul", "FusedMatMulActivation", "Gemm", "FusedGemm", "MatMulNBits", "QGemm",
		"MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QLinearMatMul":
		return 2 * volume(out) * width
	case "Attention", "QAttention": // with the projections to query, key and value
		if len(in) != 3 {
			return 0
		}
		return 3*2*volume(out)*width + products(out, in[1])
	case "MultiHeadAttention":
		if len(in) != 3 {
			return 0
		}
		return products(out, in[1])
	}
	return 0
}

// products are the operations of query × key and their weights × value.
func products(out []int, tokens int) float64 { return 2 * 2 * volume(out) * float64(tokens) }

// shapeOf returns the first shape of the list, nil when there is none.
func shapeOf(list []map[string][]int) []int {
	if len(list) == 0 {
		return nil
	}
	for _, shape := range list[0] {
		return shape
	}
	return nil
}

func volume(shape []int) float64 {
	v := 1.0
	for _, n := range shape {
		v *= float64(n)
	}
	return v
}
