package onnx

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const architectures = "testdata/architectures"

// vector is what PyTorch and the reference tokenizer say of a pair. Ids come in
// runs: [id, times].
type vector struct {
	IDs   [][2]int64 `json:"ids"`
	Types [][2]int64 `json:"types"`
	Logit float64    `json:"logit"`
}

func unroll(runs [][2]int64) []int64 {
	var out []int64
	for _, run := range runs {
		out = append(out, slices.Repeat(run[:1], int(run[1]))...)
	}
	return out
}

// Every architecture is loaded by its own files alone.
func TestEveryArchitectureScoresAsPyTorchDoes(t *testing.T) {
	var pairs []textPair
	readJSON(t, architectures+"/pairs.json", &pairs)
	for _, tc := range []struct {
		name, template string
		head           Head
	}{
		{"bert", "2:0 A:0 3:0 B:1 3:1", Logit},
		{"bert-two-logits", "2:0 A:0 3:0 B:1 3:1", TwoLogits},
		{"bert-sigmoid", "2:0 A:0 3:0 B:1 3:1", Sigmoid},
		{"bert-softmax", "2:0 A:0 3:0 B:1 3:1", Softmax},
		{"electra", "2:0 A:0 3:0 B:1 3:1", Logit},
		{"roberta", "0:0 A:0 2:0 2:0 B:0 2:0", Logit},
		{"xlm-roberta", "0:0 A:0 2:0 2:0 B:0 2:0", Logit},
		{"deberta-v2", "1:0 A:0 2:0 B:1 2:1", Logit},
		{"deberta-v3", "1:0 A:0 2:0 B:1 2:1", Logit},
		{"modernbert", "0:0 A:0 2:0 B:0 2:0", Logit},
	} {
		t.Run(tc.name, func(t *testing.T) {
			folder := filepath.Join(architectures, tc.name)
			files, err := OpenFolder(folder)
			if err != nil {
				t.Fatal(err)
			}
			e := mustLoad(t, files, Options{Workers: 2})
			info := e.Info()
			if info.Head != tc.head || info.MaxTokens != 128 || info.Precision != "fp32" || info.Batching != Together || info.Template != tc.template {
				t.Errorf("loaded as %+v, want head %s and template %s in fp32, batched, with 128 tokens at most", info, tc.head, tc.template)
			}
			var vectors []vector
			readJSON(t, filepath.Join(folder, "vectors.json"), &vectors)
			if len(vectors) != len(pairs) || len(vectors) < 300 {
				t.Fatalf("%d vectors of %d pairs, want 300 or more", len(vectors), len(pairs))
			}
			compareVectors(t, e, specialIDs(t, files.Tokenizer), pairs, vectors)
		})
	}
}

func compareVectors(t *testing.T, e *Engine, special map[int64]bool, pairs []textPair, vectors []vector) {
	t.Helper()
	byQuery := map[string][]int{}
	for i, p := range pairs {
		query, _ := p.texts()
		byQuery[query] = append(byQuery[query], i)
	}
	worst, compared := 0.0, 0
	for query, members := range byQuery {
		passages := make([]string, len(members))
		for k, i := range members {
			_, passages[k] = pairs[i].texts()
		}
		encoded, err := e.encode(t.Context(), query, passages)
		if err != nil {
			t.Fatal(err)
		}
		scores, err := e.Score(t.Context(), query, passages)
		if err != nil {
			t.Fatal(err)
		}
		for k, i := range members {
			want := vectors[i]
			ids, types := make([]int64, encoded[k].Len()), make([]int64, encoded[k].Len())
			encoded[k].Fill(ids, types)
			if forged(e, special, unroll(want.IDs)) {
				continue
			}
			compared++
			if !slices.Equal(ids, unroll(want.IDs)) {
				t.Errorf("pair %d (%.40q, %.40q): ids\n got %v\nwant %v", i, query, passages[k], ids, unroll(want.IDs))
			}
			if len(want.Types) > 0 && !slices.Equal(types, unroll(want.Types)) {
				t.Errorf("pair %d: type ids\n got %v\nwant %v", i, types, unroll(want.Types))
			}
			d := math.Abs(float64(scores[k]) - want.Logit)
			if bound := headTolerance(e.Info().Head, want.Logit); d > bound {
				t.Errorf("pair %d (%.40q, %.40q): logit %v, PyTorch has %v: more than %.2g away", i, query, passages[k], scores[k], want.Logit, bound)
			}
			worst = max(worst, d)
		}
	}
	t.Logf("%d pairs: at most %.2g from PyTorch", compared, worst)
	if compared < 300 {
		t.Errorf("%d pairs were compared, want 300 or more", compared)
	}
}

