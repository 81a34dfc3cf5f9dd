package model

import (
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/cpu"
)

// Names of int8 graphs by exporters (optimum, sentence-transformers and the scripts
// here), the best one for a kind of processor first. Where sums of two products of 8
// bits have 16, those of unsigned weights are taken, for which ONNX Runtime has kernels
// with more, and not those that were made for VNNI.
var (
	int8Plain   = []string{"model_int8.onnx", "model_quantized.onnx"}
	int8ForVNNI = append([]string{"model_qint8_avx512_vnni.onnx", "model_qint8_avx512.onnx"}, append(int8Plain, "model_uint8.onnx", "model_quint8_avx2.onnx")...)
	int8ForAVX2 = append([]string{"model_quint8_avx2.onnx", "model_uint8.onnx"}, int8Plain...)
	int8ForARM  = append([]string{"model_qint8_arm64.onnx"}, append(int8Plain, "model_uint8.onnx")...)
)

// processor is what of this machine decides between int8 graphs.
type processor struct {
	architecture string // Go's name
	vnni         bool   // adds four products of 8 bits in 32
}

func thisProcessor() processor {
	return processor{architecture: runtime.GOARCH, vnni: cpu.X86.HasAVX512VNNI || cpu.X86.HasAVXVNNI}
}

// String names the processor in messages.
func (p processor) String() string {
	switch {
	case p.architecture != "amd64":
		return p.architecture
	case p.vnni:
		return "amd64 with VNNI"
	}
	return "amd64 without VNNI"
}

// int8Names are the names of int8 graphs, best first.
func (p processor) int8Names() []string {
	switch {
	case p.architecture != "amd64":
		return int8ForARM
	case p.vnni:
		return int8ForVNNI
	}
	return int8ForAVX2
}

// chooseInt8 returns the path of the int8 graph in an export that is the best one for
// a processor.
func chooseInt8(source fs.FS, p processor) (string, error) {
	found, err := graphs(source)
	if err != nil {
		return "", err
	}
	for _, name := range p.int8Names() {
		for _, path := range []string{"onnx/" + name, name} {
			if slices.Contains(found, path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("find an int8 graph for %s: none of %s, also in onnx/; %s: name it with --file, or make one with training/quantize/quantize.py: %w",
		p, strings.Join(p.int8Names(), ", "), there(found), fs.ErrNotExist)
}
