package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const builtInFolder = "../../scorer/builtin/model"

func readTexts(t *testing.T) *texts {
	t.Helper()
	texts, err := newTexts(t.Context(), runtime.GOROOT(), builtInFolder) //nolint:staticcheck // tests run where they were built
	if err != nil {
		t.Fatal(err)
	}
	texts.begin("test")
	return texts
}

func TestPairsAreExactlyAsLongAsWanted(t *testing.T) {
	texts := readTexts(t)
	seen := map[string]bool{}
	for _, tokens := range []int{20, 50, 128, mostTokens} {
		c, err := texts.call(always(tokens), window)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.passages) != window || c.tokens != window*tokens {
			t.Errorf("%d passages of %d tokens together, want %d of %d", len(c.passages), c.tokens, window, window*tokens)
		}
		query, err := texts.tokenizer.Encode(c.query, 2*mostTokens)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.passages {
			passage, err := texts.tokenizer.Encode(p, 2*mostTokens)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(query) + len(passage) + texts.tokenizer.SpecialTokens(); got != tokens {
				t.Errorf("a pair has %d tokens, want %d: %q", got, tokens, p)
			}
			if seen[p] {
				t.Errorf("a passage comes twice: %q", p)
			}
			seen[p] = true
		}
	}
}

func TestMixedLengthsAreAsTheirCommentSays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1)) //nolint:gosec // no secret
	const n = 100_000
	below := map[int]int{46: 0, 100: 0, 216: 0}
	for range n {
		tokens := mixed(r)
		if tokens < 16 || tokens > mostTokens {
			t.Fatalf("a pair of %d tokens", tokens)
		}
		for limit := range below {
			if tokens < limit {
				below[limit]++
			}
		}
	}
	for limit, want := range map[int]float64{46: 0.1, 100: 0.5, 216: 0.9} {
		if got := float64(below[limit]) / n; math.Abs(got-want) > 0.01 {
			t.Errorf("%.3f of the pairs are under %d tokens, want %.1f", got, limit, want)
		}
	}
}

func TestTheEngineAnswersLinesUntilThereAreNone(t *testing.T) {
	var out bytes.Buffer
	in := strings.NewReader(`{"query":"what causes the tides","passages":["The Moon pulls the oceans.","Bread."]}` + "\n")
	if err := serveEngine(t.Context(), builtIn, in, &out); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(&out)
	var first struct{ Versions map[string]string }
	var second answered
	if err := lines.Decode(&first); err != nil || len(first.Versions) != 1 {
		t.Errorf("first line: %+v, %v", first, err)
	}
	if err := lines.Decode(&second); err != nil || len(second.Scores) != 2 || second.Scores[0] <= second.Scores[1] || second.Seconds <= 0 {
		t.Errorf("second line: %+v, %v", second, err)
	}
}

func TestAWorkerIsAskedThroughItsPipe(t *testing.T) {
	w, err := startPipe(t.Context(), "sh", "-c", `echo '{"versions":{"sh":"1"}}'; read line; echo '{"seconds":0.5,"scores":[2,1]}'; read line; echo oops >&2`)
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	c := call{query: "q", passages: []string{"a", "b"}}
	scores, took, err := w.score(t.Context(), c)
	if err != nil || len(scores) != 2 || scores[0] != 2 || took != 500*time.Millisecond {
		t.Errorf("score = %v, %v, %v", scores, took, err)
	}
	if w.versions()["sh"] != "1" {
		t.Errorf("versions = %v", w.versions())
	}
	if _, _, err := w.score(t.Context(), c); err == nil || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("score of a worker that has ended: %v", err)
	}
}

func TestAWorkerThatCannotStartSaysWhy(t *testing.T) {
	if _, err := startPipe(t.Context(), "sh", "-c", "echo no such module >&2; exit 1"); err == nil || !strings.Contains(err.Error(), "no such module") {
		t.Errorf("startPipe: %v, want the worker's last line", err)
	}
}

