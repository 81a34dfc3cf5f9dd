package onnx

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/scorer/builtin"
)

// What the speed of a model rests on is which operators ONNX Runtime runs after it
// has optimised a graph at load. A release that joins others, or no longer joins
// these, is a change to measure before it is taken: `rerankd bench` before and after.
func TestTheOperatorsThatRunAreThoseThatWereMeasured(t *testing.T) {
	t.Run("the built-in model", func(t *testing.T) {
		files, err := Open(builtin.Model())
		if err != nil {
			t.Fatal(err)
		}
		wantOperators(t, files, map[string]int{
			"MultiHeadAttention": 6, "DynamicQuantizeMatMul": 23, "MatMulNBits": 2, "Gelu": 6,
			// Sums before norms are not joined to SkipLayerNormalization, which takes five times as long.
			"Sum": 13, "LayerNormalization": 13, "SkipLayerNormalization": 0,
			// Nothing was taken apart.
			"MatMulInteger": 0, "DynamicQuantizeLinear": 0, "Softmax": 0, "Erf": 0, "ReduceMean": 0,
		})
	})
	t.Run("the smaller built-in model", func(t *testing.T) {
		files, err := Open(builtin.Tiny())
		if err != nil {
			t.Fatal(err)
		}
		wantOperators(t, files, map[string]int{
			"MultiHeadAttention": 6, "MatMulIntegerToFloat": 24, "MatMulNBits": 1, "Gelu": 6, "LayerNormalization": 13, "SkipLayerNormalization": 0,
			"QuantizeLinear": 24, "TopK": 1, "DynamicQuantizeMatMul": 0,
			"MatMulInteger": 0, "DynamicQuantizeLinear": 0, "Softmax": 0, "Erf": 0, "ReduceMean": 0,
		})
	})
	for _, tc := range []struct {
		name string
		want map[string]int
	}{
		// The export of a BERT of two layers: gelus get their bias, the scale of attention its product.
		{"model", map[string]int{"BiasGelu": 2, "FusedMatMul": 2, "FusedGemm": 1, "Gelu": 0, "MatMulInteger": 0}},
		// Quantised: each product is one operator that gives floats, and quantises on the way but where three share an input.
		{"int8", map[string]int{"DynamicQuantizeMatMul": 8, "MatMulIntegerToFloat": 6, "DynamicQuantizeLinear": 2, "MatMulInteger": 0}},
		{"nbits", map[string]int{"MatMulNBits": 12}},
	} {
		t.Run("the export of a BERT: "+tc.name, func(t *testing.T) {
			files, err := OpenFolder(architectures + "/bert")
			if err != nil {
				t.Fatal(err)
			}
			if files.Model, err = os.ReadFile(filepath.Join(architectures, "bert", tc.name+".onnx")); err != nil {
				t.Fatal(err)
			}
			wantOperators(t, files, tc.want)
		})
	}
}

// wantOperators counts the operators of a run by ONNX Runtime's own profile of it.
func wantOperators(t *testing.T, f Files, want map[string]int) {
	t.Helper()
	profile, err := profileRun(t.Context(), f, 2, 24)
	if err != nil {
		t.Fatal(err)
	}
	var events []event
	if err := json.Unmarshal(profile, &events); err != nil {
		t.Fatal(err)
	}
	ran := map[string]int{}
	for _, e := range events {
		if e.Category == "Node" && strings.HasSuffix(e.Name, "_kernel_time") {
			ran[e.Args.Operator]++
		}
	}
	for _, operator := range slices.Sorted(maps.Keys(want)) {
		if ran[operator] != want[operator] {
			t.Errorf("ONNX Runtime %s runs %s %d times, want %d: its optimiser joins operators otherwise than the release that was measured. All that ran: %v",
				Version(), operator, ran[operator], want[operator], ran)
		}
	}
}
