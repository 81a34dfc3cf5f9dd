package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// referenceModel is a small BERT of random weights.
const referenceModel = "../../scorer/onnx/testdata/reference/model"

// needRuntime fails a test that cannot load models: the program is nothing without.
func needRuntime(t *testing.T) {
	t.Helper()
	if _, err := native.Library(""); err != nil {
		t.Fatalf("this test needs ONNX Runtime: %v", err)
	}
}

// copyModel copies the reference model into a folder of its own.
func copyModel(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(referenceModel)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestModelListHasTheBuiltInAndWhatEndpointsUse(t *testing.T) {
	mine := copyModel(t)
	endpoints := "--endpoints=.rerank-v1-elasticsearch=builtin,e=" + mine + ",f=/nowhere"
	code, stdout, stderr := runWith([]string{"model", "list", filepath.Dir(mine), "--json", endpoints})
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var list []listedModel
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 4 {
		t.Fatalf("%d models, want 4: the folder is configured and listed once\n%s", len(list), stdout)
	}
	for i, want := range []struct{ id, endpoint string }{{"rerankd-mini", ".rerank-v1-elasticsearch"}, {"rerankd-tiny", ""}, {"reference-bert-2x64", "e"}, {"", "f"}} {
		if got := list[i]; got.ID != want.id || strings.Join(got.Endpoints, " ") != want.endpoint || (got.Error != "") != (want.id == "") {
			t.Errorf("model %d: %+v, want %+v", i, got, want)
		}
	}
	code, stdout, _ = runWith([]string{"model", "list", endpoints})
	for _, part := range []string{"MODEL", "reference-bert-2x64", "Apache-2.0", "unreadable: open model folder /nowhere"} {
		if code != exitOK || !strings.Contains(stdout, part) {
			t.Errorf("exit code %d, no %q in\n%s", code, part, stdout)
		}
	}
}

func TestModelInspectTellsWhatAModelIs(t *testing.T) {
	needRuntime(t)
	code, stdout, stderr := runWith([]string{"model", "inspect", referenceModel, "--json"})
	var m inspected
	if err := json.Unmarshal([]byte(stdout), &m); err != nil || code != exitOK {
		t.Fatalf("exit code %d, %v: %s", code, err, stderr)
	}
	if m.ID != "reference-bert-2x64" || m.Architecture != "bert" || m.Layers != 2 || m.Width != 64 || m.MaxTokens != 256 || m.Precision != "fp32" || m.Batching != "together" || m.Head != "logit" || len(m.Fingerprint) != 64 {
		t.Errorf("got %+v", m)
	}
	if !strings.Contains(m.Inputs, "input_ids (int64 [any, any])") || !strings.HasPrefix(m.Outputs, "logits (float [any, 1])") {
		t.Errorf("inputs %q, outputs %q", m.Inputs, m.Outputs)
	}
	code, stdout, _ = runWith([]string{"model", "inspect", "builtin"})
	for _, part := range []string{"rerankd-mini", "architecture bert", "layers       6", "30522 tokens", "at most 512 tokens", "int8", "run alone"} {
		if code != exitOK || !strings.Contains(stdout, part) {
			t.Errorf("exit code %d, no %q in\n%s", code, part, stdout)
		}
	}
}

func TestPairsLongerThanTheBuiltInModelsPositionsAreRefused(t *testing.T) {
	needRuntime(t)
	code, _, stderr := runWith([]string{"model", "inspect", "builtin", "--engine.max_tokens=600"})
	if code != exitFailed || !strings.Contains(stderr, "max tokens is 600, want 11 to 512 for this model") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestModelVerifyFindsADamagedFile(t *testing.T) {
	needRuntime(t)
	dir := copyModel(t)
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runWith([]string{"model", "verify", dir})
	if code != exitOK || !strings.Contains(stdout, "reference-bert-2x64, revision 1: all files are as the manifest has them, and the model scores") ||
		!strings.HasPrefix(stderr, "not in the manifest: notes.txt\n") {
		t.Errorf("a whole folder: exit code %d, %q, %q", code, stdout, stderr)
	}
	if err := os.Truncate(filepath.Join(dir, "model.onnx"), 1000); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = runWith([]string{"model", "verify", dir}); code != exitFailed || !strings.Contains(stderr, "wrong checksum: model.onnx") {
		t.Errorf("a damaged folder: exit code %d, %q", code, stderr)
	}
	if err := os.Remove(filepath.Join(dir, "rerankd.json")); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr = runWith([]string{"model", "verify", dir}); code != exitFailed || !strings.Contains(stderr, "rerankd model import") {
		t.Errorf("a folder without a manifest: exit code %d, %q", code, stderr)
	}
}

// exported lays the reference model out as exporters do.
func exported(t *testing.T) string {
	t.Helper()
	dir := copyModel(t)
	if err := errors.Join(
		os.Remove(filepath.Join(dir, "rerankd.json")),
		os.Mkdir(filepath.Join(dir, "onnx"), 0o755),
		os.Rename(filepath.Join(dir, "model.onnx"), filepath.Join(dir, "onnx", "model.onnx")),
		os.WriteFile(filepath.Join(dir, "README.md"), []byte("---\nlicense: mit\n---\n"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAnImportedModelCanBeMirroredAndPulled(t *testing.T) {
	needRuntime(t)
	models := t.TempDir()
	imported := filepath.Join(models, "imported")
	code, stdout, stderr := runWith([]string{"model", "import", exported(t), imported, "--id", "mine", "--revision=3"})
	if want := imported + " is mine, revision 3, licence mit: fp32 of onnx/model.onnx, 4 files, pairs of at most 256 tokens\n"; code != exitOK || stdout != want {
		t.Fatalf("import: exit code %d, %q, want %q: %s", code, stdout, want, stderr)
	}
	code, _, stderr = runWith([]string{"model", "import", exported(t), imported + "-int8", "--int8"})
	if code != exitFailed || !strings.Contains(stderr, "find an int8 graph for ") || !strings.Contains(stderr, "there are onnx/model.onnx") {
		t.Errorf("import --int8 of an export without: exit code %d: %s", code, stderr)
	}
	if code, _, stderr = runWith([]string{"model", "import", exported(t), imported + "-int8", "--int8", "--file=model.onnx"}); code != exitUsage || !strings.Contains(stderr, "--int8") {
		t.Errorf("import with --int8 and --file: exit code %d: %s", code, stderr)
	}
	mirror := httptest.NewServer(http.FileServer(http.Dir(models)))
	defer mirror.Close()
	manifest, err := os.ReadFile(filepath.Join(imported, "rerankd.json"))
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(manifest))
	for i, source := range []string{mirror.URL + "/imported", "file://" + imported} {
		pulled := filepath.Join(models, fmt.Sprint("pulled-", i))
		for _, how := range []string{"fetched and verified", "was there already, and is verified"} {
			code, stdout, stderr = runWith([]string{"model", "pull", source, pulled, "--sha256", sum})
			if code != exitOK || stdout != pulled+" is mine, revision 3, licence mit: "+how+"\n" {
				t.Errorf("pull %s: exit code %d, %q: %s", source, code, stdout, stderr)
			}
		}
		if code, _, stderr = runWith([]string{"model", "verify", pulled}); code != exitOK {
			t.Errorf("verify %s: exit code %d: %s", pulled, code, stderr)
		}
	}
}

func TestAModelThatIsNoCrossEncoderIsNotInstalled(t *testing.T) {
	needRuntime(t)
	source := exported(t)
	graph, err := os.ReadFile("../../scorer/onnx/testdata/faulty/two-outputs.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "onnx", "model.onnx"), graph, 0o600); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(t.TempDir(), "mine")
	code, _, stderr := runWith([]string{"model", "import", source, place})
	if code != exitFailed || !strings.Contains(stderr, "outputs logits (float [any, 1]), more") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if entries, err := os.ReadDir(filepath.Dir(place)); err != nil || len(entries) != 0 {
		t.Errorf("%d entries are left, %v", len(entries), err)
	}
}

// A pull that is interrupted leaves no folder; --untried needs no model that works.
func TestAnInterruptedPullGoesOn(t *testing.T) {
	graph := bytes.Repeat([]byte("no graph "), 1<<18)
	files := map[string][]byte{"model.onnx": graph, "tokenizer.json": []byte("{}")}
	manifest := onnx.Manifest{ID: "mine", Files: map[string]string{}}
	for name, data := range files {
		manifest.Files[name] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	listed, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	files["rerankd.json"] = listed
	signals := make(chan os.Signal, 1)
	var whole atomic.Bool
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Base(r.URL.Path)
		if name != "model.onnx" || whole.Load() {
			http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(files[name]))
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(graph)))
		_, _ = w.Write(graph[:1<<20])
		signals <- os.Interrupt
		<-r.Context().Done()
	}))
	defer mirror.Close()
	place := filepath.Join(t.TempDir(), "mine")
	args := []string{"model", "pull", mirror.URL + "/mine", place, "--untried"}
	var errs strings.Builder
	if code := run(args, outside{stdout: io.Discard, stderr: &errs, signals: signals}); code != exitInterrupted || !strings.Contains(errs.String(), "the same command goes on from here") {
		t.Errorf("exit code %d, want %d: %s", code, exitInterrupted, errs.String())
	}
	if _, err := os.Stat(place); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	whole.Store(true)
	if code, stdout, stderr := runWith(args); code != exitOK || !strings.Contains(stdout, "mine is mine, revision –, licence –: fetched and verified") {
		t.Errorf("exit code %d, %q: %s", code, stdout, stderr)
	}
}

func TestFlagsOfPullAreChecked(t *testing.T) {
	pull := []string{"model", "pull", "http://127.0.0.1:1/mine", filepath.Join(t.TempDir(), "mine")}
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no URL", []string{"model", "pull", "models/mine", "there"}, exitUsage, "URL: want a URL such as https://"},
		{"no destination", pull[:3], exitUsage, "model pull wants a DESTINATION"},
		{"a checksum that is none", append(slices.Clone(pull), "--sha256", "abc"), exitUsage, "--sha256: want 64 hexadecimal digits"},
		{"an empty checksum", append(slices.Clone(pull), "--sha256="), exitUsage, "--sha256: want 64 hexadecimal digits"},
		{"a size that is none", append(slices.Clone(pull), "--max-bytes=much"), exitUsage, "--max-bytes: want a size"},
		{"no silence", append(slices.Clone(pull), "--silence=0s"), exitUsage, "--silence: want a duration"},
		{"a proxy that is none", append(slices.Clone(pull), "--proxy", "proxy"), exitUsage, "--proxy: want a URL"},
		{"no certificates", append(slices.Clone(pull), "--ca-file", "model_test.go"), exitFailed, "no PEM certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if code, _, stderr := runWith(tc.args); code != tc.code || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit code %d, want %d, and an error with %q: %s", code, tc.code, tc.want, stderr)
			}
		})
	}
}
