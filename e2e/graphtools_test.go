package e2e

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
	folders "github.com/rerankd/rerankd/internal/model"
	"github.com/rerankd/rerankd/scorer/onnx"
)

const (
	graphTools    = "../training/quantize"
	architectures = "../scorer/onnx/testdata/architectures"
)

// graphTool runs a script that makes one graph of another, and returns what it printed.
func graphTool(t *testing.T, script string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	python := pythonWith(ctx, t, graphTools+"/requirements.txt", "onnxruntime, onnx, tokenizers")
	cmd := exec.CommandContext(ctx, python, append([]string{"-B", filepath.Join(graphTools, script)}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

var proven = regexp.MustCompile(`(?m)^for the first token alone: \d+ operators, (\d+) matrix products among them$(?s:.*)^(\d+) random pairs: scores differ by (\S+) at most`)

// The script is told no architecture: it must find its way in each.
func TestAGraphOfEveryArchitectureIsRewrittenAndProvenEqual(t *testing.T) {
	for _, tc := range []struct {
		graph    string
		products int // that are computed for the first token alone: query, query × key, weights × value, output, up and down
	}{
		{"bert/model", 6},
		{"bert-two-logits/model", 6},
		{"bert-sigmoid/model", 6},
		{"bert-softmax/model", 6},
		{"bert/nbits", 6},
		{"electra/model", 6},
		{"roberta/model", 6},
		{"xlm-roberta/model", 6},
		{"modernbert/model", 5}, // query, key and value are one product
		{"deberta-v2/model", 4}, // its attention mixes positions with heads
		{"deberta-v3/model", 4},
	} {
		t.Run(tc.graph, func(t *testing.T) {
			files := filepath.Join(architectures, filepath.Dir(tc.graph))
			made := filepath.Join(t.TempDir(), "onnx", "model_rewritten.onnx")
			out, err := graphTool(t, "rewrite.py", filepath.Join(architectures, tc.graph+".onnx"), made)
			found := proven.FindStringSubmatch(out)
			if err != nil || found == nil {
				t.Fatalf("%v\n%s", err, out)
			}
			pairs, _ := strconv.Atoi(found[2])
			if difference, err := strconv.ParseFloat(found[3], 64); err != nil || found[1] != strconv.Itoa(tc.products) || pairs < 200 || difference > 1e-4 {
				t.Errorf("want %d products and 200 pairs or more within 1e-4:\n%s", tc.products, out)
			}
			before, after := scoresWith(t, filepath.Join(architectures, tc.graph+".onnx"), files), scoresWith(t, made, files)
			for i := range before {
				if math.Abs(float64(before[i]-after[i])) > 1e-4 {
					t.Errorf("passage %d: %v after, %v before", i, after[i], before[i])
				}
			}
		})
	}
}

// scoresWith scores texts in this program with a graph and the other files of a folder.
func scoresWith(t *testing.T, graph, other string) []float32 {
	t.Helper()
	folder := t.TempDir()
	files := map[string]string{"model.onnx": graph}
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "config.json"} {
		files[name] = filepath.Join(other, name)
	}
	for name, from := range files {
		copyFile(t, from, filepath.Join(folder, name))
	}
	engine, err := app.OpenEngine(t.Context(), folder, configs.Engine{Workers: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}()
	scores, err := engine.Score(t.Context(), "what causes the tides", []string{
		"The Moon pulls the oceans, so the water rises twice a day.", "tides", "", strings.Repeat("the Moon and the tide ", 50), "Bake the bread for forty minutes.",
	})
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o750)
	}
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestGraphsThatCannotBeRewrittenAreRefusedWithWhatWasFound(t *testing.T) {
	for graph, want := range map[string]string{
		architectures + "/bert/int8.onnx":                               "can't be rewritten: its activations are quantised as they come",
		architectures + "/bert/fp16.onnx":                               "that is more than 0.0001: nothing was written",
		"../scorer/onnx/testdata/faulty/flat.onnx":                      "can't be rewritten: nothing in it takes the first token alone",
		"../scorer/onnx/testdata/faulty/unknown-input.onnx":             "can't be rewritten: it has the inputs ",
		filepath.Join(architectures, "bert", "tokenizer_config.json"):   "is no ONNX file",
		filepath.Join(t.TempDir(), "nothing", "here", "at", "all.onnx"): "is no ONNX file",
	} {
		made := filepath.Join(t.TempDir(), "made.onnx")
		out, err := graphTool(t, "rewrite.py", graph, made)
		if err == nil || !strings.Contains(out, want) || strings.Contains(out, "Traceback") {
			t.Errorf("%s: %v, want a refusal with %q:\n%s", graph, err, want, out)
		}
		if _, err := os.Stat(made); err == nil {
			t.Errorf("%s: a graph was written", graph)
		}
	}
}

// An export goes all the way: rewritten, in 8 bits, imported, scoring.
func TestAnExportIsRewrittenQuantisedAndImported(t *testing.T) {
	export, destination := t.TempDir(), filepath.Join(t.TempDir(), "mine")
	for _, name := range []string{"model.onnx", "tokenizer.json", "tokenizer_config.json", "config.json"} {
		copyFile(t, filepath.Join(architectures, "bert", name), filepath.Join(export, name))
	}
	rewritten := filepath.Join(export, "onnx", "model_rewritten.onnx")
	if out, err := graphTool(t, "rewrite.py", filepath.Join(export, "model.onnx"), rewritten); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := graphTool(t, "rewrite.py", filepath.Join(export, "model.onnx"), rewritten); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("a second time: %v\n%s", err, out)
	}
	if out, err := graphTool(t, "quantize.py", export, "--file", "onnx/model_rewritten.onnx"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m, err := folders.Import(t.Context(), folders.ImportOptions{
		Source: export, Destination: destination, Graph: "onnx/model_int8.onnx",
		Check: func(ctx context.Context, folder string) (onnx.Info, error) {
			engine, err := app.OpenEngine(ctx, folder, configs.Engine{Workers: 1}, nil)
			if err != nil {
				return onnx.Info{}, err
			}
			return engine.Info(), engine.Close()
		},
	})
	if err != nil || m.Precision != "int8" {
		t.Fatalf("imported as %+v: %v", m, err)
	}
	before, after := scoresWith(t, filepath.Join(export, "model.onnx"), export), scoresWith(t, filepath.Join(destination, "model.onnx"), export)
	if slices.Equal(before, after) || slices.Index(before, slices.Max(before)) != slices.Index(after, slices.Max(after)) {
		t.Errorf("%s, want about %s", fmt.Sprint(after), fmt.Sprint(before))
	}
}