func TestServersAnswersAreReadInTheOrderOfThePassages(t *testing.T) {
	for _, tc := range []struct {
		name    string
		dialect dialect
		answer  string
		want    string
	}{
		{"infinity", infinityDialect, `{"results":[{"index":1,"relevance_score":3},{"index":0,"relevance_score":-1}]}`, ""},
		{"rerankd", rerankdDialect, `{"rerank":[{"index":1,"relevance_score":3},{"index":0,"relevance_score":-1}]}`, ""},
		{"too few", rerankdDialect, `{"rerank":[{"index":1,"relevance_score":3}]}`, "number"},
		{"an index too large", rerankdDialect, `{"rerank":[{"index":1},{"index":2}]}`, "passage 2"},
		{"no JSON", rerankdDialect, `<html>`, "invalid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			scores, err := (&server{dialect: tc.dialect}).read([]byte(tc.answer), 2)
			switch {
			case tc.want != "":
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("read: %v, want an error that says %q", err, tc.want)
				}
			case err != nil || scores[0] != -1 || scores[1] != 3:
				t.Errorf("read = %v, %v", scores, err)
			}
		})
	}
}

func TestRequestsAreAnsweredByTheUpstreamInBothSizes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	u, err := startUpstream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer u.stop()
	for _, w := range workloads() {
		sent, err := send(ctx, u.port, w.request, 3, 20*time.Millisecond)
		if err != nil || len(sent.took) < 3 || sent.failed > 0 {
			t.Errorf("%s: %d requests, %d failed, %v", w.name, len(sent.took), sent.failed, err)
		}
	}
	if _, err := send(ctx, u.port, []byte("GET /other HTTP/1.1\r\nHost: x\r\n\r\n"), 1, time.Millisecond); err == nil {
		t.Error("a request that is not found: no error")
	}
}

func TestSearchesAreJSONOfTheirSize(t *testing.T) {
	for i, want := range map[int]int{2: small, 3: large} {
		w := workloads()[i]
		_, body, _ := bytes.Cut(w.request, []byte("\r\n\r\n"))
		if !json.Valid(body) || len(body) > want || len(body) < want-11 {
			t.Errorf("%s: %d bytes, valid: %t", w.name, len(body), json.Valid(body))
		}
	}
}

func TestScoresAreComparedAsWhatTheyAre(t *testing.T) {
	if got := apart([]float64{0, 2}, []float64{0.5, 2}, logits); got != 0.5 {
		t.Errorf("logits are %v apart, want 0.5", got)
	}
	if got := apart([]float64{0}, []float64{0.75}, probabilities); got != 0.25 {
		t.Errorf("probabilities are %v apart, want 0.25", got)
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range [][]string{{"--only", "mixed,none"}, {"--rounds", "0"}, {"rest"}} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse %q: no error", args)
		}
	}
	cmp, err := parse([]string{"--record", "--only", "mixed,pass"})
	if err != nil || cmp.page == "" || len(cmp.only) != 2 {
		t.Errorf("parse = %+v, %v", cmp, err)
	}
}

func TestProcessorTimeAndMemoryOfAProcessAreSeen(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skipf("NOT TESTED: this system has no /proc: %v", err)
	}
	if peakMemory(os.Getpid()) < 1 {
		t.Error("this process never held a MiB")
	}
	before := processorTime(os.Getpid())
	for end := time.Now().Add(10 * time.Second); processorTime(os.Getpid()) == before; {
		if time.Now().After(end) {
			t.Fatal("no processor time in ten seconds of work")
		}
	}
}

// What the Python scripts are is seen without the packages that they want.
func TestTheScriptsAreValidPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("NOT TESTED: no python3: %v", err)
	}
	scripts, err := filepath.Glob("python/*.py")
	if err != nil || len(scripts) != 2 {
		t.Fatalf("scripts = %v, %v, want two", scripts, err)
	}
	for _, script := range scripts {
		source, err := os.Open(script)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), python, "-c", "import ast, sys; ast.parse(sys.stdin.read())")
		cmd.Stdin = io.Reader(source)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		_ = source.Close()
	}
}

func TestBareProxyPassesRequestsOn(t *testing.T) {
	upstream, err := startUpstream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.stop()
	l, port, err := listen(t.Context(), "0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveBare(ctx, l, upstream.port) }()
	for _, w := range workloads() {
		if _, err := send(t.Context(), port, w.request, 2, time.Millisecond); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
