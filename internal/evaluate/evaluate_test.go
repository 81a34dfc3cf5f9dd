package evaluate_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
	"github.com/rerankd/rerankd/scorer"
)

// lengths scores the longest passage best and counts the pairs.
type lengths struct {
	pairs int
	takes time.Duration // for each pair
	err   error
}

func (l *lengths) Score(_ context.Context, _ string, passages []string) ([]float32, error) {
	if l.err != nil {
		return nil, l.err
	}
	l.pairs += len(passages)
	time.Sleep(l.takes * time.Duration(len(passages))) // in a bubble only
	scores := make([]float32, len(passages))
	for i, p := range passages {
		scores[i] = float32(len(p))
	}
	return scores, nil
}

// documents are such that the best one for every query is the longest of the four
// that have the word, and that BM25 puts the shortest first.
var documents = []collection.Document{
	{ID: "short", Text: "dog"},
	{ID: "middle", Text: "dog and cat"},
	{ID: "long", Text: "dog and cat and mouse"},
	{ID: "longest", Text: "dog and cat and mouse and horse"},
	{ID: "other", Text: "a stone"},
}

func options(t *testing.T, l *lengths, kept *evaluate.Scores) evaluate.Options {
	t.Helper()
	index, err := evaluate.Index(t.Context(), documents, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := evaluate.Options{
		Collection: "animals", Documents: len(documents),
		Queries:    []collection.Query{{ID: "1", Text: "dog"}, {ID: "2", Text: "dogs?"}, {ID: "3", Text: "stone"}},
		Qrels:      relevance.Qrels{"1": {"longest": 1}, "2": {"longest": 1}, "3": {"other": 1}},
		FirstStage: index, FirstStageName: "BM25",
		Depth: 4,
	}
	for _, name := range []string{"ndcg@10", "mrr@10", "judged@1"} {
		m, err := relevance.ParseMeasure(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Measures = append(o.Measures, m)
	}
	if l != nil {
		o.Rerankers = []evaluate.Named{{Name: "lengths", Reranker: evaluate.NewModel(l, evaluate.Passages(documents), kept)}}
	}
	return o
}

func evaluated(t *testing.T, o evaluate.Options) *evaluate.Report {
	t.Helper()
	r, err := evaluate.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

func TestTheReportHasFirstStageRerankedAndOracle(t *testing.T) {
	r := evaluated(t, options(t, &lengths{}, nil))
	fourth := (2/math.Log2(5) + 1) / 3 // two queries have it at rank 4, one at rank 1
	if !near(r.FirstStage["ndcg@10"], fourth) || !near(r.FirstStage["mrr@10"], 0.5) || !near(r.FirstStage["judged@1"], 1./3) {
		t.Errorf("first stage %v", r.FirstStage)
	}
	if r.Reranked["ndcg@10"] != 1 || r.Oracle["ndcg@10"] != 1 || r.Model != "lengths" || r.Queries != 3 || r.Depth != 4 {
		t.Errorf("report %+v", r)
	}
	s := r.Systems[0]
	if !near(s.Gain, 1-fourth) || !near(s.GainPercent, 100*(1-fourth)/fourth) || !near(s.OracleShare, 1) {
		t.Errorf("gain %+v", s)
	}
	if s.Better != 2 || s.Worse != 0 || s.Equal != 1 || s.RandomisationP != 0.5 || s.TTestP <= 0 || s.TTestP >= 0.5 {
		t.Errorf("differences %+v", s)
	}
	if a := s.Agreement; a.Jaccard != 1 || !near(a.Tau, -2./3) || a.RBO <= 0 || a.RBO >= 1 {
		t.Errorf("agreement %+v: two lists of four are reversed, one has a single document", a)
	}
	if s.Latency == nil || s.Latency.Queries != 3 || s.Depths != nil {
		t.Errorf("latency %+v, depths %v", s.Latency, s.Depths)
	}
}

func TestDepthsAreComparedAndTheOneWithMostOfTheGainIsNamed(t *testing.T) {
	o := options(t, &lengths{}, nil)
	o.Qrels = relevance.Qrels{"1": {"long": 1}, "2": {"long": 1}, "3": {"other": 1}}
	o.Depths = []int{4, 1, 3, 2}
	s := evaluated(t, o).Systems[0]
	var depths []int
	for _, p := range s.Depths {
		depths = append(depths, p.Depth)
		if p.Latency == nil || p.Latency.Queries != 3 {
			t.Errorf("depth %d: latency %+v", p.Depth, p.Latency)
		}
	}
	if len(depths) != 4 || depths[0] != 1 || depths[3] != 4 {
		t.Fatalf("depths %v, want 1 to 4", depths)
	}
	// At depth 3 the right one comes up to the top; at 4 a longer one passes it.
	if s.Depths[0].Gain != 0 || s.Depths[2].Reranked != 1 || s.Depths[3].Gain >= s.Depths[2].Gain || s.Depths[2].Oracle != 1 || s.Depths[1].Oracle == 1 {
		t.Errorf("points %+v", s.Depths)
	}
	if s.DepthFor90 != 3 {
		t.Errorf("depth %d has most of the gain, want 3", s.DepthFor90)
	}

	o.Qrels = relevance.Qrels{"1": {"short": 1}, "2": {"short": 1}, "3": {"other": 1}}
	if s := evaluated(t, o).Systems[0]; s.DepthFor90 != 0 || s.Gain >= 0 {
		t.Errorf("depth %d is named though none gains anything", s.DepthFor90)
	}
}

func TestKeptScoresAreNotScoredAgain(t *testing.T) {
	dir := t.TempDir()
	run := func(l *lengths) (*evaluate.Report, int) {
		kept, err := evaluate.OpenScores(dir, "lengths, first edition")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = kept.Close() }()
		before := kept.Len()
		return evaluated(t, options(t, l, kept)), before
	}
	first := &lengths{}
	a, _ := run(first)
	again := &lengths{}
	b, kept := run(again)
	// Four documents for two queries, one for the third; the second run scores
	// the same for their durations alone.
	if first.pairs != 9 || kept != 9 || again.pairs != 9 {
		t.Errorf("%d pairs, %d kept, %d pairs again", first.pairs, kept, again.pairs)
	}
	if a.Reranked["ndcg@10"] != b.Reranked["ndcg@10"] || b.Systems[0].Latency.Queries != 3 {
		t.Errorf("%+v and then %+v", a.Systems[0], b.Systems[0])
	}
}

func TestAnEvaluationThatFailedGoesOnWhereItWas(t *testing.T) {
	dir := t.TempDir()
	kept, err := evaluate.OpenScores(dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, &lengths{}, kept)
	broken := errors.New("broken")
	o.FirstStage = failsAt{o.FirstStage, "3", broken}
	if _, err := evaluate.Run(t.Context(), o); !errors.Is(err, broken) || !strings.Contains(err.Error(), "search query 3") {
		t.Errorf("err = %v", err)
	}
	bad := &lengths{err: scorer.ErrOverloaded}
	o = options(t, bad, kept)
	if _, err := evaluate.Run(t.Context(), o); !errors.Is(err, scorer.ErrOverloaded) || !strings.Contains(err.Error(), "rerank with lengths: query 1") {
		t.Errorf("err = %v", err)
	}
	if kept.Len() != 0 {
		t.Errorf("%d scores of a scorer that failed are kept", kept.Len())
	}
	if err := kept.Close(); err != nil {
		t.Error(err)
	}
}

type failsAt struct {
	evaluate.FirstStage
	query string
	err   error
}

func (f failsAt) Search(ctx context.Context, q collection.Query, size int) (relevance.Ranking, error) {
	if q.ID == f.query {
		return nil, f.err
	}
	return f.FirstStage.Search(ctx, q, size)
}

func TestFinishedRunsAreMeasuredBesideTheModels(t *testing.T) {
	o := options(t, nil, nil)
	o.Runs = []evaluate.NamedRun{{Name: "theirs", Run: relevance.Run{"1": {{ID: "longest"}}}}}
	r := evaluated(t, o)
	if s := r.Systems[0]; r.Model != "theirs" || !near(s.Reranked["ndcg@10"], 1./3) || s.Latency != nil || s.Worse != 2 {
		t.Errorf("%+v", s)
	}
	o.Runs = nil
	if r = evaluated(t, o); r.Model != "" || r.Reranked != nil || r.FirstStage["ndcg@10"] == 0 {
		t.Errorf("without a system: %+v", r)
	}
}

func TestAFinishedRunCanBeTheFirstStage(t *testing.T) {
	o := options(t, &lengths{}, nil)
	o.FirstStage = evaluate.Finished{"1": {{ID: "short"}, {ID: "longest"}}}
	if r := evaluated(t, o); !near(r.Reranked["mrr@10"], 1./3) || !near(r.FirstStage["mrr@10"], 0.5/3) {
		t.Errorf("%+v", r)
	}
	o.FirstStage = evaluate.Finished{"1": {{ID: "elsewhere"}}}
	if _, err := evaluate.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), `document "elsewhere" of the first stage is not in the corpus`) {
		t.Errorf("err = %v", err)
	}
}

