package builtin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"
)

func TestEmbeddedFilesAreThoseOfTheManifest(t *testing.T) {
	for id, folder := range map[string]fs.FS{"rerankd-mini": Model(), "rerankd-tiny": Tiny()} {
		t.Run(id, func(t *testing.T) { checkManifest(t, folder, id) })
	}
}

func checkManifest(t *testing.T, folder fs.FS, id string) {
	t.Helper()
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
	if manifest.ID != id || manifest.Licence == "" || manifest.Origin == "" {
		t.Errorf("manifest lacks its licence or origin, or its id isn't %s: %+v", id, manifest)
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

// The size is part of what the models are for: a program that anyone can fetch.
func TestTheModelsAreSmall(t *testing.T) {
	for _, m := range []struct {
		name   string
		folder fs.FS
		most   int64
	}{{"mini", Model(), 25_000_000}, {"tiny", Tiny(), 19_000_000}} {
		if total := size(t, m.folder); total == 0 || total > m.most {
			t.Errorf("%s has %d bytes, want at most %d", m.name, total, m.most)
		}
	}
}

func size(t *testing.T, folder fs.FS) (total int64) {
	t.Helper()
	err := fs.WalkDir(folder, ".", func(_ string, entry fs.DirEntry, err error) error {
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
	return total
}
