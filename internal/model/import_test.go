package model_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rerankd/rerankd/internal/model"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// export is a folder as exporters write it.
func export() fstest.MapFS {
	return fstest.MapFS{
		"README.md":                     {Data: []byte("---\ntags: [a]\nlicense: \"apache-2.0\"\n---\n# A model\n")},
		"LICENSE":                       {Data: []byte("all of it")},
		"config.json":                   {Data: []byte(`{"model_type":"bert"}`)},
		"tokenizer.json":                {Data: []byte("{}")},
		"tokenizer_config.json":         {Data: []byte("{}")},
		"special_tokens_map.json":       {Data: []byte("{}")},
		"onnx/model.onnx":               {Data: []byte("fp32")},
		"onnx/model_qint8_avx512.onnx":  {Data: []byte("int8")},
		"openvino/openvino_model.xml":   {Data: []byte("other")},
		"pytorch_model.bin":             {Data: []byte("weights")},
		"1_Pooling/config.json":         {Data: []byte("{}")},
		"onnx/model_qint8_arm64.onnx":   {Data: []byte("arm")},
		"onnx/model_external.onnx":      {Data: []byte("head")},
		"onnx/model_external.onnx_data": {Data: []byte("weights")},
	}
}

// tells is a check that finds what it is told.
func tells(info onnx.Info) model.Check {
	return func(context.Context, string) (onnx.Info, error) { return info, nil }
}

func TestImportMakesAFolderThatIsVerified(t *testing.T) {
	dir := t.TempDir()
	source := onDisk(t, dir, "models--owner--reranker/snapshots/8c1e0d", export())
	o := model.ImportOptions{Source: source, Destination: filepath.Join(dir, "srv", "mine"), Check: tells(onnx.Info{Precision: "fp32", MaxTokens: 512})}
	m, err := model.Import(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := onnx.Manifest{ID: "reranker", Revision: "8c1e0d", Licence: "apache-2.0", Origin: "https://huggingface.co/owner/reranker", MaxTokens: 512, Precision: "fp32", Graph: "onnx/model.onnx"}
	files := m.Files
	if m.Files = nil; fmt.Sprint(m) != fmt.Sprint(want) {
		t.Errorf("manifest %+v, want %+v", m, want)
	}
	if files["model.onnx"] != sum([]byte("fp32")) || len(files) != 5 {
		t.Errorf("files %v", files)
	}
	installed := os.DirFS(o.Destination)
	if unlisted, err := model.Verify(t.Context(), installed, nil); err != nil || unlisted != nil {
		t.Errorf("verify: %v, %v", unlisted, err)
	}
	if f, err := onnx.Open(installed); err != nil || string(f.Model) != "fp32" || f.Manifest.ID != "reranker" {
		t.Errorf("open: %q, %v", f.Model, err)
	}
	onlyThere(t, filepath.Join(dir, "srv"), "mine")

	if _, err := model.Import(t.Context(), o); !errors.Is(err, model.ErrExists) {
		t.Errorf("a second import: %v, want %v", err, model.ErrExists)
	}
	o = model.ImportOptions{
		Source: source, Destination: filepath.Join(dir, "srv", "small"), Graph: "onnx/model_qint8_avx512.onnx", Check: tells(onnx.Info{}),
		Manifest: onnx.Manifest{ID: "my own", Revision: "2", Licence: "MIT", Origin: "here"},
	}
	if m, err = model.Import(t.Context(), o); err != nil || m.ID != "my own" || m.Revision != "2" || m.Licence != "MIT" || m.Origin != "here" || m.Files["model.onnx"] != sum([]byte("int8")) {
		t.Errorf("with all said: %+v, %v", m, err)
	}
}

// onlyThere wants nothing but the names in a folder: no remains of an attempt.
func onlyThere(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, want) {
		t.Errorf("in %s are %q, want %q", dir, names, want)
	}
}

