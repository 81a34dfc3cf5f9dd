package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/internal/native"
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
	if len(list) != 3 {
		t.Fatalf("%d models, want 3: the folder is configured and listed once\n%s", len(list), stdout)
	}
	for i, want := range []struct{ id, endpoint string }{{"rerankd-mini", ".rerank-v1-elasticsearch"}, {"reference-bert-2x64", "e"}, {"", "f"}} {
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
	if m.ID != "reference-bert-2x64" || m.Architecture != "bert" || m.Layers != 2 || m.Width != 64 || m.MaxTokens != 256 || m.Precision != "fp32" || m.Batching != "together" || len(m.Fingerprint) != 64 {
		t.Errorf("got %+v", m)
	}
	if !strings.Contains(m.Inputs, "input_ids (int64 [any, any])") || !strings.HasPrefix(m.Outputs, "logits (float [any, 1])") {
		t.Errorf("inputs %q, outputs %q", m.Inputs, m.Outputs)
	}
	code, stdout, _ = runWith([]string{"model", "inspect", "builtin"})
	for _, part := range []string{"rerankd-mini", "at most 512 tokens", "int8", "run alone"} {
		if code != exitOK || !strings.Contains(stdout, part) {
			t.Errorf("exit code %d, no %q in\n%s", code, part, stdout)
		}
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
		stderr != "not in the manifest: notes.txt\n" {
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
