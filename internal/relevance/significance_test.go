package relevance_test

import (
	"math"
	"testing"

	"github.com/rerankd/rerankd/internal/relevance"
)

func TestNoDifferenceIsNotSignificant(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b []float64
	}{
		{"nothing", nil, nil},
		{"one equal pair", []float64{1}, []float64{1}},
		{"equal pairs", []float64{1, 2, 3}, []float64{1, 2, 3}},
		{"differences that cancel", []float64{0, 1, 0, 1}, []float64{1, 0, 1, 0}},
	} {
		if got := relevance.PairedT(tc.a, tc.b); got.T != 0 || got.P != 1 {
			t.Errorf("%s: t test %+v", tc.name, got)
		}
		if got := relevance.Randomisation(tc.a, tc.b, 1000, 1); got != 1 {
			t.Errorf("%s: randomisation %v", tc.name, got)
		}
	}
}

func TestTheSameDifferenceEverywhereIsNoChance(t *testing.T) {
	a, b := []float64{0, 0, 0, 0}, []float64{1, 1, 1, 1}
	if got := relevance.PairedT(b, a); got.P != 0 || !math.IsInf(got.T, -1) {
		t.Errorf("t test %+v", got)
	}
	if got := relevance.Randomisation(a, b, 16, 1); got != 2./16 {
		t.Errorf("randomisation %v, want 2 of 16 assignments", got)
	}
}

func TestOnePairProvesNothing(t *testing.T) {
	if got := relevance.PairedT([]float64{0}, []float64{1}); got.P != 1 || got.Freedom != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheSeedFixesTheRandomisation(t *testing.T) {
	a, b := make([]float64, 100), make([]float64, 100)
	for i := range b {
		b[i] = math.Sin(float64(i))/4 + 0.02
	}
	one := relevance.Randomisation(a, b, 500, 7)
	if again := relevance.Randomisation(a, b, 500, 7); again != one {
		t.Errorf("%v and then %v", one, again)
	}
	if one <= 0 || one > 1 {
		t.Errorf("P is %v", one)
	}
}

func TestPairsOfDifferentLengthsPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it did not panic")
		}
	}()
	relevance.PairedT([]float64{1}, nil)
}

func TestAgreementAtItsEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b relevance.Ranking
		want relevance.Agreement
	}{
		{"both empty", nil, nil, relevance.Agreement{RBO: 1, Jaccard: 1}},
		{"one empty", ranking("a"), nil, relevance.Agreement{}},
		{"the same", ranking("a", "b", "c"), ranking("a", "b", "c"), relevance.Agreement{RBO: 1, Jaccard: 1, Tau: 1}},
		{"apart", ranking("a", "b"), ranking("c", "d"), relevance.Agreement{}},
		{"apart below the depth", ranking("a", "b", "x"), ranking("a", "b", "y"), relevance.Agreement{RBO: 1, Jaccard: 1, Tau: 1}},
	} {
		got := relevance.Compare(tc.a, tc.b, 2)
		if math.Abs(got.RBO-tc.want.RBO) > 1e-12 || got.Jaccard != tc.want.Jaccard || got.Tau != tc.want.Tau {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
	if got := relevance.Compare(ranking("a", "b", "c"), ranking("c", "b", "a"), 3); got.Tau != -1 || got.Jaccard != 1 {
		t.Errorf("reversed: %+v", got)
	}
}
