package onnx

import (
	"context"
	"errors"
	"testing"
)

func TestTheGaugeMeasuresAndStops(t *testing.T) {
	g, err := NewGauge(2)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}()
	// A core of the last twenty years does between one and a thousand.
	if got, err := g.Measure(t.Context()); err != nil || got < 1e8 || got > 1e13 {
		t.Errorf("measured %g operations a second, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Measure(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left got %v", err)
	}
	if _, err := NewGauge(0); err == nil {
		t.Error("a gauge without workers was made")
	}
}

// The products of a transformer are known from its widths.
func TestWorkIsThatOfTheGraph(t *testing.T) {
	f := readReference(t)
	const layers, width, inner, tokens = 2, 64, 128, 24
	linear := 2.0 * tokens * (4*width*width + 2*width*inner)
	attention := 2.0 * 2 * tokens * tokens * width
	head := 2.0 * (width*width + width) // on the first token alone
	want := layers*(linear+attention) + head
	got, err := Work(t.Context(), f, 1, tokens)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%g operations for a pair of %d tokens, want %g", got, tokens, want)
	}
	two, err := Work(t.Context(), f, 2, tokens)
	if err != nil || two != 2*got {
		t.Errorf("%g for two pairs, %v, want twice %g", two, err, got)
	}
	if _, err := Work(t.Context(), Files{Model: []byte("no model")}, 1, 8); err == nil {
		t.Error("no model has work")
	}
}

func TestOperationsAreCountedByOperator(t *testing.T) {
	shape := func(sizes ...int) []map[string][]int { return []map[string][]int{{"float": sizes}} }
	for _, tc := range []struct {
		name   string
		kernel kernel
		want   float64
	}{
		{"a product", kernel{"MatMul", shape(1, 4, 8), shape(1, 4, 16)}, 2 * 4 * 16 * 8},
		{"a product in int8", kernel{"MatMulIntegerToFloat", shape(1, 4, 8), shape(1, 4, 16)}, 2 * 4 * 16 * 8},
		{"a product of heads", kernel{"FusedMatMul", shape(1, 2, 4, 8), shape(1, 2, 4, 4)}, 2 * 2 * 4 * 4 * 8},
		{"fused attention", kernel{"Attention", shape(1, 4, 8), shape(1, 4, 8)}, 3*2*4*8*8 + 4*4*4*8},
		{"attention behind projections", kernel{"MultiHeadAttention", shape(1, 4, 8), shape(1, 4, 8)}, 4 * 4 * 4 * 8},
		{"another operator", kernel{"Softmax", shape(1, 4, 8), shape(1, 4, 8)}, 0},
		{"no shapes", kernel{Operator: "MatMul"}, 0},
	} {
		if got := tc.kernel.operations(); got != tc.want {
			t.Errorf("%s: %g operations, want %g", tc.name, got, tc.want)
		}
	}
}
