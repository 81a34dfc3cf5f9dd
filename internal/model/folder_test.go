package model_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/internal/model"
	"github.com/rerankd/rerankd/scorer/onnx"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func sum(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// folder is a model folder whose manifest is right.
func folder(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{
		"model.onnx":      {Data: []byte("weights")},
		"model_int8.onnx": {Data: []byte("small weights")},
		"tokenizer.json":  {Data: []byte("{}")},
		"config.json":     {Data: []byte(`{"model_type":"bert","num_hidden_layers":6,"hidden_size":384,"vocab_size":30522}`)},
	}
	seal(t, files, onnx.Manifest{ID: "mini", Revision: "7", Licence: "MIT", Precision: "fp32"})
	return files
}

// seal writes a manifest of all files there are.
func seal(t *testing.T, files fstest.MapFS, m onnx.Manifest) {
	t.Helper()
	m.Files = map[string]string{}
	delete(files, onnx.ManifestName)
	for name, f := range files {
		m.Files[name] = sum(f.Data)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	files[onnx.ManifestName] = &fstest.MapFile{Data: data}
}

// onDisk writes a folder below dir.
func onDisk(t *testing.T, dir, name string, files fstest.MapFS) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.CopyFS(path, files); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFolderSaysWhatItsModelIs(t *testing.T) {
	f, err := model.Read(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	want := model.Shape{Architecture: "bert", Layers: 6, Width: 384, Vocabulary: 30522}
	if f.Shape != want || f.Graph != "model.onnx" || f.Manifest.ID != "mini" {
		t.Errorf("got %+v", f)
	}
	distil := folder(t)
	distil["config.json"].Data = []byte(`{"model_type":"distilbert","n_layers":3,"dim":768}`)
	if f, err = model.Read(distil); err != nil || f.Layers != 3 || f.Width != 768 {
		t.Errorf("DistilBERT's words: %+v, %v", f.Shape, err)
	}
	delete(distil, "config.json")
	if f, err = model.Read(distil); err != nil || f.Shape != (model.Shape{}) {
		t.Errorf("without config.json: %+v, %v", f.Shape, err)
	}
}

func TestListHasEveryModelFolderAndWhyOneIsNone(t *testing.T) {
	dir := t.TempDir()
	good := folder(t)
	onDisk(t, dir, "b-model", good)
	onDisk(t, dir, ".hidden", good)
	onDisk(t, dir, "pictures", fstest.MapFS{"a.png": {}})
	noTokenizer := folder(t)
	delete(noTokenizer, "tokenizer.json")
	onDisk(t, dir, "c-broken", noTokenizer)
	hostile := folder(t)
	hostile[onnx.ManifestName].Data = []byte(`{"files":{"../../etc/passwd":""}}`)
	onDisk(t, dir, "d-hostile", hostile)
	onDisk(t, dir, "e-config", fstest.MapFS{"model.onnx": {}, "tokenizer.json": {}, "config.json": {Data: []byte("[")}})
	if err := os.Symlink("b-model", filepath.Join(dir, "a-link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.onnx"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := model.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		line := filepath.Base(e.Path) + " " + e.Manifest.ID
		if e.Err != nil {
			line = filepath.Base(e.Path) + " unreadable"
		}
		got = append(got, line)
	}
	if want := []string{"a-link mini", "b-model mini", "c-broken unreadable", "d-hostile unreadable", "e-config unreadable"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := model.List(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestVerifyNamesEverythingThatIsWrong(t *testing.T) {
	ctx := t.Context()
	if unlisted, err := model.Verify(ctx, folder(t), nil); err != nil || unlisted != nil {
		t.Fatalf("a right folder: %v, %v", unlisted, err)
	}
	bad := folder(t)
	bad["model.onnx"].Data = []byte("weighty")
	bad["model_int8.onnx"].Data = bad["model_int8.onnx"].Data[:5] // not loaded, and yet told
	delete(bad, "config.json")
	bad["README.md"] = &fstest.MapFile{}
	bad[".git"] = &fstest.MapFile{}
	unlisted, err := model.Verify(ctx, bad, nil)
	if !slices.Equal(unlisted, []string{"README.md"}) {
		t.Errorf("unlisted %q", unlisted)
	}
	if !errors.Is(err, model.ErrChecksum) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	for _, part := range []string{"model.onnx has the SHA-256 " + sum([]byte("weighty")), "wants " + sum([]byte("weights")), "model_int8.onnx", "config.json"} {
		if !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("error lacks %q: %v", part, err)
		}
	}
}

func TestVerifyRefusesWhatItCannotHoldAgainstAnything(t *testing.T) {
	none := folder(t)
	delete(none, onnx.ManifestName)
	empty := folder(t)
	empty[onnx.ManifestName].Data = []byte(`{"id":"m"}`)
	for _, f := range []fstest.MapFS{none, empty} {
		if _, err := model.Verify(t.Context(), f, nil); !errors.Is(err, model.ErrNoManifest) {
			t.Errorf("error %v, want %v", err, model.ErrNoManifest)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := model.Verify(gone, folder(t), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	odd := folder(t)
	odd["model.onnx"].Mode = fs.ModeNamedPipe
	if _, err := model.Verify(t.Context(), odd, nil); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a named pipe: %v", err)
	}
}

// steps counts what a Progress is told.
type steps struct{ total, steps, done int }

func (s *steps) Begin(_, unit string, total int) (step, done func()) {
	if unit == "MiB" {
		s.total += total
	}
	return func() { s.steps++ }, func() { s.done++ }
}

func TestProgressIsToldInMebibytes(t *testing.T) {
	files := folder(t)
	files["model.onnx"].Data = make([]byte, 3<<20)
	seal(t, files, onnx.Manifest{})
	var s steps
	if _, err := model.Verify(t.Context(), files, &s); err != nil {
		t.Fatal(err)
	}
	if s.steps != 3 || s.total != 6 || s.done < 4 { // three files of some bytes are announced as a step each
		t.Errorf("told %+v, want 3 steps of 6 announced, and 4 ends", s)
	}
}
