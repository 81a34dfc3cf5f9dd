package onnx

import (
	"bytes"
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// matrix is a square matrix of ordinary numbers: zeros and denormals might be
// multiplied at another speed.
func matrix(size int) []float32 {
	values := make([]float32, size*size)
	for i := range values {
		values[i] = float32(i%17)/16 - 0.5
	}
	return values
}

// Further fields of the messages of ONNX files, and values of them.
const (
	modelIRVersion = 1
	modelOpset     = 8
	opsetVersion   = 2
	graphName      = 2
	graphInput     = 11
	valueType      = 2
	typeTensor     = 1
	typeElement    = 1
	typeShape      = 2
	shapeDim       = 1
	dimValue       = 1
	tensorDims     = 1
	tensorName     = 8
	tensorRaw      = 9

	irVersion    = 8
	operatorSet  = 17
	elementFloat = 1 // of a tensor
)

// productModel is an ONNX model of one node, product = left × right, of square
// matrices. right is a constant.
func productModel(size int) []byte {
	dim := number(nil, dimValue, size)
	shape := message(message(nil, shapeDim, dim), shapeDim, dim)
	tensor := message(number(nil, typeElement, elementFloat), typeShape, shape)
	matrixType := message(nil, typeTensor, tensor)
	value := func(name string) []byte {
		return message(message(nil, valueName, []byte(name)), valueType, matrixType)
	}
	right := number(number(nil, tensorDims, size), tensorDims, size)
	right = message(number(right, tensorType, elementFloat), tensorName, []byte("right"))
	raw := make([]byte, 0, 4*size*size)
	for _, v := range matrix(size) {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	right = message(right, tensorRaw, raw)

	graph := message(message(nil, graphNode, productNode("MatMul")), graphName, []byte("product"))
	graph = message(graph, graphWeights, right)
	graph = message(message(graph, graphInput, value("left")), graphOutput, value("product"))
	return productOf(graph)
}

// Greatest values of 8 bits, without and with a sign.
const (
	greatestActivation = 255
	greatestWeight     = 127

	elementUint8 = 2
	elementInt32 = 6
)

// integerProductModel is an ONNX model of one node, product = left × right, of a row
// of so many unsigned 8-bit integers and a constant matrix of the greatest signed ones.
func integerProductModel(inner, width int) []byte {
	value := func(name string, element, columns int) []byte {
		shape := message(message(nil, shapeDim, number(nil, dimValue, 1)), shapeDim, number(nil, dimValue, columns))
		tensor := message(number(nil, typeElement, element), typeShape, shape)
		return message(message(nil, valueName, []byte(name)), valueType, message(nil, typeTensor, tensor))
	}
	right := number(number(number(nil, tensorDims, inner), tensorDims, width), tensorType, typeInt8)
	right = message(message(right, tensorName, []byte("right")), tensorRaw, bytes.Repeat([]byte{greatestWeight}, inner*width))
	graph := message(message(nil, graphNode, productNode("MatMulInteger")), graphName, []byte("product"))
	graph = message(graph, graphWeights, right)
	graph = message(message(graph, graphInput, value("left", elementUint8, inner)), graphOutput, value("product", elementInt32, width))
	return productOf(graph)
}

func productNode(operator string) []byte {
	node := message(message(nil, nodeInput, []byte("left")), nodeInput, []byte("right"))
	return message(message(node, nodeOutput, []byte("product")), nodeOperator, []byte(operator))
}

func productOf(graph []byte) []byte {
	model := message(number(nil, modelIRVersion, irVersion), modelGraph, graph)
	return message(model, modelOpset, number(nil, opsetVersion, operatorSet))
}

func number(b []byte, field protowire.Number, value int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(value))
}

func message(b []byte, field protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), content)
}
