package onnx

import (
	"fmt"
	"slices"

	ort "github.com/yalue/onnxruntime_go"
)

// exactWeight is the greatest weight of 8 bits whose products are exact on every
// processor: without VNNI two products of neighbours, with activations of up to 255,
// are added in 16 bits with a sign, and what is beyond those is cut off.
const exactWeight = 64

// SaturationRemedy is what helps a model that [Info.Saturates].
const SaturationRemedy = "scores differ from those of the model elsewhere; use an int8 graph of 7 bits, such as training/quantize/quantize.py makes, one of unsigned weights, or fp32"

// Sizes of the product by which saturation is measured.
const (
	saturationInner = 64 // products in a sum
	saturationWidth = 16 // sums
)

// saturates measures whether ONNX Runtime cuts sums of products of 8 bits on this
// processor: of the greatest activations with the greatest weights.
func saturates() (bool, error) {
	options, err := sessionOptions()
	if err != nil {
		return false, err
	}
	defer func() { _ = options.Destroy() }()
	session, err := ort.NewDynamicAdvancedSessionWithONNXData(integerProductModel(saturationInner, saturationWidth), []string{"left"}, []string{"product"}, options)
	if err != nil {
		return false, fmt.Errorf("load a product of integers: %w", err)
	}
	defer func() { _ = session.Destroy() }()
	left, err := ort.NewTensor(ort.NewShape(1, saturationInner), slices.Repeat([]uint8{greatestActivation}, saturationInner))
	if err != nil {
		return false, fmt.Errorf("make a row of integers: %w", err)
	}
	product := []ort.Value{nil}
	defer func() { destroy(append(product, left)) }()
	if err := session.Run([]ort.Value{left}, product); err != nil {
		return false, fmt.Errorf("multiply integers: %w", err)
	}
	sums, ok := product[0].(*ort.Tensor[int32])
	if !ok {
		return false, fmt.Errorf("multiply integers: the product is a %T", product[0])
	}
	return cut(sums.GetData()), nil
}

// cut reports whether a sum of the greatest products is not what it should be.
func cut(sums []int32) bool {
	const exact = saturationInner * greatestActivation * greatestWeight
	return slices.ContainsFunc(sums, func(sum int32) bool { return sum != exact })
}

// integerProducts are the operators that multiply weights of 8 bits, or whose result
// is joined to one that does.
var integerProducts = map[string]bool{
	"MatMulInteger": true, "MatMulIntegerToFloat": true, "DynamicQuantizeMatMul": true, "QLinearMatMul": true, "QGemm": true,
	"QAttention": true, "DequantizeLinear": true,
}

// eightBits reports whether some product of the graph has weights with a sign that
// are not exact on every processor.
func (g *graph) eightBits() bool {
	return slices.ContainsFunc(g.multiplied, func(name string) bool { return g.wide[name] })
}

// beyond reports whether one of the weights is greater than those that are exact on
// every processor.
func beyond(weights []byte) bool {
	return slices.ContainsFunc(weights, func(b byte) bool { return int8(b) > exactWeight || int8(b) < -exactWeight })
}
