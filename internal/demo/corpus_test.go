package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// corpus reads the real corpus once for all tests.
var corpus = sync.OnceValues(func() ([]Document, error) {
	goroot, err := findGoroot(context.Background(), os.Getenv)
	if err != nil {
		return nil, err
	}
	return ReadCorpus(context.Background(), goroot)
})

func readCorpus(t *testing.T) []Document {
	t.Helper()
	docs, err := corpus()
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func TestTheCorpusHoldsEveryDocumentedExportedSymbolOnce(t *testing.T) {
	docs := readCorpus(t)
	if len(docs) < 5000 {
		t.Errorf("%d documents, want at least 5000", len(docs))
	}
	kinds := map[string]int{}
	for i, d := range docs {
		kinds[d.Kind]++
		if i > 0 && docs[i-1].ID >= d.ID {
			t.Errorf("%q follows %q: want sorted, each once", d.ID, docs[i-1].ID)
		}
		if d.Package == "" || !strings.HasPrefix(d.ID, d.Package) {
			t.Errorf("%q is not named after its package %q", d.ID, d.Package)
		}
		if _, comment, ok := strings.Cut(d.Text, ": "); !ok || strings.TrimSpace(comment) == "" {
			t.Errorf("%q has no comment: %q", d.ID, d.Text)
		}
		if (d.Signature == "") != (d.Kind == "package") {
			t.Errorf("%q is a %s with the signature %q", d.ID, d.Kind, d.Signature)
		}
		for part := range strings.SplitSeq(d.Package, "/") {
			if part == "internal" || part == "vendor" || part == "testdata" {
				t.Errorf("%q cannot be imported by a program", d.ID)
			}
		}
	}
	for _, kind := range []string{"package", "func", "type", "method", "const", "var"} {
		if kinds[kind] < 50 {
			t.Errorf("%d documents of kind %s, want more", kinds[kind], kind)
		}
	}
}

func TestKnownSymbolsReadAsInTheSource(t *testing.T) {
	byID := map[string]Document{}
	for _, d := range readCorpus(t) {
		byID[d.ID] = d
	}
	for _, want := range []Document{
		{ID: "net/http", Package: "net/http", Kind: "package", Text: "http: Package http provides HTTP client and server implementations."},
		{ID: "net/http.Server.Shutdown", Package: "net/http", Kind: "method", Signature: "func (", Text: "http.Server.Shutdown: Shutdown gracefully shuts down"},
		{ID: "bufio.NewScanner", Package: "bufio", Kind: "func", Signature: "func NewScanner(r io.Reader) *Scanner", Text: "bufio.NewScanner: NewScanner returns"},
		{ID: "sync.WaitGroup", Package: "sync", Kind: "type", Signature: "type WaitGroup struct", Text: "sync.WaitGroup: A WaitGroup"},
		{ID: "io.EOF", Package: "io", Kind: "var", Signature: "var EOF", Text: "io.EOF: EOF is the error"},
		{ID: "math.E", Package: "math", Kind: "const", Signature: "const (", Text: "math.E: Mathematical constants."},
	} {
		got, ok := byID[want.ID]
		if !ok {
			t.Errorf("%s is not in the corpus", want.ID)
			continue
		}
		if got.Package != want.Package || got.Kind != want.Kind {
			t.Errorf("%s: package %q, kind %q, want %q, %q", want.ID, got.Package, got.Kind, want.Package, want.Kind)
		}
		if !strings.HasPrefix(got.Signature, want.Signature) {
			t.Errorf("%s: signature %q, want one that begins with %q", want.ID, got.Signature, want.Signature)
		}
		if !strings.HasPrefix(got.Text, want.Text) {
			t.Errorf("%s: text %q, want one that begins with %q", want.ID, got.Text, want.Text)
		}
	}
	for _, absent := range []string{"cmd/go", "net/http.body", "internal/abi", "net/http.Server.shuttingDown"} {
		if _, ok := byID[absent]; ok {
			t.Errorf("%s is in the corpus", absent)
		}
	}
}

func TestReadingTheCorpusStopsWithItsContext(t *testing.T) {
	goroot, err := findGoroot(t.Context(), os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if docs, err := ReadCorpus(ctx, goroot); !errors.Is(err, context.Canceled) {
		t.Errorf("%d documents, err = %v, want context.Canceled", len(docs), err)
	}
}

func TestAFolderWithoutSourcesIsRefusedByName(t *testing.T) {
	if _, err := ReadCorpus(t.Context(), t.TempDir()); err == nil {
		t.Error("a folder without src gave a corpus")
	}
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "src", "fmt"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "src", "fmt", "print.go"), []byte("package fmt\nfunc {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadCorpus(t.Context(), root); err == nil || !strings.Contains(err.Error(), "package fmt") {
		t.Errorf("err = %v, want one that names the package with the broken file", err)
	}
}
