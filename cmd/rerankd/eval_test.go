package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// writeCollection writes a small collection: for both queries BM25 has the right
// document second, behind a shorter one, and the words overlap with it better.
func writeCollection(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "colours")
	writeAll(t, dir, map[string]string{
		"corpus.jsonl": `{"_id": "sky", "title": "", "text": "Blue blue blue."}
{"_id": "why", "title": "The sky is blue", "text": "Sunlight is scattered by the air, short waves more than long ones, and that is why it is so"}
{"_id": "grass", "title": "", "text": "Green green green."}
{"_id": "leaf", "title": "Grass is green", "text": "Chlorophyll takes the red light out of what falls on it, and that is why it is so"}
`,
		"queries.jsonl": `{"_id": "1", "text": "is blue so"}
{"_id": "2", "text": "is green so"}
{"_id": "3", "text": "nobody judged this"}
`,
		"qrels.tsv": "query-id\tcorpus-id\tscore\n1\twhy\t1\n2\tleaf\t2\n9\twhy\t1\n",
	})
	return dir
}

func writeAll(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// evaluation is what is read of the JSON form.
type evaluation struct {
	Collection     string
	Queries, Depth int
	Model          string
	FirstStage     map[string]float64 `json:"first_stage"`
	Reranked       map[string]float64
	Oracle         map[string]float64
	FirstStageName string `json:"first_stage_name"`
	Systems        []struct {
		Model       string
		Depths      []struct{ Depth int }
		DepthFor90  int     `json:"depth_for_90_percent"`
		ScoredShare float64 `json:"scored_share"`
		Latency     *struct{ Queries int }
	}
}

func evalJSON(t *testing.T, args ...string) evaluation {
	t.Helper()
	code, stdout, stderr := runWith(append([]string{"eval", "--json"}, args...))
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var e evaluation
	if err := json.Unmarshal([]byte(stdout), &e); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	return e
}

func TestEvalMeasuresAModelOffline(t *testing.T) {
	folder, out := writeCollection(t), t.TempDir()
	at := func(name string) string { return filepath.Join(out, name) }
	test := []string{folder, "--model=overlap", "--rerank.allow_test_models", "--scores", at("scores")}
	e := evalJSON(t, append(test, "--depth=2", "--run-out", at("{model}.run"), "--csv", at("each.csv"), "--plot", at("change.svg"))...)
	if e.Collection != "colours" || e.Queries != 2 || e.Depth != 2 || e.Model != "overlap" || e.FirstStageName != "BM25 (k1 1.2, b 0.75)" {
		t.Errorf("%+v", e)
	}
	if e.FirstStage["mrr@10"] != 0.5 || e.Reranked["mrr@10"] != 1 || e.Reranked["ndcg@10"] != 1 || e.Oracle["ndcg@10"] != 1 {
		t.Errorf("first stage %v, reranked %v, oracle %v", e.FirstStage, e.Reranked, e.Oracle)
	}
	for m := range strings.SplitSeq(defaultMeasures, ",") {
		if _, ok := e.FirstStage[m]; !ok {
			t.Errorf("no %s in %v", m, e.FirstStage)
		}
	}
	if got := readText(t, at("overlap.run")); !strings.HasPrefix(got, "1 Q0 why 1 ") || strings.Count(got, " overlap\n") != strings.Count(got, "\n") {
		t.Errorf("run:\n%s", got)
	}
	if got := readText(t, at("each.csv")); strings.Count(got, "\n") != 1+2*3 || !strings.HasPrefix(got, "query,system,ndcg@10,mrr@10,") {
		t.Errorf("CSV:\n%s", got)
	}
	if err := xml.Unmarshal([]byte(readText(t, at("change.svg"))), new(struct{ XMLName xml.Name })); err != nil {
		t.Errorf("plot: %v", err)
	}

	// A model with patience is a system of its own, with the same scores. Of a first
	// stage that has the best in front it sees no more than it must.
	e = evalJSON(t, append(test, "--depth=3", "--measures=mrr@1", "--patience=1,50", "--first-stage", at("overlap.run"))...)
	if len(e.Systems) != 3 || e.Systems[1].Model != "overlap, patience 1" || e.Systems[0].ScoredShare != 0 || e.Systems[1].ScoredShare >= 1 || e.Systems[2].ScoredShare != 1 {
		t.Errorf("with patience: %+v", e)
	}

	// So is a model for the best of another.
	needRuntime(t)
	e = evalJSON(t, folder, "--model=builtin-tiny", "--model=overlap", "--first=overlap", "--keep=1,1", "--patience=9", "--measures=mrr@1", "--rerank.allow_test_models",
		"--scores", at("scores"), "--run-out", at("{model}.run"), "--run-in", at("overlap.run"))
	if len(e.Systems) != 6 || e.Systems[2].Model != "rerankd-tiny, best 1 of overlap" || e.Systems[2].ScoredShare <= 0 || e.Systems[2].ScoredShare >= 1 {
		t.Errorf("a cascade: %+v", e)
	}
	for _, s := range e.Systems[:5] { // the last one was read
		if name := oneWord(s.Model); !strings.Contains(readText(t, at(name+".run")), " "+name+"\n") {
			t.Errorf("no run of %s", s.Model)
		}
	}

	// The run that was written is measured like the model that made it, and is
	// as good a first stage.
	e = evalJSON(t, folder, "--first-stage", at("overlap.run"), "--run-in", at("overlap.run"))
	if e.Model != "overlap" || e.FirstStage["ndcg@10"] != 1 || e.Reranked["ndcg@10"] != 1 || e.Systems[0].Latency != nil {
		t.Errorf("the run: %+v", e)
	}

	e = evalJSON(t, append(test, "--depths=1,2", "--measures=mrr@3,ndcg_exp@5")...)
	if s := e.Systems[0]; len(s.Depths) != 3 || s.DepthFor90 != 2 || e.Depth != defaultDepth || len(e.Reranked) != 2 {
		t.Errorf("depths: %+v", e)
	}
}

func TestEvalWritesForPeople(t *testing.T) {
	folder := writeCollection(t)
	qrels := filepath.Join(folder, "other.qrels")
	writeAll(t, folder, map[string]string{"other.qrels": "1 0 sky 1\n1 0 lost 1\n"})
	code, stdout, stderr := runWith([]string{"eval", folder, "--model=overlap", "--rerank.allow_test_models", "--fresh", "--qrels", qrels, "--scores=/nonexistent/for/sure"})
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{"colours: 4 documents, 1 queries with judgements", "first stage", "overlap", "oracle", "judged@10", "latency: p50"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout lacks %q:\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr, "1 relevant documents that the corpus lacks") {
		t.Errorf("stderr %q", stderr)
	}
}

func TestEvalWithTheBuiltInModel(t *testing.T) {
	needRuntime(t)
	folder, scores := filepath.Join(t.TempDir(), "answers"), t.TempDir()
	writeAll(t, folder, map[string]string{ // for each query one that shares its words, and one that answers it
		"corpus.jsonl": `{"_id": "bank", "text": "The store is open, and the way to it is best on foot."}
{"_id": "hash", "text": "Passwords belong into a slow salted hash, such as argon2id."}
{"_id": "history", "text": "What causes wars, what causes joy: causes in history."}
{"_id": "moon", "text": "The Moon pulls the oceans, so the water rises twice a day: the tides."}
`,
		"queries.jsonl": `{"_id": "1", "text": "best way to store passwords"}
{"_id": "2", "text": "what causes the tides"}
`,
		"qrels.tsv": "query-id\tcorpus-id\tscore\n1\thash\t1\n2\tmoon\t1\n",
	})
	e := evalJSON(t, folder, "--depth=4", "--scores", scores)
	if e.Model == "" || e.Reranked["mrr@10"] <= e.FirstStage["mrr@10"] || e.Systems[0].Latency.Queries != 2 {
		t.Errorf("%+v", e)
	}
	again := evalJSON(t, folder, "--depth=4", "--scores", scores)
	if again.Reranked["ndcg@10"] != e.Reranked["ndcg@10"] {
		t.Errorf("with kept scores %v, before %v", again.Reranked, e.Reranked)
	}
}

func TestEvalAsksAProxy(t *testing.T) {
	var degraded bool
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/papers/_search" {
			t.Errorf("%s, err %v", r.URL.Path, err)
		}
		ids := []any{"sky", "why", "grass", "leaf"}
		if strings.Contains(string(body), "text_similarity_reranker") {
			ids = []any{"why", "leaf", "sky", "grass"}
			if strings.Contains(string(body), `"inference_id":"worse"`) {
				ids = []any{"grass", "sky", "why", "leaf"}
			}
			if degraded {
				w.Header().Set("X-Rerankd-Outcome", "degraded; reason=overloaded")
			}
		}
		_, _ = fmt.Fprintf(w, `{"hits": {"hits": [{"_id": %q}, {"_id": %q}, {"_id": %q}, {"_id": %q}]}}`, ids...)
	}))
	defer up.Close()
	folder := writeCollection(t)
	if err := os.Remove(filepath.Join(folder, "corpus.jsonl")); err != nil {
		t.Fatal(err)
	}
	asked := []string{folder, "--url", up.URL, "--index=papers", "--field=text"}
	e := evalJSON(t, append(asked, "--model=better", "--model=worse")...)
	if len(e.Systems) != 2 || e.Systems[1].Model != "worse" || e.FirstStage["mrr@10"] != 0.375 || e.Reranked["mrr@10"] != 0.75 {
		t.Errorf("%+v", e)
	}
	if e = evalJSON(t, asked...); e.Model != "default endpoint" || e.FirstStageName != "a match query on papers/text" {
		t.Errorf("%+v", e)
	}
	degraded = true
	if code, stdout, stderr := runWith(append([]string{"eval"}, asked...)); code != exitFailed || stdout != "" || !strings.Contains(stderr, "the proxy did not rerank") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestEvalSaysWhatIsWrong(t *testing.T) {
	folder := writeCollection(t)
	empty := t.TempDir()
	unjudged, theirs := filepath.Join(empty, "unjudged"), filepath.Join(empty, "run")
	writeAll(t, empty, map[string]string{"unjudged": "x 0 y 1\n", "run": "1 Q0 sky 1 1 theirs\n"})
	var many []string
	for n := range 51 {
		many = append(many, strconv.Itoa(n+1))
	}
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no folder", nil, exitUsage, "eval wants a FOLDER"},
		{"two folders", []string{"a", "b"}, exitUsage, `takes no argument "b"`},
		{"depth 0", []string{folder, "--depth=0"}, exitUsage, "--depth: want numbers from 1"},
		{"depth in words", []string{folder, "--depth=all"}, exitUsage, "--depth: want numbers"},
		{"several depths", []string{folder, "--depth=1,2"}, exitUsage, "--depths compares several"},
		{"a bad list of depths", []string{folder, "--depths=1,,2"}, exitUsage, "--depths: want numbers"},
		{"too many depths", []string{folder, "--depths=" + strings.Join(many, ",")}, exitUsage, "50 numbers are the most"},
		{"an unknown measure", []string{folder, "--measures=ndcg@10,dcg@10"}, exitUsage, `"dcg@10"`},
		{"an index without a URL", []string{folder, "--index=i"}, exitUsage, "--index and --field want --url"},
		{"a URL without a field", []string{folder, "--url=http://x", "--index=i"}, exitUsage, "--url wants --index and --field"},
		{"two first stages", []string{folder, "--url=http://x", "--index=i", "--field=f", "--first-stage=f"}, exitUsage, "two first stages"},
		{"a first model without a number", []string{folder, "--first=builtin-tiny"}, exitUsage, "--first and --keep must be given together"},
		{"a number without a first model", []string{folder, "--keep=10"}, exitUsage, "--first and --keep must be given together"},
		{"a first model that is never asked", []string{folder, "--first=builtin-tiny", "--keep=10,30"}, exitUsage, "--keep: 30 is not below the depth"},
		{"a first model of nothing", []string{folder, "--first=builtin-tiny", "--keep=10", "--run-in", theirs}, exitUsage, "--first wants a model"},
		{"a first model alone", []string{folder, "--first=overlap", "--model=overlap", "--keep=10", "--fresh", "--rerank.allow_test_models"}, exitFailed, "no model but --first overlap"},
		{"a first model of a proxy's", []string{folder, "--url=http://x", "--index=i", "--field=f", "--first=builtin", "--keep=1"}, exitUsage, "name an endpoint that has a first model"},
		{"a first model that is not there", []string{folder, "--first=/nonexistent/model", "--keep=1", "--fresh"}, exitFailed, "open model /nonexistent/model"},
		{"a URL that is none", []string{folder, "--url=x", "--index=i", "--field=f"}, exitFailed, "want http(s)://host:port"},
		{"one run for several systems", []string{folder, "--model=a", "--model=b", "--run-out=r"}, exitUsage, "{model}"},
		{"a run of no model", []string{folder, "--run-in=r", "--run-out=r"}, exitUsage, "--run-out wants a model"},
		{"a flag twice", []string{folder, "--csv=a", "--csv=b"}, exitUsage, "--csv is given 2 times"},
		{"an empty flag", []string{folder, "--csv="}, exitUsage, "--csv is empty"},
		{"no collection", []string{empty, "--model=overlap"}, exitFailed, "corpus.jsonl"},
		{"no judgement", []string{folder, "--qrels", unjudged, "--model=overlap"}, exitFailed, "no query has a judgement"},
		{"a run that is not there", []string{folder, "--run-in=/nonexistent/run"}, exitFailed, "read run: open /nonexistent/run"},
		{"a first stage that is not there", []string{folder, "--first-stage=/nonexistent/run", "--run-in", theirs}, exitFailed, "/nonexistent/run"},
		{"a model that is not there", []string{folder, "--model=/nonexistent/model", "--fresh"}, exitFailed, "open model /nonexistent/model"},
		{"a test model", []string{folder, "--model=overlap", "--fresh"}, exitFailed, "open model overlap"},
		{"a model twice", []string{folder, "--model=overlap", "--model=overlap", "--fresh", "--rerank.allow_test_models"}, exitFailed, "it is the same as overlap"},
		{"an output without a folder", []string{folder, "--csv=/nonexistent/each.csv"}, exitFailed, "write /nonexistent/each.csv"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := runWith(append([]string{"eval"}, tc.args...))
			if code != tc.code || stdout != "" || !strings.Contains(stderr, tc.want) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %q", code, stdout, stderr, tc.code, tc.want)
			}
		})
	}
}

func TestEvalStopsAtASignal(t *testing.T) {
	asked := make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is the end of the connection seen
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer up.Close()
	signals := make(chan os.Signal, 2)
	var stdout, stderr strings.Builder
	code := make(chan int)
	go func() {
		code <- run([]string{"eval", writeCollection(t), "--url", up.URL, "--index=i", "--field=f"},
			outside{stdout: &stdout, stderr: &stderr, signals: signals})
	}()
	<-asked
	signals <- os.Interrupt
	if got := <-code; got != exitInterrupted || stdout.String() != "" || !strings.Contains(stderr.String(), "the same command goes on from here") {
		t.Errorf("exit code %d, stdout %q, stderr %q", got, stdout.String(), stderr.String())
	}
}
