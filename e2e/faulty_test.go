package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rerankd/rerankd/configs"
)

// breakingModel is a folder with a model that loads and warms up, and whose run
// ends with an error as soon as the query is "q".
func breakingModel(tb testing.TB) string {
	tb.Helper()
	return faultyModel(tb, "breaks")
}

// endlessModel configures a model behind the endpoint m that computes until it is
// stopped as soon as the query is "q", and at once otherwise. So what has to happen
// while a model works is no matter of how fast a machine is, or how busy.
func endlessModel(tb testing.TB, c *configs.Config) (name string) {
	tb.Helper()
	name = faultyModel(tb, "endless")
	c.Endpoints = append(c.Endpoints, configs.Endpoint{ID: "m", Model: name})
	return name
}

// faultyModel is a folder with one of the models of testdata. Its tokenizer is that
// of the reference model.
func faultyModel(tb testing.TB, name string) string {
	tb.Helper()
	dir := tb.TempDir()
	for file, from := range map[string]string{
		"model.onnx":            filepath.Join("testdata", name),
		"tokenizer.json":        referenceModel,
		"tokenizer_config.json": referenceModel,
	} {
		data, err := os.ReadFile(filepath.Join(from, file))
		if err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}
