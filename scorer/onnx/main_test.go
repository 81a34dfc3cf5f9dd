package onnx

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// TestMain loads the real runtime. Without it there is nothing to test, which
// is a failure and no reason to skip.
func TestMain(m *testing.M) {
	if path, ok := os.LookupEnv(initVariable); ok {
		fmt.Println(Init(path))
		os.Exit(0)
	}
	path, err := native.Library("")
	if err == nil {
		err = Init(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the tests of this package need ONNX Runtime:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

const referenceFolder = "testdata/reference/model"

func readReference(tb testing.TB) Files {
	tb.Helper()
	f, err := OpenFolder(referenceFolder)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// loadReference loads the small BERT of testdata/reference.
func loadReference(tb testing.TB, o Options) *Engine {
	tb.Helper()
	return mustLoad(tb, readReference(tb), o)
}

// loadFaulty loads a model of testdata/faulty with the reference's tokenizer.
func loadFaulty(tb testing.TB, name string, o Options) *Engine {
	tb.Helper()
	return mustLoad(tb, faulty(tb, name), o)
}

func faulty(tb testing.TB, name string) Files {
	tb.Helper()
	f := readReference(tb)
	model, err := os.ReadFile(filepath.Join("testdata", "faulty", name+".onnx"))
	if err != nil {
		tb.Fatal(err)
	}
	f.Model, f.Manifest = model, Manifest{ID: name}
	return f
}

func mustLoad(tb testing.TB, f Files, o Options) *Engine {
	tb.Helper()
	e, err := Load(f, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Errorf("close the engine: %v", err)
		}
	})
	return e
}

type textPair struct {
	Query         string `json:"query"`
	Passage       string `json:"passage"`
	QueryRepeat   int    `json:"query_repeat"`
	PassageRepeat int    `json:"passage_repeat"`
}

func (p textPair) texts() (query, passage string) {
	return strings.Repeat(p.Query, p.QueryRepeat), strings.Repeat(p.Passage, p.PassageRepeat)
}

// loadPairs returns the texts of the reference vectors.
func loadPairs(tb testing.TB) []textPair {
	tb.Helper()
	var pairs []textPair
	readJSON(tb, "../tokenizer/testdata/pairs.json", &pairs)
	return pairs
}

func readJSON(tb testing.TB, path string, into any) {
	tb.Helper()
	data, err := os.ReadFile(filepath.FromSlash(path))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		tb.Fatalf("read %s: %v", path, err)
	}
}

// encode is what a call makes of its texts.
func (e *Engine) encode(ctx context.Context, query string, passages []string) ([]tokenizer.Pair, error) {
	q, err := e.tokenizer.Encode(query, e.options.MaxTokens)
	if err != nil {
		return nil, err
	}
	return e.pair(ctx, q, passages)
}