func TestImportRefusesWhatIsNoExport(t *testing.T) {
	refused := errors.New("no cross-encoder")
	for _, tc := range []struct {
		name   string
		change func(fstest.MapFS, *model.ImportOptions)
		want   string
	}{
		{"no graph", func(m fstest.MapFS, _ *model.ImportOptions) {
			for name := range m {
				if strings.HasPrefix(name, "onnx/") {
					delete(m, name)
				}
			}
		}, "no .onnx file"},
		{"several graphs", func(m fstest.MapFS, _ *model.ImportOptions) { delete(m, "onnx/model.onnx") }, "with --int8: there are onnx/model_external.onnx, onnx/model_qint8_arm64.onnx"},
		{"a graph that is not there", func(_ fstest.MapFS, o *model.ImportOptions) { o.Graph = "onnx/other.onnx" }, "there are onnx/model.onnx"},
		{"a graph outside", func(_ fstest.MapFS, o *model.ImportOptions) { o.Graph = "../model.onnx" }, "no path in the export"},
		{"weights beside the graph", func(_ fstest.MapFS, o *model.ImportOptions) { o.Graph = "onnx/model_external.onnx" }, "model_external.onnx_data"},
		{"no tokenizer", func(m fstest.MapFS, _ *model.ImportOptions) { delete(m, "tokenizer.json") }, "tokenizer.json"},
		{"a model folder", func(m fstest.MapFS, _ *model.ImportOptions) { m["rerankd.json"] = &fstest.MapFile{} }, "a model folder already"},
		{"a huge tokenizer", func(m fstest.MapFS, _ *model.ImportOptions) { m["tokenizer.json"].Data = make([]byte, 64<<20+1) }, "at most"},
		{"a model that does not work", func(_ fstest.MapFS, o *model.ImportOptions) {
			o.Check = func(context.Context, string) (onnx.Info, error) { return onnx.Info{}, refused }
		}, "no cross-encoder"},
		{"a text that no manifest may have", func(_ fstest.MapFS, o *model.ImportOptions) { o.Manifest.ID = "a\x1b[2J" }, "id is no text of one line"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir, files := t.TempDir(), export()
			o := model.ImportOptions{Destination: filepath.Join(dir, "srv", "mine"), Check: tells(onnx.Info{})}
			tc.change(files, &o)
			o.Source = onDisk(t, dir, "export", files)
			if m, err := model.Import(t.Context(), o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %+v, %v; want an error with %q", m, err, tc.want)
			}
			onlyThere(t, filepath.Join(dir, "srv"))
		})
	}
}

// Which of several it is depends on the processor, and is said in the manifest.
func TestImportTakesAnInt8GraphThatTheManifestNames(t *testing.T) {
	dir, files := t.TempDir(), export()
	files["onnx/model_quantized.onnx"] = &fstest.MapFile{Data: []byte("any")}
	o := model.ImportOptions{Source: onDisk(t, dir, "export", files), Destination: filepath.Join(dir, "mine"), Int8: true, Check: tells(onnx.Info{Precision: "int8"})}
	m, err := model.Import(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if taken, ok := files[m.Graph]; !ok || m.Graph == "onnx/model.onnx" || m.Files["model.onnx"] != sum(taken.Data) {
		t.Errorf("the manifest says %+v, want an int8 graph and its checksum", m)
	}
	if read, err := onnx.ReadManifest(os.DirFS(o.Destination)); err != nil || read.Graph != m.Graph {
		t.Errorf("read again: %+v, %v", read, err)
	}
}

func TestImportTakesTheOnlyGraphThereIs(t *testing.T) {
	dir := t.TempDir()
	source := onDisk(t, dir, "named", fstest.MapFS{"tokenizer.json": {Data: []byte("{}")}, "onnx/model_quantized.onnx": {Data: []byte("int8")}})
	m, err := model.Import(t.Context(), model.ImportOptions{Source: source, Destination: filepath.Join(dir, "mine"), Check: tells(onnx.Info{})})
	if err != nil || m.ID != "named" || m.Licence != "" || m.Files["model.onnx"] != sum([]byte("int8")) {
		t.Errorf("got %+v, %v", m, err)
	}
}

// A folder that another process makes at this moment is left to it.
func TestTwoImportsDoNotMixTheirFiles(t *testing.T) {
	dir := t.TempDir()
	source := onDisk(t, dir, "export", export())
	o := model.ImportOptions{Source: source, Destination: filepath.Join(dir, "mine")}
	o.Check = func(ctx context.Context, _ string) (onnx.Info, error) {
		second := o
		second.Check = tells(onnx.Info{})
		if _, err := model.Import(ctx, second); err == nil || !strings.Contains(err.Error(), "another process makes this folder") {
			t.Errorf("the second import: %v", err)
		}
		return onnx.Info{}, nil
	}
	if _, err := model.Import(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if _, err := model.Verify(t.Context(), os.DirFS(o.Destination), nil); err != nil {
		t.Error(err)
	}
}
