package relevance_test

import (
	"math"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/internal/relevance"
)

func ranking(ids ...string) relevance.Ranking {
	r := relevance.Ranking{}
	for i, id := range ids {
		r = append(r, relevance.Hit{ID: id, Score: float64(-i)})
	}
	return r
}

func measure(t *testing.T, text string) relevance.Measure {
	t.Helper()
	m, err := relevance.ParseMeasure(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMeasuresByHand(t *testing.T) {
	grades := map[string]int{"good": 2, "fair": 1, "bad": 0, "spam": -2}
	second := 1 / math.Log2(3)
	for _, tc := range []struct {
		measure string
		answer  relevance.Ranking
		want    float64
	}{
		{"ndcg@10", ranking("good", "fair"), 1},
		{"ndcg@10", ranking("fair", "good"), (1 + 2*second) / (2 + second)},
		{"ndcg@1", ranking("fair", "good"), 0.5},
		{"ndcg@10", ranking("spam", "good"), 2 * second / (2 + second)},
		{"ndcg@10", ranking("unseen"), 0},
		{"ndcg_exp@10", ranking("fair", "good"), (1 + 3*second) / (3 + second)},
		{"mrr@10", ranking("bad", "unseen", "fair"), 1. / 3},
		{"mrr@2", ranking("bad", "unseen", "fair"), 0},
		{"map@10", ranking("good", "bad", "fair"), (1 + 2./3) / 2},
		{"map@1", ranking("good", "fair"), 0.5},
		{"p@10", ranking("good"), 0.1},
		{"p@1", ranking("good", "bad"), 1},
		{"r@10", ranking("bad", "fair"), 0.5},
		{"r@1", ranking("bad", "fair"), 0},
		{"err@10", ranking("good", "fair"), 3./16 + 13./16*1./16/2},
		{"err@10", ranking("spam", "bad"), 0},
		{"judged@10", ranking("spam", "unseen", "good", "bad"), 0.75},
		{"judged@2", ranking("spam", "unseen", "good", "bad"), 0.5},
	} {
		m := measure(t, tc.measure)
		if got := m.Of(tc.answer, grades); math.Abs(got-tc.want) > 1e-12 {
			t.Errorf("%s of %v is %v, want %v", m, tc.answer.IDs(), got, tc.want)
		}
		for _, empty := range []relevance.Ranking{nil, {}} {
			if got := m.Of(empty, grades); got != 0 {
				t.Errorf("%s of no answer is %v", m, got)
			}
		}
		if got := m.Of(tc.answer, nil); got != 0 {
			t.Errorf("%s without judgements is %v", m, got)
		}
	}
}

func TestGradesAboveFourCountAsFourInERR(t *testing.T) {
	m := measure(t, "err@10")
	want := m.Of(ranking("a"), map[string]int{"a": 4})
	if got := m.Of(ranking("a"), map[string]int{"a": 100}); got != want || want != 15./16 {
		t.Errorf("grade 100 gives %v and grade 4 gives %v, want 15/16", got, want)
	}
}

func TestMeasuresAreReadAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{"ndcg@10", "ndcg_exp@3", "mrr@10", "map@100", "p@1", "r@1000000", "err@20", "judged@10"} {
		if got := measure(t, text).String(); got != text {
			t.Errorf("%s is read as %s", text, got)
		}
	}
	for _, text := range []string{"", "ndcg", "@10", "ndcg@", "ndcg@0", "ndcg@-1", "ndcg@1000001", "ndcg@ten", "nDCG@10", "dcg@10"} {
		if _, err := relevance.ParseMeasure(text); err == nil || !strings.Contains(err.Error(), "parse measure") {
			t.Errorf("%q: err = %v", text, err)
		}
	}
}

func TestAQueryWithoutAnAnswerCountsAsZero(t *testing.T) {
	qrels := relevance.Qrels{}
	qrels.Add("1", "a", 1)
	qrels.Add("2", "a", 1)
	got := measure(t, "ndcg@10").Each(relevance.Run{"1": ranking("a")}, qrels, []string{"1", "2"})
	if got[0] != 1 || got[1] != 0 || relevance.Mean(got) != 0.5 {
		t.Errorf("values %v", got)
	}
	if relevance.Mean(nil) != 0 {
		t.Error("the mean of nothing is not 0")
	}
}

func TestTheOracleIsTheBestOrderOfTheTop(t *testing.T) {
	first := ranking("bad", "x", "fair", "fair2", "good")
	grades := map[string]int{"bad": 0, "fair": 1, "fair2": 1, "good": 2, "x": -1}
	for _, tc := range []struct {
		depth int
		want  string
	}{
		{0, "bad x fair fair2 good"},
		{3, "fair bad x fair2 good"},
		{5, "good fair fair2 bad x"},
		{99, "good fair fair2 bad x"},
	} {
		if got := strings.Join(first.Oracle(tc.depth, grades).IDs(), " "); got != tc.want {
			t.Errorf("depth %d: %s, want %s", tc.depth, got, tc.want)
		}
	}
}

func TestRerankingOrdersTheTopAndKeepsTheRest(t *testing.T) {
	first := ranking("a", "b", "c", "d", "e")
	got := first.Rerank([]float32{1, 3, 1, 3})
	if want := "b d a c e"; strings.Join(got.IDs(), " ") != want {
		t.Errorf("%v, want %s", got.IDs(), want)
	}
	if got[0].Score != 3 || got[3].Score != 1 || first[0].Score != 0 {
		t.Errorf("scores %v, and before %v", got, first)
	}
}

func TestTiedScoresAreTakenApartAndOthersKept(t *testing.T) {
	in := relevance.Ranking{{ID: "a", Score: 2}, {ID: "b", Score: 2}, {ID: "c", Score: 5}, {ID: "d", Score: 1}, {ID: "e", Score: math.NaN()}}
	out := in.WithoutTies()
	for i := 1; i < len(out); i++ {
		if !(float32(out[i].Score) < float32(out[i-1].Score)) {
			t.Errorf("score %d does not fall: %v", i, out)
		}
	}
	if out[0].Score != 2 || out[3].Score != 1 || in[1].Score != 2 {
		t.Errorf("%v out of %v", out, in)
	}
	if first := (relevance.Ranking{{ID: "a", Score: math.NaN()}}).WithoutTies(); math.IsNaN(first[0].Score) {
		t.Error("a score that is no number is kept")
	}
}
