package builtin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"
	"testing/fstest"
)

func TestFolderWithoutAModelIsNoModel(t *testing.T) {
	full := func() fstest.MapFS {
		return fstest.MapFS{
			"model/README.md":      {Data: []byte("x")},
			"model/model.onnx":     {Data: []byte("x")},
			"model/tokenizer.json": {Data: []byte("{}")},
			"model/rerankd.json":   {Data: []byte("{}")},
		}
	}
	if _, ok := model(full()); !ok {
		t.Fatal("a complete folder was not taken for a model")
	}
	if _, ok := model(fstest.MapFS{"model/README.md": {Data: []byte("x")}}); ok {
		t.Error("the bare placeholder was taken for a model")
	}
	for _, name := range required {
		files := full()
		delete(files, "model/"+name)
		if _, ok := model(files); ok {
			t.Errorf("a folder without %s was taken for a model", name)
		}
		files = full()
		files["model/"+name] = &fstest.MapFile{}
		if _, ok := model(files); ok {
			t.Errorf("a folder with an empty %s was taken for a model", name)
		}
	}
}

func TestEmbeddedFilesAreThoseOfTheManifest(t *testing.T) {
	folder, ok := Model()
	if !ok {
		t.Skip("built without the model: run `make model` to test it")
	}
	data, err := fs.ReadFile(folder, "rerankd.json")
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		ID, Licence, Origin string
		Files               map[string]string
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.ID == "" || manifest.Licence == "" || manifest.Origin == "" {
		t.Errorf("manifest lacks its id, licence or origin: %+v", manifest)
	}
	for _, name := range []string{"model.onnx", "tokenizer.json"} {
		if manifest.Files[name] == "" {
			t.Errorf("manifest has no checksum of %s", name)
		}
	}
	for name, want := range manifest.Files {
		content, err := fs.ReadFile(folder, name)
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(content)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("SHA-256 of %s is %s, manifest says %s", name, got, want)
		}
	}
}
