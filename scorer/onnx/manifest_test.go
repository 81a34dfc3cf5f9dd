package onnx

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

func TestManifestsThatCouldDoHarmAreRefused(t *testing.T) {
	good := strings.Repeat("0f", 32)
	file := func(name string) string { return fmt.Sprintf(`{"files":{%q:%q}}`, name, good) }
	many := map[string]string{}
	for i := range maxManifestFiles + 1 {
		many[fmt.Sprintf("file-%d", i)] = good
	}
	tooMany, err := json.Marshal(Manifest{Files: many})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, manifest, want string }{
		{"a path upwards", file("../model.onnx"), "without a path"},
		{"a path downwards", file("a/model.onnx"), "without a path"},
		{"a path of Windows", file(`..\model.onnx`), "without a path"},
		{"an absolute path", file("/etc/passwd"), "without a path"},
		{"the folder above", file(".."), "without a path"},
		{"a hidden file", file(".profile"), "without a path"},
		{"a stream of Windows", file("model.onnx:x"), "without a path"},
		{"a name with a line's end", file("model.onnx\n"), "without a path"},
		{"no name", file(""), "without a path"},
		{"a long name", file(strings.Repeat("a", 300)), "without a path"},
		{"itself", file("Rerankd.json"), "itself"},
		{"two names on a disk without case", `{"files":{"a":"` + good + `","A":"` + good + `"}}`, "twice"},
		{"no checksum", `{"files":{"model.onnx":""}}`, "want a SHA-256"},
		{"another digest", `{"files":{"model.onnx":"` + good[:40] + `"}}`, "want a SHA-256"},
		{"too many files", string(tooMany), "at most 32"},
		{"a text that moves the cursor", `{"id":"a\u001b[2J"}`, "id is no text of one line"},
		{"a text of two lines", `{"licence":"a\nb"}`, "licence is no text of one line"},
		{"a text that is no UTF-8", "{\"origin\":\"\xff\"}", "origin is no text of one line"},
		{"a long text", `{"revision":"` + strings.Repeat("a", 2000) + `"}`, "revision is no text"},
		{"fewer than no tokens", `{"max_tokens":-1}`, "max_tokens is -1"},
		{"another type", `{"files":["model.onnx"]}`, "decode rerankd.json"},
		{"something behind it", `{} {}`, "decode rerankd.json"},
		{"a large one", `{"x":"` + strings.Repeat("a", maxManifestBytes) + `"}`, "at most 65536"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if m, err := ParseManifest([]byte(tc.manifest)); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %+v, %v; want an error with %q", m, err, tc.want)
			}
		})
	}
}

func TestManifestMayHaveKeysOfLaterVersions(t *testing.T) {
	m, err := ParseManifest([]byte(`{"id":"m","later":[1],"files":{"model_int8.onnx":"` + strings.Repeat("AB", 32) + `"}}`))
	if err != nil || m.ID != "m" || len(m.Files) != 1 {
		t.Errorf("got %+v, %v", m, err)
	}
}

// Whatever comes, an accepted manifest names only files that lie in their folder,
// and reads the same after it was written.
func FuzzParseManifest(f *testing.F) {
	for _, seed := range []string{
		`{"id":"m","revision":"1","licence":"MIT","origin":"o","max_tokens":9,"precision":"int8","files":{"model.onnx":"` + strings.Repeat("0", 64) + `"}}`,
		`{"files":{"../x":""}}`, `{"files":null}`, `[]`, `{"files":{"a":"` + strings.Repeat("f", 64) + `","A":"` + strings.Repeat("f", 64) + `"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			return
		}
		for name := range m.Files {
			if !fs.ValidPath(name) || !filepath.IsLocal(name) || filepath.Base(name) != name || strings.ContainsAny(name, `/\`) {
				t.Errorf("accepted the file name %q", name)
			}
		}
		written, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseManifest(written); err != nil || fmt.Sprint(again) != fmt.Sprint(m) {
			t.Errorf("%s: read again %+v, %v; want %+v", written, again, err, m)
		}
	})
}
