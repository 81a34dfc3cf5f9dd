package onnx

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/cpu"

	"github.com/rerankd/rerankd/scorer/builtin"
)

// A processor that adds four products in 32 bits, as VNNI does, cuts none.
func TestSaturationIsMeasured(t *testing.T) {
	got, err := saturates()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("saturates: %t; AVX512-VNNI %t, AVX-VNNI %t", got, cpu.X86.HasAVX512VNNI, cpu.X86.HasAVXVNNI)
	if got && (cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI || cpu.ARM64.HasASIMD) {
		t.Error("sums of products are cut on a processor that adds them in 32 bits")
	}
	const exact = saturationInner * greatestActivation * greatestWeight
	for _, tc := range []struct {
		sums []int32
		want bool
	}{
		{slices.Repeat([]int32{exact}, 4), false},
		{[]int32{exact, saturationInner / 2 * 32767, exact}, true}, // two products at most 2^15 - 1
		{nil, false},
	} {
		if got := cut(tc.sums); got != tc.want {
			t.Errorf("%v is cut: %t, want %t", tc.sums, got, tc.want)
		}
	}
}

func TestWeightsThatAreNotExactEverywhereAreFound(t *testing.T) {
	own, err := Open(builtin.Model())
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		model, err := os.ReadFile(filepath.Join(architectures, "bert", name))
		if err != nil {
			t.Fatal(err)
		}
		return model
	}
	for _, tc := range []struct {
		name  string
		model []byte
		want  bool
	}{
		{"products of all of 8 bits", integerProductModel(2, 2), true},
		{"the built-in model, of 7 bits", own.Model, false},
		{"a model that was quantised with a reduced range", read("int8.onnx"), false},
		{"unsigned blocks", read("nbits.onnx"), false},
		{"fp32", read("model.onnx"), false},
	} {
		g, err := readGraph(tc.model)
		if err != nil {
			t.Fatal(err)
		}
		if got := g.eightBits(); got != tc.want {
			t.Errorf("%s: %t, want %t", tc.name, got, tc.want)
		}
	}
	for weights, want := range map[string]bool{"\x40\xc0\x00": false, "\x00\x41": true, "\xbf": true, "": false} {
		if got := beyond([]byte(weights)); got != want {
			t.Errorf("%x: %t, want %t", weights, got, want)
		}
	}
}
