package relevance_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/internal/relevance"
)

// vectors is testdata/reference/vectors.json, written by make.py beside it out
// of trec_eval, gdeval, ir_measures, scipy and rbo.
type vectors struct {
	Qrels  relevance.Qrels
	Run    map[string]map[string]float64
	Values map[string]map[string]float64 // query → measure → value
	Tests  []struct {
		A, B          []float64
		T, P          float64
		Randomisation *float64
	}
	Pairs []struct {
		A, B              []string
		Shared            int
		Tau, Jaccard, RBO float64
	}
}

func loadVectors(t *testing.T) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/reference/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Values) == 0 || len(v.Tests) == 0 || len(v.Pairs) == 0 {
		t.Fatal("the vectors are empty")
	}
	return v
}

func run(scores map[string]map[string]float64) relevance.Run {
	r := relevance.Run{}
	for query, of := range scores {
		for id, score := range of {
			r[query] = append(r[query], relevance.Hit{ID: id, Score: score})
		}
		r[query].SortTREC()
	}
	return r
}

func TestMeasuresEqualThoseOfTheReferencePrograms(t *testing.T) {
	v := loadVectors(t)
	r := run(v.Run)
	checked := map[string]int{}
	for query, values := range v.Values {
		for name, want := range values {
			m, err := relevance.ParseMeasure(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Each(r, v.Qrels, []string{query})[0]; math.Abs(got-want) > 1e-9 {
				t.Errorf("%s of query %s is %v, want %v", name, query, got, want)
			}
			kind, _, _ := strings.Cut(name, "@")
			checked[kind]++
		}
	}
	for _, kind := range []string{"ndcg", "ndcg_exp", "mrr", "map", "p", "r", "err", "judged"} {
		if checked[kind] == 0 {
			t.Errorf("no vector for %s", kind)
		}
	}
}

// Programs that sort by themselves must see the order that we meant.
func TestScoresWithoutTiesKeepTheOrderUnderTRECSorting(t *testing.T) {
	for query, of := range loadVectors(t).Run {
		var ranking relevance.Ranking
		for id, score := range of {
			ranking = append(ranking, relevance.Hit{ID: id, Score: score})
		}
		ranking.SortTREC()
		for i, j := 0, len(ranking)-1; i < j; i, j = i+1, j-1 { // the worst order there is
			ranking[i], ranking[j] = ranking[j], ranking[i]
		}
		sorted := ranking.WithoutTies()
		sorted.SortTREC()
		for i := range ranking {
			if sorted[i].ID != ranking[i].ID {
				t.Fatalf("query %s: place %d has %s, want %s", query, i, sorted[i].ID, ranking[i].ID)
			}
		}
	}
}

func TestSignificanceEqualsThatOfSciPy(t *testing.T) {
	exact := 0
	for i, c := range loadVectors(t).Tests {
		got := relevance.PairedT(c.A, c.B)
		if math.Abs(got.T-c.T) > 1e-9*math.Abs(c.T) || math.Abs(got.P-c.P) > 1e-9 || got.Freedom != len(c.A)-1 {
			t.Errorf("t test %d: %+v, want T %v and P %v", i, got, c.T, c.P)
		}
		if c.Randomisation == nil {
			// Drawn, it must come near the t test, whose assumptions hold here.
			if p := relevance.Randomisation(c.A, c.B, 20_000, 1); math.Abs(p-c.P) > 0.02 {
				t.Errorf("randomisation test %d: P %v, want near %v", i, p, c.P)
			}
			continue
		}
		exact++
		if p := relevance.Randomisation(c.A, c.B, 1<<12, 1); math.Abs(p-*c.Randomisation) > 1e-9 {
			t.Errorf("randomisation test %d: P %v, want %v", i, p, *c.Randomisation)
		}
	}
	if exact == 0 {
		t.Error("no test was counted out")
	}
}

func TestAgreementEqualsThatOfTheReferencePrograms(t *testing.T) {
	const near = 1e-9
	for i, c := range loadVectors(t).Pairs {
		for _, got := range []float64{relevance.RBO(c.A, c.B, 0.9), relevance.RBO(c.B, c.A, 0.9)} {
			if math.Abs(got-c.RBO) > near {
				t.Errorf("pair %d: RBO %v, want %v", i, got, c.RBO)
			}
		}
		if got := relevance.Jaccard(c.A, c.B); math.Abs(got-c.Jaccard) > near {
			t.Errorf("pair %d: Jaccard %v, want %v", i, got, c.Jaccard)
		}
		if tau, shared := relevance.KendallTau(c.A, c.B); math.Abs(tau-c.Tau) > near || shared != c.Shared {
			t.Errorf("pair %d: tau %v of %d, want %v of %d", i, tau, shared, c.Tau, c.Shared)
		}
	}
}
