package model

import (
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheInt8GraphOfTheProcessorIsChosen(t *testing.T) {
	vnni, avx2, arm := processor{"amd64", true}, processor{"amd64", false}, processor{"arm64", false}
	all := []string{
		"onnx/model.onnx", "onnx/model_O4.onnx", "onnx/model_qint8_arm64.onnx", "onnx/model_qint8_avx512.onnx",
		"onnx/model_qint8_avx512_vnni.onnx", "onnx/model_quint8_avx2.onnx",
	}
	for _, tc := range []struct {
		name  string
		files []string
		on    processor
		want  string // "": none
	}{
		{"sentence-transformers' files with VNNI", all, vnni, "onnx/model_qint8_avx512_vnni.onnx"},
		{"sentence-transformers' files without VNNI", all, avx2, "onnx/model_quint8_avx2.onnx"},
		{"sentence-transformers' files on ARM", all, arm, "onnx/model_qint8_arm64.onnx"},
		{"our script's file", []string{"model.onnx", "onnx/model_int8.onnx"}, avx2, "onnx/model_int8.onnx"},
		{"optimum's file", []string{"model.onnx", "model_quantized.onnx"}, vnni, "model_quantized.onnx"},
		{"none but one for VNNI, without it", []string{"model.onnx", "onnx/model_qint8_avx512_vnni.onnx"}, avx2, ""},
		{"none at all", []string{"model.onnx"}, vnni, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			source := fstest.MapFS{}
			for _, name := range tc.files {
				source[name] = &fstest.MapFile{}
			}
			got, err := chooseInt8(source, tc.on)
			if got != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("%q, %v, want %q", got, err, tc.want)
			}
			if err != nil && (!errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), tc.on.String()) || !strings.Contains(err.Error(), "there are ")) {
				t.Errorf("error %q, want it to name the processor and what there is", err)
			}
		})
	}
	if p := thisProcessor(); p.architecture != runtime.GOARCH || p.String() == "" {
		t.Errorf("this processor is %+v", p)
	}
}
