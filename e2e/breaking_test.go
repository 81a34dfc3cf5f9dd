package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// breakingModel is a folder with a model that loads and warms up, and whose run
// ends with an error as soon as the query is "q". Its tokenizer is that of the
// reference model.
func breakingModel(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, from := range map[string]string{
		"model.onnx":            "testdata/breaks",
		"tokenizer.json":        referenceModel,
		"tokenizer_config.json": referenceModel,
	} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}
