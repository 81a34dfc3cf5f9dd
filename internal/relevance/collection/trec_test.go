package collection_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

func TestARunIsReadInTheOrderOfItsScores(t *testing.T) {
	const text = "1 Q0 a 1 1.5 mine\n1 Q0 b 2 2.5 mine\n1\tQ0\tc\t3\t1.5\tmine\n2 Q0 a 1 -1e3 mine\n"
	run, tag, err := collection.ReadRun(strings.NewReader(text), "run")
	if err != nil {
		t.Fatal(err)
	}
	want := relevance.Run{
		"1": {{ID: "b", Score: 2.5}, {ID: "c", Score: 1.5}, {ID: "a", Score: 1.5}},
		"2": {{ID: "a", Score: -1000}},
	}
	if diff := cmp.Diff(want, run); diff != "" || tag != "mine" {
		t.Errorf("tag %q, %s", tag, diff)
	}
}

func TestWhatIsWrongInARunIsNamedByLine(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"a column too few", "1 Q0 a 1 1.5", "run:1: want 6 fields"},
		{"no score", "1 Q0 a 1 1 t\n1 Q0 b 1 x t", `run:2: want a number from -1e+38 to 1e+38 for the score, got "x"`},
		{"a score that is none", "1 Q0 a 1 NaN t", "run:1: want a number"},
		{"a score without end", "1 Q0 a 1 1e999 t", "run:1: want a number"},
		{"a document twice", "1 Q0 a 1 2 t\n1 Q0 a 2 1 t", `run:2: document "a" stands twice under query "1"`},
	} {
		if _, _, err := collection.ReadRun(strings.NewReader(tc.text), "run"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: err = %v, want %q in it", tc.name, err, tc.want)
		}
	}
}

func TestRunsAndJudgementsComeBackAsTheyWereWritten(t *testing.T) {
	run := relevance.Run{"2": {{ID: "b", Score: 1}, {ID: "z", Score: 1}, {ID: "a", Score: 7}}, "1": {{ID: "x", Score: 0.1}}}
	qrels := relevance.Qrels{"2": {"b": 1, "a": -1}, "1": {"x": 0}}
	dir := t.TempDir()
	runPath, qrelsPath := filepath.Join(dir, "run"), filepath.Join(dir, "qrels.gz")
	var text strings.Builder
	if err := collection.WriteRun(&text, run, "mine"); err != nil {
		t.Fatal(err)
	}
	if want := "1 Q0 x 1 0.1 mine\n2 Q0 b 1 1 mine\n2 Q0 z 2 0.99999994 mine\n"; !strings.HasPrefix(text.String(), want) {
		t.Errorf("it begins otherwise than %q:\n%s", want, text.String())
	}
	write(t, runPath, text.String())
	got, tag, err := collection.ReadRunFile(runPath)
	if err != nil || tag != "mine" {
		t.Fatalf("tag %q, err %v", tag, err)
	}
	for query := range run {
		if diff := cmp.Diff(run[query].IDs(), got[query].IDs()); diff != "" {
			t.Errorf("query %s: %s", query, diff)
		}
	}

	text.Reset()
	if err := collection.WriteQrels(&text, qrels); err != nil {
		t.Fatal(err)
	}
	write(t, qrelsPath, gzipped(t, text.String()))
	back, err := collection.ReadQrelsFile(qrelsPath)
	if diff := cmp.Diff(qrels, back); err != nil || diff != "" {
		t.Errorf("err %v, %s", err, diff)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWordsThatBreakTheColumnsAreNotWritten(t *testing.T) {
	for _, id := range []string{"", "a b", "a\nb", "a\u00a0b"} {
		run := relevance.Run{"1": {{ID: id}}}
		if err := collection.WriteRun(&strings.Builder{}, run, "mine"); err == nil {
			t.Errorf("document %q is written", id)
		}
		if err := collection.WriteQrels(&strings.Builder{}, relevance.Qrels{"1": {id: 1}}); err == nil {
			t.Errorf("judgement of %q is written", id)
		}
	}
}

func TestAFileThatIsNotThereIsSaidSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none")
	if _, _, err := collection.ReadRunFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("run: err = %v", err)
	}
	if _, err := collection.ReadQrelsFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("judgements: err = %v", err)
	}
}
