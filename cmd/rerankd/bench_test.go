package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The built-in model is measured for real, as short as it can be.
func TestBenchMeasuresTheBuiltInModel(t *testing.T) {
	code, stdout, stderr := runWith([]string{"bench", "--time=1s", "--lengths=16", "--depths=2,4", "--target=20ms", "--target=5ms", "--json"})
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var got struct {
		Pairs    float64 `json:"pairs_per_second"`
		Tokens   float64 `json:"tokens_per_second"`
		Fraction float64 `json:"fraction_of_peak"`
		Padding  float64 `json:"padding_ratio"`
		Hits     float64 `json:"cache_hits_per_second"`
		Rounds   int
		Model    struct{ ID, Batching string }
		Machine  struct{ Cores int }
		Rates    []struct{ Tokens, Batch float64 }
		Latency  []struct {
			Depth int
			P95   float64 `json:"p95_ms"`
		}
		Stages struct{ Tokenize, Queue, Infer, Other float64 }
		Advice []struct {
			Target float64 `json:"target_ms"`
			Depth  int
		}
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if got.Pairs <= 0 || got.Tokens <= got.Pairs || got.Fraction <= 0 || got.Padding < 1 || got.Hits <= 0 || got.Rounds < 1 {
		t.Errorf("figures that can't be: %s", stdout)
	}
	if got.Model.ID == "" || got.Model.Batching == "" || got.Machine.Cores < 1 {
		t.Errorf("what was measured where is not said: %s", stdout)
	}
	if len(got.Rates) != len(batches) || got.Rates[0].Tokens < 14 || got.Rates[0].Tokens > 18 {
		t.Errorf("rates %v, want %v of about 16 tokens", got.Rates, batches)
	}
	if len(got.Latency) != 2 || got.Latency[1].Depth != 4 || got.Latency[1].P95 <= 0 || len(got.Advice) != 2 || got.Advice[0].Target != 5 {
		t.Errorf("latency %v, advice %v", got.Latency, got.Advice)
	}
	if s := got.Stages; s.Infer <= 0 || s.Tokenize+s.Queue+s.Infer+s.Other < 0.999 || s.Tokenize+s.Queue+s.Infer+s.Other > 1.001 {
		t.Errorf("stages %+v, want shares of one", s)
	}
}

func TestBenchAsTables(t *testing.T) {
	code, stdout, stderr := runWith([]string{"bench", "--model", "overlap", "--rerank.allow_test_models", "--time=1s", "--depths", "30, 10,30"})
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{"Model    overlap\n", "pairs/s", "Latency of a lone call", "depth", "known scores a second", "500 ms"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "peak") {
		t.Errorf("a peak without a model:\n%s", stdout)
	}
}

func TestBenchRefusesWhatItCannotDo(t *testing.T) {
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"--time=0s", exitUsage, "--time: want a duration from 1s to 1h0m0s"},
		{"--time=soon", exitUsage, `got "soon"`},
		{"--target=100", exitUsage, "--target: want a duration"},
		{"--lengths=0", exitUsage, "--lengths: want numbers from 1"},
		{"--depths=10,x", exitUsage, "--depths: want numbers from 1 to 10000"},
		{"--depths=" + strings.Repeat("1,", 20) + "1", exitUsage, "20 numbers are the most"},
		{"--time=1s --time=2s", exitUsage, "--time is given 2 times"},
		{"models/mine", exitUsage, "takes no argument"},
		{"--model=overlap", exitFailed, "open model overlap"},
		{"--model=/nonexistent", exitFailed, "/nonexistent"},
		{"--engine.library=/nonexistent.so", exitFailed, "/nonexistent.so"},
	} {
		code, stdout, stderr := runWith(append([]string{"bench"}, strings.Fields(tc.args)...))
		if code != tc.code || !strings.Contains(stderr, tc.want) || stdout != "" {
			t.Errorf("%s: exit code %d, want %d and %q: %s%s", tc.args, code, tc.code, tc.want, stderr, stdout)
		}
	}
}

func TestBenchEndsWhenItIsInterrupted(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	var out, errs strings.Builder
	code := run([]string{"bench", "--model=overlap", "--rerank.allow_test_models", "--time=1h"}, outside{stdout: &out, stderr: &errs, signals: signals})
	if code != exitInterrupted || out.Len() > 0 || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("exit code %d, want %d: %s%s", code, exitInterrupted, errs.String(), out.String())
	}
}