func TestWhatCannotBeEvaluatedIsRefused(t *testing.T) {
	o := options(t, &lengths{}, nil)
	o.Runs = []evaluate.NamedRun{{Name: "lengths"}, {Name: "oracle"}}
	if _, err := evaluate.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), `"lengths"`) || !strings.Contains(err.Error(), `"oracle"`) {
		t.Errorf("names: err = %v", err)
	}
	o = options(t, &lengths{}, nil)
	o.Queries = nil
	if _, err := evaluate.Run(t.Context(), o); err == nil {
		t.Error("no query is evaluated")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := evaluate.Run(ended, options(t, &lengths{}, nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: err = %v", err)
	}
	if _, err := evaluate.Index(ended, documents, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("indexing after its end: err = %v", err)
	}
}

func TestLatencyIsOfOneQueryAtEachDepth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(t, &lengths{takes: time.Second}, nil)
		o.Queries = o.Queries[:2]
		o.Depths = []int{1, 4}
		s := evaluated(t, o).Systems[0]
		if s.Latency.P50 != 4000 || s.Latency.P95 != 4000 || s.Depths[0].Latency.P50 != 1000 {
			t.Errorf("latency %+v, at depth 1 %+v", s.Latency, s.Depths[0].Latency)
		}
	})
}

