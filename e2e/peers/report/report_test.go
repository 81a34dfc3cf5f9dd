package report_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/e2e/peers/report"
	"github.com/rerankd/rerankd/internal/bench"
)

const (
	file = "../../../docs/benchmarks.json"
	page = "../../../docs/benchmarks.md"
)

func read(t *testing.T, path string) *report.Report {
	t.Helper()
	r, err := report.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What the page says was measured is what the file for programs holds.
func TestThePageShowsTheTablesOfTheFile(t *testing.T) {
	r := read(t, file)
	if len(r.Parts) == 0 {
		t.Fatalf("%s holds no parts", file)
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(copied, want, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.WritePage(copied); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the tables differ from those of %s (-page +file):\n%s", file, diff)
	}
}

// Whoever scores something else does other work, and no figure of both can be compared.
func TestEveryPeerScoresTheSameOrTheTableSaysWhyNot(t *testing.T) {
	compared := 0
	for name, part := range read(t, file).Parts {
		for _, row := range part.Rows {
			if row.Apart == nil {
				continue
			}
			compared++
			if *row.Apart > report.Tolerance && row.Note == "" {
				t.Errorf("part %s: the scores of %s, %s, are %v apart, and no note says why", name, row.Name, row.Model, *row.Apart)
			}
		}
	}
	if compared == 0 {
		t.Error("no scores were compared")
	}
}

// sample has one round slower than the others, for both alike.
func sample() *report.Report {
	far := 0.25
	row := func(name, model string, kind report.Kind, rates ...float64) report.Row {
		return report.Row{Name: name, Model: model, Kind: kind, Rates: rates, Millis: []float64{10, 20, 30}}
	}
	slow := row("Slow", "fp32", report.Library, 10, 5, 10)
	slow.Apart, slow.Scores, slow.Note, slow.Millis = &far, "logits", "it cuts at 128 tokens", []float64{30, 60, 90}
	return &report.Report{
		Machine:  bench.Machine{Processor: "Abacus", Cores: 2, Platform: "linux/amd64"},
		Versions: map[string]string{"slow": "1.0"},
		Parts: map[string]report.Part{
			"mixed":   {Rows: []report.Row{row("rerankd in process", "fp32", report.Library, 20, 10, 20), slow}},
			"latency": {Rows: []report.Row{row("rerankd in process", "fp32", report.Library, 20, 10, 20), slow}},
		},
	}
}

func TestTablesLeadWithTheRatioOfTheRounds(t *testing.T) {
	tables := sample().Tables()
	for _, want := range []string{
		"Abacus",
		"slow 1.0",
		"| Slow | **2.00 ×** (10.0 ±25 %) |",
		"| fp32, mixed lengths: 1.3 × the pairs a second of the best peer | 2.00 × (Slow) | yes |",
		"| a lone request of 30 passages, fp32: half the p50 of the best peer | 3.00 × sooner (Slow) | yes |",
		"| fp32 | Slow | 0.25 (logits) | it cuts at 128 tokens |",
	} {
		if !strings.Contains(tables, want) {
			t.Errorf("the tables lack %q:\n%s", want, tables)
		}
	}
}

func TestAGoalThatIsMissedIsShownAsMissed(t *testing.T) {
	r := sample()
	r.Parts["mixed"].Rows[1].Rates = []float64{40, 20, 40}
	if want := "1.3 × the pairs a second of the best peer | 0.50 × (Slow) | no |"; !strings.Contains(r.Tables(), want) {
		t.Errorf("the tables lack %q:\n%s", want, r.Tables())
	}
}

func TestTheFileIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	want := sample()
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Errorf("read report (-written +read):\n%s", diff)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"rates": [20,10,20]`; !strings.Contains(string(text), want) {
		t.Errorf("the file lacks the line %q:\n%s", want, text)
	}
}

func TestAFileThatIsNotThereIsAnEmptyReport(t *testing.T) {
	if r := read(t, filepath.Join(t.TempDir(), "none.json")); len(r.Parts) != 0 || r.Parts == nil || r.Versions == nil {
		t.Errorf("report = %+v, want an empty one", r)
	}
}

func TestAFileThatCannotBeReadIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Read(path); err == nil {
		t.Error("Read of half a file: no error")
	}
}

func TestPartsOfAnotherMachineAreDropped(t *testing.T) {
	r := sample()
	same := r.Machine
	same.Go = "go9"
	if dropped := r.Begin(same); dropped != 0 || len(r.Parts) != 2 {
		t.Errorf("Begin on the same machine dropped %d parts", dropped)
	}
	other := same
	other.Processor = "Slide rule"
	if dropped := r.Begin(other); dropped != 2 || len(r.Parts) != 0 || r.Machine.Processor != "Slide rule" {
		t.Errorf("Begin on another machine dropped %d parts, %d are left", dropped, len(r.Parts))
	}
}

func TestAPeerThatStartsLaterIsNoLongerLeftOut(t *testing.T) {
	r := sample()
	r.LeaveOut("b", "first")
	r.LeaveOut("a", "why")
	r.LeaveOut("b", "second")
	want := []report.LeftOut{{Name: "a", Reason: "why"}, {Name: "b", Reason: "second"}}
	if diff := cmp.Diff(want, r.LeftOut); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
	r.Join("a")
	if diff := cmp.Diff(want[1:], r.LeftOut); diff != "" {
		t.Errorf("left out after Join (-want +got):\n%s", diff)
	}
}

func TestAPageWithoutMarksIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(path, []byte("# Page\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sample().WritePage(path); err == nil {
		t.Error("WritePage into a page without marks: no error")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "# Page\n" {
		t.Errorf("page = %q, %v", text, err)
	}
}

func TestMedianIsTheMiddleOrTheMeanOfTheTwoThere(t *testing.T) {
	for _, tc := range []struct {
		list []float64
		want float64
	}{
		{[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := report.Median(tc.list); got != tc.want {
			t.Errorf("Median(%v) = %v, want %v", tc.list, got, tc.want)
		}
	}
	if got := report.Median(nil); !math.IsNaN(got) {
		t.Errorf("Median of nothing = %v, want NaN", got)
	}
}
