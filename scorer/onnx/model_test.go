package onnx

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/scorer"
)

func TestModelsThatAreNoCrossEncoderAreRefused(t *testing.T) {
	for _, tc := range []struct{ model, want string }{
		{"two-outputs", "outputs logits (float [any, 1]), more (float [any, 1]); want"},
		{"no-mask", "inputs input_ids (int64 [any, any]) and"},
		{"unknown-input", "position_ids"},
		{"int32", "input_ids (int32 [any, any])"},
		{"three-logits", "outputs logits (float [any, 3]);"},
		{"three-logits-undeclared", "output of shape [4 3] for 4 pairs"},
		{"scalar", "outputs logits (float []);"},
		{"double", "outputs logits (double [any, 1]);"},
	} {
		t.Run(tc.model, func(t *testing.T) {
			e, err := Load(faulty(t, tc.model), Options{Workers: 1})
			if err == nil {
				t.Fatal(errors.Join(errors.New("the model was accepted"), e.Close()))
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want one with %q", err, tc.want)
			}
			if !strings.Contains(err.Error(), tc.model) {
				t.Errorf("error %q does not name the model %s", err, tc.model)
			}
		})
	}
}

// Every faulty model that is not accepted somewhere must be in the table above.
func TestEveryFaultyModelIsTested(t *testing.T) {
	files, err := filepath.Glob("testdata/faulty/*.onnx")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d models, %v", len(files), err)
	}
	accepted := map[string]bool{"flat": true, "not-finite": true, "endless": true}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".onnx")
		e, err := Load(faulty(t, name), Options{Workers: 1})
		if (err == nil) != accepted[name] {
			t.Errorf("%s: %v, want it accepted: %v", name, err, accepted[name])
		}
		if err == nil {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestFilesThatAreNoModelAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Files){
		"the model has no graph": func(f *Files) { f.Model = nil },
		"read model":             func(f *Files) { f.Model = []byte("no model at all") },
		"read tokenizer":         func(f *Files) { f.Tokenizer = []byte("{}") },
		"decode config.json":     func(f *Files) { f.Config = []byte("{") },
	} {
		f := readReference(t)
		change(&f)
		e, err := Load(f, Options{Workers: 1})
		if err == nil {
			t.Fatal(errors.Join(errors.New("the files were accepted"), e.Close()))
		}
		if !strings.Contains(err.Error(), name) {
			t.Errorf("error %q, want one with %q", err, name)
		}
	}
}

// A model with a flat output and without type ids is a cross-encoder too.
func TestModelWithOneDimensionalOutputIsAccepted(t *testing.T) {
	e := loadFaulty(t, "flat", Options{})
	got, err := e.Score(t.Context(), "tide", []string{"moon", "moon ocean water", ""})
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := e.encode(t.Context(), "tide", []string{"moon", "moon ocean water", ""})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pairs { // the model adds up the ids
		ids, types := make([]int64, p.Len()), make([]int64, p.Len())
		p.Fill(ids, types)
		sum := int64(0)
		for _, id := range ids {
			sum += id
		}
		if want := float32(sum) / 1000; math.Abs(float64(got[i]-want)) > 1e-6 {
			t.Errorf("score %d is %v, want %v", i, got[i], want)
		}
	}
}

func TestScoresThatAreNotFiniteAreAnError(t *testing.T) {
	e := loadFaulty(t, "not-finite", Options{Workers: 1, BatchTokens: 64})
	long := strings.Repeat("moon ", 60) // the model answers NaN from 49 tokens on
	before := e.Stats().Batches
	scores, err := e.Score(t.Context(), "tide", append([]string{long}, make([]string, 500)...))
	if !errors.Is(err, scorer.ErrScores) || scores != nil {
		t.Fatalf("got %v, %v, want nil and ErrScores", scores, err)
	}
	if n := e.Stats().Batches - before; n > 5 {
		t.Errorf("%d batches ran after the one that failed, want the rest dropped", n)
	}
	if _, err := e.Score(t.Context(), "tide", []string{"moon"}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestFingerprintCoversWhatChangesAScore(t *testing.T) {
	print := func(change func(*Files, *Options)) string {
		t.Helper()
		f, o := readReference(t), Options{Workers: 1}
		change(&f, &o)
		return mustLoad(t, f, o).Fingerprint()
	}
	base := print(func(*Files, *Options) {})
	if len(base) != 64 {
		t.Errorf("fingerprint %q, want 64 hexadecimal digits", base)
	}
	if again := print(func(f *Files, o *Options) { o.Workers, o.BatchTokens, f.Manifest.ID = 2, 77, "renamed" }); again != base {
		t.Error("workers, batches or the name changed the fingerprint")
	}
	flat, err := os.ReadFile("testdata/faulty/flat.onnx")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{base: "the base"}
	for name, change := range map[string]func(*Files, *Options){
		"max tokens": func(_ *Files, o *Options) { o.MaxTokens = 100 },
		"weights":    func(f *Files, _ *Options) { f.Model = flat },
		"tokenizer":  func(f *Files, _ *Options) { f.Tokenizer = append(f.Tokenizer, ' ') },
		"precision":  func(f *Files, _ *Options) { f.Manifest.Precision = "fp16" },
	} {
		got := print(change)
		if other, same := seen[got]; same {
			t.Errorf("%s: the fingerprint is that of %s", name, other)
		}
		seen[got] = name
	}
}

func TestLongestPairIsWhatModelAndCallerAgreeOn(t *testing.T) {
	tok := loadReference(t, Options{}).tokenizer // its files say 256
	for _, tc := range []struct {
		name     string
		wish     int
		manifest int
		config   string
		want     int // 0: refused
	}{
		{"tokenizer's files", 0, 0, "", 256},
		{"manifest", 0, 128, "", 128},
		{"manifest beyond the positions", 0, 1000, `{"max_position_embeddings":256}`, 256},
		{"positions", 0, 0, `{"max_position_embeddings":200}`, 200},
		{"RoBERTa counts from its padding on", 0, 512, `{"model_type":"xlm-roberta","max_position_embeddings":514,"pad_token_id":1}`, 512},
		{"the caller's wish", 100, 128, `{"max_position_embeddings":256}`, 100},
		{"a wish beyond the manifest", 200, 128, `{"max_position_embeddings":256}`, 200},
		{"a wish beyond the positions", 257, 0, `{"max_position_embeddings":256}`, 0},
		{"a wish beyond all models", mostTokens + 1, 0, "", 0},
		{"no room for text", 10, 0, "", 0},
		{"a negative wish", -1, 0, "", 0},
		{"broken configuration", 0, 0, "[", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := Files{Manifest: Manifest{MaxTokens: tc.manifest}}
			if tc.config != "" {
				f.Config = []byte(tc.config)
			}
			got, err := maxTokens(tc.wish, f, tok)
			if got != tc.want || (err == nil) != (tc.want > 0) {
				t.Errorf("got %d, %v; want %d", got, err, tc.want)
			}
		})
	}
}