// specialIDs are the tokens that no text may turn into, by a tokenizer.json.
func specialIDs(t *testing.T, tokenizerJSON []byte) map[int64]bool {
	t.Helper()
	var f struct {
		AddedTokens []struct {
			ID      int64  `json:"id"`
			Content string `json:"content"`
		} `json:"added_tokens"`
	}
	if err := json.Unmarshal(tokenizerJSON, &f); err != nil {
		t.Fatal(err)
	}
	ids := map[int64]bool{}
	for _, token := range f.AddedTokens {
		ids[token.ID] = !strings.EqualFold(strings.Trim(token.Content, "<[]>"), "unk")
	}
	return ids
}

// forged reports whether the reference itself made a special token of plain text,
// as unigram models do, so that there are more than in the frame. We never do,
// which the tests of the tokenizer hold.
func forged(e *Engine, special map[int64]bool, ids []int64) bool {
	n := 0
	for _, id := range ids {
		if special[id] {
			n++
		}
	}
	return n > e.tokenizer.SpecialTokens()
}

// headTolerance is how far a logit may be from PyTorch's. A probability in float32
// says less and less about a logit the nearer it is to 0 or 1.
func headTolerance(h Head, logit float64) float64 {
	if h == Sigmoid || h == Softmax {
		return tolerance + 5e-7*math.Exp(math.Abs(logit))
	}
	return tolerance
}

// The forms in which weights are shipped: the score is near that of fp32 and does
// not depend on the pairs beside it.
func TestEveryPrecisionScoresNearFP32AndEachPairForItself(t *testing.T) {
	var pairs []textPair
	var vectors []vector
	readJSON(t, architectures+"/pairs.json", &pairs)
	readJSON(t, architectures+"/bert/vectors.json", &vectors)
	for _, tc := range []struct {
		name      string
		precision string
		mean      float64 // bound of the mean distance from fp32; the logits spread over more than 10 times that
	}{{"int8", "int8", 0.2}, {"nbits", "nbits", 0.05}, {"fp16", "fp16", 0.02}} {
		t.Run(tc.name, func(t *testing.T) {
			files, err := OpenFolder(architectures + "/bert")
			if err != nil {
				t.Fatal(err)
			}
			if files.Model, err = os.ReadFile(filepath.Join(architectures, "bert", tc.name+".onnx")); err != nil {
				t.Fatal(err)
			}
			e := mustLoad(t, files, Options{Workers: 2})
			info := e.Info()
			if info.Precision != tc.precision {
				t.Errorf("precision %q, want %q", info.Precision, tc.precision)
			}
			const query = "what causes the tides"
			var passages []string
			for _, p := range pairs {
				if _, passage := p.texts(); !slices.Contains(passages, passage) {
					passages = append(passages, passage)
				}
			}
			together, err := e.Score(t.Context(), query, passages)
			if err != nil {
				t.Fatal(err)
			}
			for i := range passages {
				alone, err := e.Score(t.Context(), query, passages[i:i+1])
				if err != nil {
					t.Fatal(err)
				}
				if d := math.Abs(float64(alone[0] - together[i])); d > mostSway || info.Batching == Alone && d > 0 {
					t.Errorf("passage %d %.40q: %v alone, %v beside others", i, passages[i], alone[0], together[i])
				}
			}
			t.Logf("batching %s, sway %.2g", info.Batching, info.Sway)
			compareMean(t, e, pairs, vectors, tc.mean)
		})
	}
}

