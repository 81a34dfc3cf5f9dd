package builtin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"
)

func TestEmbeddedFilesAreThoseOfTheManifest(t *testing.T) {
	folder := Model()
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

// The size is part of what the model is for: a program that anyone can fetch.
func TestTheModelIsSmall(t *testing.T) {
	total := int64(0)
	err := fs.WalkDir(Model(), ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const most = 25_000_000
	if total == 0 || total > most {
		t.Errorf("the embedded model has %d bytes, want at most %d", total, most)
	}
}
