package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func sum(data string) string {
	s := sha256.Sum256([]byte(data))
	return hex.EncodeToString(s[:])
}

// folder is a model folder with a manifest of right checksums.
func folder(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	digests := map[string]string{}
	for name, data := range map[string]string{"model.onnx": "weights", "tokenizer.json": "{}", "config.json": `{"a":1}`} {
		files[name] = &fstest.MapFile{Data: []byte(data)}
		digests[name] = sum(data)
	}
	setManifest(t, files, Manifest{ID: "m", MaxTokens: 99, Files: digests})
	return files
}

func setManifest(t *testing.T, files fstest.MapFS, m Manifest) {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	files["rerankd.json"] = &fstest.MapFile{Data: data}
}

func TestModelFolderIsReadWhole(t *testing.T) {
	f, err := Open(folder(t))
	if err != nil {
		t.Fatal(err)
	}
	if string(f.Model) != "weights" || string(f.Tokenizer) != "{}" || string(f.Config) != `{"a":1}` || f.TokenizerConfig != nil {
		t.Errorf("read %q, %q, %q, %q", f.Model, f.Tokenizer, f.Config, f.TokenizerConfig)
	}
	if f.Manifest.ID != "m" || f.Manifest.MaxTokens != 99 {
		t.Errorf("manifest %+v", f.Manifest)
	}
}

func TestModelFolderWithoutAManifestIsAccepted(t *testing.T) {
	for _, name := range []string{"model.onnx", "model_int8.onnx", "model_quantized.onnx"} {
		f, err := Open(fstest.MapFS{name: {Data: []byte("w")}, "tokenizer.json": {Data: []byte("{}")}})
		if err != nil || string(f.Model) != "w" {
			t.Errorf("%s: %q, %v", name, f.Model, err)
		}
	}
}

func TestDamagedModelFoldersAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(fstest.MapFS)
		want   string
	}{
		{"other weights", func(m fstest.MapFS) { m["model.onnx"].Data = []byte("others") }, "verify model.onnx: SHA-256 is " + sum("others")},
		{"a file that is not listed", func(m fstest.MapFS) { m["tokenizer_config.json"] = &fstest.MapFile{Data: []byte("{}")} }, "tokenizer_config.json: rerankd.json lists files, and not this one"},
		{"a listed file that is gone", func(m fstest.MapFS) { delete(m, "config.json") }, "config.json"},
		{"no model", func(m fstest.MapFS) { delete(m, "model.onnx") }, "none of model.onnx, model_int8.onnx, model_quantized.onnx"},
		{"no tokenizer", func(m fstest.MapFS) { delete(m, "tokenizer.json") }, "tokenizer.json"},
		{"a broken manifest", func(m fstest.MapFS) { m["rerankd.json"].Data = []byte("{") }, "decode rerankd.json"},
		{"a folder for a file", func(m fstest.MapFS) { m["model.onnx"].Mode = fs.ModeDir }, "regular file"},
		{"a huge tokenizer", func(m fstest.MapFS) { m["tokenizer.json"].Data = make([]byte, maxTextBytes+1) }, "at most"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := folder(t)
			tc.change(files)
			if _, err := Open(files); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

// A volume of Kubernetes shows its files through two symbolic links.
func TestMountedModelFolderMayBeMadeOfLinks(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "..2026")
	if err := os.CopyFS(data, folder(t)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..2026", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"model.onnx", "tokenizer.json", "config.json", "rerankd.json"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if f, err := OpenFolder(dir); err != nil || string(f.Model) != "weights" {
		t.Errorf("read %q, %v", f.Model, err)
	}
}

func TestFolderThatIsNoneIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), file + "-missing"} {
		if _, err := OpenFolder(dir); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v, want one that names it", dir, err)
		}
	}
}