func compareMean(t *testing.T, e *Engine, pairs []textPair, vectors []vector, bound float64) {
	t.Helper()
	sum := 0.0
	for i, p := range pairs {
		query, passage := p.texts()
		got, err := e.Score(t.Context(), query, []string{passage})
		if err != nil {
			t.Fatal(err)
		}
		sum += math.Abs(float64(got[0]) - vectors[i].Logit)
	}
	mean := sum / float64(len(pairs))
	t.Logf("%.4f from fp32 in the mean", mean)
	if mean > bound {
		t.Errorf("%.4f from fp32 in the mean, want at most %v", mean, bound)
	}
}

// The dynamically quantised file is what alone is for: it must be found out.
func TestADynamicallyQuantisedModelIsFoundOut(t *testing.T) {
	files, err := OpenFolder(architectures + "/bert")
	if err != nil {
		t.Fatal(err)
	}
	if files.Model, err = os.ReadFile(architectures + "/bert/int8.onnx"); err != nil {
		t.Fatal(err)
	}
	if info := mustLoad(t, files, Options{Workers: 1}).Info(); info.Batching != Alone || info.Sway <= mostSway {
		t.Errorf("batching %s with a sway of %v, want alone", info.Batching, info.Sway)
	}
}

func TestHeadsAreToldByTheLastOperatorAndTheWidth(t *testing.T) {
	for _, tc := range []struct {
		operator string
		width    int
		want     Head // "": refused
	}{
		{"Gemm", 1, Logit},
		{"", 1, Logit},
		{"Sigmoid", 1, Sigmoid},
		{"Add", 2, TwoLogits},
		{"LogSoftmax", 2, TwoLogits},
		{"Softmax", 2, Softmax},
		{"Softmax", 1, ""}, // always 1
		{"Sigmoid", 2, ""}, // two questions, not one
		{"Gemm", 3, ""},
	} {
		got, err := headOf(tc.operator, tc.width)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s of %d: %q, %v, want %q", tc.operator, tc.width, got, err, tc.want)
		}
	}
}

func TestProbabilitiesAtTheirEndsHaveFiniteLogOdds(t *testing.T) {
	scores := make([]float32, 4)
	Sigmoid.raw([]float32{0, 1, 0.5, float32(math.NaN())}, scores)
	if !(scores[0] < -80 && scores[1] > 80 && scores[2] == 0 && math.IsNaN(float64(scores[3]))) || math.IsInf(float64(scores[0]), 0) {
		t.Errorf("log odds %v", scores)
	}
	Softmax.raw([]float32{1, 0, 0.25, 0.75}, scores[:2])
	if scores[0] > -80 || math.Abs(float64(scores[1])-math.Log(3)) > 1e-6 {
		t.Errorf("log odds %v", scores[:2])
	}
}

func TestHalvesAreIEEE754(t *testing.T) {
	got := halves([]byte{0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b, 0x00, 0x80, 0x00, 0x7c, 0x01, 0x7c, 0x55, 0x35})
	want := []float32{1, -2, 5.9604645e-08, 65504, 0, float32(math.Inf(1)), float32(math.NaN()), 0.33325195}
	for i := range want {
		if got[i] != want[i] && !(math.IsNaN(float64(got[i])) && math.IsNaN(float64(want[i]))) {
			t.Errorf("%d: %v, want %v", i, got[i], want[i])
		}
	}
}

// Whatever the bytes are, reading them ends with a graph or an error.
func FuzzReadGraph(f *testing.F) {
	for _, name := range []string{"faulty/flat", "faulty/endless", "architectures/bert/fp16"} {
		model, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)+".onnx"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(model[:min(len(model), 4096)])
		f.Add(model)
	}
	f.Fuzz(func(t *testing.T, model []byte) {
		g, err := readGraph(model)
		if err != nil {
			if !errors.Is(err, errGraph) {
				t.Errorf("error %v, want one of %v", err, errGraph)
			}
			return
		}
		g.last()
		g.precision()
	})
}
