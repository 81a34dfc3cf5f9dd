package onnx

import (
	"errors"
	"fmt"
	"maps"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of the messages of ONNX files, by https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
const (
	modelGraph     = 7
	modelFunctions = 25
	graphNode      = 1
	graphWeights   = 5
	graphOutput    = 12
	functionNode   = 7
	valueName      = 1
	nodeInput      = 1
	nodeOutput     = 2
	nodeOperator   = 4
	tensorType     = 2

	typeInt8    = 3 // of a tensor
	typeFloat16 = 10
)

// graph is what the file of a model tells about its operators.
type graph struct {
	operators map[string]int // nodes by operator, those of functions included
	halves    int            // tensors of weights with 16 bits a number
	output    string         // name of the first output
	makers    map[string]node

	wide       map[string]bool // weights with 8 bits and a sign that use all of them
	multiplied []string        // inputs of products of integers
}

// node is what makes a value: an operator of a first input.
type node struct{ operator, input string }

var errGraph = errors.New("not an ONNX file")

// readGraph reads a model's file, skipping its weights.
func readGraph(model []byte) (*graph, error) {
	g := &graph{operators: make(map[string]int), makers: make(map[string]node), wide: make(map[string]bool)}
	err := fields(model, func(number protowire.Number, data []byte, _ uint64) error {
		if number == modelGraph {
			return fields(data, g.part)
		}
		if number != modelFunctions {
			return nil
		}
		return fields(data, func(number protowire.Number, data []byte, _ uint64) error {
			if number != functionNode {
				return nil
			}
			_, err := g.node(data)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (g *graph) part(number protowire.Number, data []byte, _ uint64) error {
	switch {
	case number == graphNode:
		outputs, err := g.node(data)
		if err != nil {
			return err
		}
		maps.Copy(g.makers, outputs)
	case number == graphWeights:
		return g.weights(data)
	case number == graphOutput && g.output == "":
		return fields(data, func(number protowire.Number, data []byte, _ uint64) error {
			if number == valueName {
				g.output = string(data)
			}
			return nil
		})
	}
	return nil
}

// weights looks at a tensor of weights. Those of integers may stand in the list of
// integers, too, which no exporter does with more than a few.
func (g *graph) weights(tensor []byte) error {
	var name string
	var kind uint64
	var raw []byte
	err := fields(tensor, func(number protowire.Number, data []byte, value uint64) error {
		if number == tensorType {
			kind = value
		}
		if number == tensorName {
			name = string(data)
		}
		if number == tensorRaw {
			raw = data
		}
		return nil
	})
	switch kind {
	case typeFloat16:
		g.halves++
	case typeInt8:
		if beyond(raw) {
			g.wide[name] = true
		}
	}
	return err
}

// node counts a node and returns it by each of its outputs.
func (g *graph) node(data []byte) (map[string]node, error) {
	var n node
	var inputs, outputs []string
	err := fields(data, func(number protowire.Number, data []byte, _ uint64) error {
		if number == nodeInput {
			inputs = append(inputs, string(data))
		}
		if number == nodeOutput {
			outputs = append(outputs, string(data))
		}
		if number == nodeOperator {
			n.operator = string(data)
		}
		return nil
	})
	if len(inputs) > 0 {
		n.input = inputs[0]
	}
	if integerProducts[n.operator] {
		g.multiplied = append(g.multiplied, inputs...)
	}
	g.operators[n.operator]++
	made := make(map[string]node, len(outputs))
	for _, name := range outputs {
		made[name] = n
	}
	return made, err
}

// mostCarriers bounds the operators that are passed through on the way from the
// output to what computes it.
const mostCarriers = 8

// last is the operator that computes the output, apart from those that only
// change its form.
func (g *graph) last() string {
	name := g.output
	for range mostCarriers {
		n := g.makers[name]
		switch n.operator {
		case "Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten":
			name = n.input
		default:
			return n.operator
		}
	}
	return ""
}

// precision names the arithmetic of the graph.
func (g *graph) precision() string {
	for _, kind := range []struct{ operator, precision string }{
		{"MatMulNBits", "nbits"},
		{"DynamicQuantizeLinear", "int8"},
		{"DynamicQuantizeMatMul", "int8"},
		{"QLinearMatMul", "int8"},
		{"QAttention", "int8"},
		{"MatMulInteger", "int8"},
		{"MatMulIntegerToFloat", "int8"},
		{"QuantizeLinear", "int8"},
	} {
		if g.operators[kind.operator] > 0 {
			return kind.precision
		}
	}
	if g.halves > 0 {
		return "fp16"
	}
	return "fp32"
}

// fields calls f for each field of a message that holds bytes or a whole number.
func fields(message []byte, f func(number protowire.Number, data []byte, value uint64) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("%w: %w", errGraph, protowire.ParseError(n))
		}
		message = message[n:]
		var data []byte
		var value uint64
		switch kind {
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(message)
		default: // also wire types 6 and 7, which are none: an error
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return fmt.Errorf("%w: %w", errGraph, protowire.ParseError(n))
		}
		message = message[n:]
		if err := f(number, data, value); err != nil {
			return err
		}
	}
	return nil
}