func TestTheReportIsWrittenInEveryForm(t *testing.T) {
	o := options(t, &lengths{}, nil)
	o.Runs = []evaluate.NamedRun{{Name: "<theirs & \x1bothers>", Run: relevance.Run{"1": {{ID: "longest", Score: 2}}}}}
	for _, depths := range [][]int{nil, {1, 2, 4}} {
		o.Depths = depths
		r := evaluated(t, o)
		var text, table, plot, run strings.Builder
		if err := errors.Join(r.WriteText(&text), r.WriteCSV(&table), r.WritePlot(&plot), r.WriteRun(&run, "lengths", "tag")); err != nil {
			t.Fatal(err)
		}
		wants := []string{"animals: 5 documents, 3 queries", "its top 4 are reranked", "ndcg@10", "first stage", "lengths", "oracle", "2 better, 0 worse, 1 equal; t test p = 0.", "randomisation p = 0.5000"}
		if depths != nil {
			wants = append(wants, "depth 4 has 90 % of the greatest gain", "latency p50")
		}
		for _, want := range wants {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the text lacks %q:\n%s", want, text.String())
			}
		}
		rows, err := csv.NewReader(strings.NewReader(table.String())).ReadAll()
		if err != nil || len(rows) != 1+3*4 || strings.Join(rows[0], " ") != "query system ndcg@10 mrr@10 judged@1" || strings.Join(rows[2], " ") != "1 lengths 1 1 1" {
			t.Errorf("CSV: err %v, %q", err, rows)
		}
		checkXML(t, plot.String())
		if want := "1 Q0 longest 1 31 tag\n"; !strings.HasPrefix(run.String(), want) {
			t.Errorf("the run begins otherwise than %q:\n%s", want, run.String())
		}
		if err := r.WriteRun(io.Discard, "nobody", "tag"); err == nil {
			t.Error("the run of nobody is written")
		}
		checkJSON(t, r)
	}
}

func checkXML(t *testing.T, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, text)
		}
	}
}

func checkJSON(t *testing.T, r *evaluate.Report) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		FirstStage map[string]float64 `json:"first_stage"`
		Reranked   map[string]float64 `json:"reranked"`
		Oracle     map[string]float64 `json:"oracle"`
		Queries    int                `json:"queries"`
		Depth      int                `json:"depth"`
		Model      string             `json:"model"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.FirstStage["ndcg@10"] == 0 || got.Reranked["ndcg@10"] != 1 || got.Oracle["mrr@10"] != 1 || got.Queries != 3 || got.Depth != 4 || got.Model != "lengths" {
		t.Errorf("%+v out of %s", got, text)
	}
}

func TestACascadeScoresTheBestOfTheFirstModel(t *testing.T) {
	first, second := &lengths{}, &lengths{}
	o := options(t, nil, nil)
	passages := evaluate.Passages(documents)
	cheap, dear := evaluate.NewModel(first, passages, nil), evaluate.NewModel(second, passages, nil)
	o.Rerankers = []evaluate.Named{{Name: "cascade", Reranker: dear.After(cheap, 2)}}
	r := evaluated(t, o)
	// Two queries find four documents, one finds one. Each is scored once more to be timed.
	if first.pairs != 2*(4+4) || second.pairs != 2*(2+2+1) {
		t.Errorf("the first model scored %d passages, the second %d", first.pairs, second.pairs)
	}
	if s := r.Systems[0]; s.Model != "cascade" || !near(s.ScoredShare, 5./9) || r.Reranked["ndcg@10"] != 1 || s.Latency == nil {
		t.Errorf("%+v", s)
	}
	first.err = errors.New("no more")
	if _, err := evaluate.Run(t.Context(), o); !errors.Is(err, first.err) {
		t.Errorf("err = %v, want the first model's", err)
	}
}
