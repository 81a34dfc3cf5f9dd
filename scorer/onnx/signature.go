package onnx

import (
	"errors"
	"fmt"

	ort "github.com/yalue/onnxruntime_go"
)

// Signature describes the inputs and outputs that a graph declares: names, types
// and dimensions. [Init] must have succeeded.
func Signature(graph []byte) (inputs, outputs string, err error) {
	if !initialized() {
		return "", "", errors.New("ONNX Runtime is not loaded: call Init first")
	}
	in, out, err := ort.GetInputOutputInfoWithONNXData(graph)
	if err != nil {
		return "", "", fmt.Errorf("read model: %w", err)
	}
	return describe(in), describe(out), nil
}
