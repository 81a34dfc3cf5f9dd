package e2e

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

// judgedFolder is a test collection in BEIR's form of the documents of an index.
func judgedFolder(t *testing.T) (folder, name string) {
	t.Helper()
	texts := map[string]string{
		"boil": "water boils at a hundred degrees", "tea": "tea is made with hot water", "kettle": "a kettle boils water for tea and coffee",
		"ice": "ice is water below zero degrees", "river": "the river brings water to the town", "steam": "steam drives the engine of the boat",
		"boat": "the boat crosses the river twice a day", "engine": "an engine turns heat into work", "town": "the town lies on the river",
	}
	folder, name = t.TempDir(), "e2e-eval"
	var corpus strings.Builder
	var documents []document
	for id, text := range texts {
		corpus.Write(append(encode(t, map[string]string{"_id": id, "title": "", "text": text}), '\n'))
		documents = append(documents, document{id, encode(t, map[string]string{"text": text})})
	}
	slices.SortFunc(documents, func(a, b document) int { return strings.Compare(a.ID, b.ID) })
	index(t, name, `{"mappings":{"properties":{"text":{"type":"text"}}}}`, documents...)
	for file, content := range map[string]string{
		"corpus.jsonl":  corpus.String(),
		"queries.jsonl": `{"_id":"1","text":"boils water for tea"}` + "\n" + `{"_id":"2","text":"the boat on the river"}` + "\n" + `{"_id":"3","text":"heat of an engine"}` + "\n",
		"qrels.tsv":     "query-id\tcorpus-id\tscore\n1\tkettle\t2\n1\ttea\t1\n1\tice\t0\n2\tboat\t2\n2\ttown\t1\n2\tsteam\t1\n3\tengine\t3\n3\tsteam\t1\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder, name
}

// evalReport is what scripts read of rerankd eval.
type evalReport struct {
	Queries    int                `json:"queries"`
	Model      string             `json:"model"`
	FirstStage map[string]float64 `json:"first_stage"`
	Reranked   map[string]float64 `json:"reranked"`
}

// The program's own figures of a live index are those of the rankings that it got,
// computed anew from the run that it exports and from the first stage.
func TestAnEvaluationOfALiveIndexHasTheFiguresOfItsRuns(t *testing.T) {
	folder, name := judgedFolder(t)
	p := startProxy(t, nil)
	out := t.TempDir()
	program := filepath.Join(out, "rerankd")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/rerankd").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, said)
	}
	eval := func(args ...string) evalReport {
		t.Helper()
		var stderr bytes.Buffer
		cmd := exec.CommandContext(t.Context(), program, append([]string{"eval", folder, "--json", "--scores", filepath.Join(out, "scores")}, args...)...)
		cmd.Stderr = &stderr
		said, err := cmd.Output()
		if err != nil {
			t.Fatalf("rerankd eval: %v\n%s", err, stderr.String())
		}
		return decode[evalReport](t, said)
	}
	run := filepath.Join(out, "words.run")
	live := eval("--url", withCredentials(t, p.url), "--index", name, "--field", "text", "--model", words, "--depth", "4", "--run-out", run)
	if live.Queries != 3 || live.Model != words {
		t.Errorf("%d queries by %q, want 3 by %q", live.Queries, live.Model, words)
	}

	exported, _, err := collection.ReadRunFile(run)
	if err != nil {
		t.Fatal(err)
	}
	set, err := collection.Open(os.DirFS(folder), collection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := relevance.Run{}
	ids := make([]string, len(set.Judged()))
	for i, q := range set.Judged() {
		ids[i] = q.ID
		found, _ := search(t, p.url+"/"+name+"/_search", string(encode(t, map[string]any{"size": 100, "query": map[string]any{"match": map[string]any{"text": q.Text}}})))
		for n, id := range found.ids() {
			first[q.ID] = append(first[q.ID], relevance.Hit{ID: id, Score: -float64(n)})
		}
	}
	offline := eval("--first-stage", run, "--run-in", run)
	changed := false
	for measure, got := range live.Reranked {
		m, err := relevance.ParseMeasure(measure)
		if err != nil {
			t.Fatal(err)
		}
		for _, pair := range []struct {
			what      string
			got, want float64
		}{
			{"reranked, by the run", got, relevance.Mean(m.Each(exported, set.Qrels, ids))},
			{"reranked, off-line", got, offline.Reranked[measure]},
			{"first stage", live.FirstStage[measure], relevance.Mean(m.Each(first, set.Qrels, ids))},
		} {
			if math.Abs(pair.got-pair.want) > 1e-9 {
				t.Errorf("%s %s = %v, want %v", measure, pair.what, pair.got, pair.want)
			}
		}
		changed = changed || got != live.FirstStage[measure]
	}
	if len(live.Reranked) < 5 || !changed {
		t.Errorf("the test shows little: reranked %v, first stage %v", live.Reranked, live.FirstStage)
	}
}
