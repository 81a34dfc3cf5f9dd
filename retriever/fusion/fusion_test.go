package fusion_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever/fusion"
)

var nan = float32(math.NaN())

// reference is one case of testdata/fusion.json, which testdata/fusion.py wrote.
// A score of null is none.
type reference struct {
	Lists       [][][2]*float64
	Weights     []float32
	Constant    int
	Normalizers []fusion.Normalizer
	RRF, Linear [][2]float64
}

func (r reference) lists() []fusion.List {
	lists := make([]fusion.List, len(r.Lists))
	for i, list := range r.Lists {
		for _, hit := range list {
			score := nan
			if hit[1] != nil {
				score = float32(*hit[1])
			}
			lists[i] = append(lists[i], fusion.Hit{Doc: int(*hit[0]), Score: score})
		}
	}
	return lists
}

func TestFusedScoresEqualTheIndependentReference(t *testing.T) {
	data, err := os.ReadFile("testdata/fusion.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []reference
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 80 {
		t.Fatalf("%d cases, want at least 80", len(cases))
	}
	for i, c := range cases {
		compare(t, i, "rrf", fusion.RRF(c.lists(), c.Weights, c.Constant), c.RRF)
		compare(t, i, "linear", fusion.Linear(c.lists(), c.Weights, c.Normalizers), c.Linear)
	}
}

// compare wants the same scores to 1e-6 and an order that the reference has but
// for scores that are as near to each other.
func compare(t *testing.T, i int, name string, got fusion.List, want [][2]float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("case %d, %s: %d documents, want %d", i, name, len(got), len(want))
	}
	scores := map[int]float64{}
	for _, hit := range want {
		scores[int(hit[0])] = hit[1]
	}
	near := func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(1, math.Abs(b)) }
	for place, hit := range got {
		score, ok := scores[hit.Doc]
		if !ok || !near(float64(hit.Score), score) {
			t.Errorf("case %d, %s: document %d scores %v, want %v", i, name, hit.Doc, hit.Score, score)
		}
		if there := want[place]; int(there[0]) != hit.Doc && !near(there[1], score) {
			t.Errorf("case %d, %s: document %d at place %d, want %v", i, name, hit.Doc, place, there[0])
		}
	}
}

func TestEqualScoresAreOrderedByDocument(t *testing.T) {
	got := fusion.RRF([]fusion.List{{{Doc: 7, Score: 2}, {Doc: 3, Score: 1}}, {{Doc: 3, Score: 5}, {Doc: 7, Score: 4}}}, []float32{1, 1}, 60)
	score := float32(1)/61 + float32(1)/62
	if d := cmp.Diff(fusion.List{{Doc: 3, Score: score}, {Doc: 7, Score: score}}, got); d != "" {
		t.Error(d)
	}
}

func TestNormalizersHaveTheOriginalsEdges(t *testing.T) {
	for _, tc := range []struct {
		name   string
		by     fusion.Normalizer
		scores []float32
		want   []float32
	}{
		{"the least is 0 and the greatest 1", fusion.MinMax, []float32{3, 2, 1}, []float32{1, 0.5, 0}},
		{"one score becomes 1", fusion.MinMax, []float32{0.25}, []float32{1}},
		{"equal scores become 1", fusion.MinMax, []float32{4, 4}, []float32{1, 1}},
		{"scores within 1e-6 become 1", fusion.MinMax, []float32{5e-7, 0}, []float32{1, 1}},
		{"negative scores are measured from zero", fusion.MinMax, []float32{-1, -2}, []float32{0.5, 0}},
		{"no scores stay none", fusion.MinMax, []float32{nan, nan}, []float32{nan, nan}},
		{"a missing score stays missing", fusion.MinMax, []float32{nan, 2, 1}, []float32{nan, 1, 0}},
		{"the norm is 1", fusion.L2Norm, []float32{4, 3}, []float32{0.8, 0.6}},
		{"a norm below 1e-6 is left", fusion.L2Norm, []float32{5e-7, 0}, []float32{5e-7, 0}},
		{"a missing score is not in the norm", fusion.L2Norm, []float32{nan, 2}, []float32{nan, 1}},
		{"none leaves them", fusion.None, []float32{4, -3}, []float32{4, -3}},
		{"an empty list", fusion.MinMax, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var list, want fusion.List
			for i := range tc.scores {
				list = append(list, fusion.Hit{Doc: i, Score: tc.scores[i]})
				want = append(want, fusion.Hit{Doc: i, Score: tc.want[i]})
			}
			same := cmp.Comparer(func(a, b float32) bool { return a == b || a != a && b != b })
			if d := cmp.Diff(want, tc.by.Apply(list), same); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAMissingScoreCountsAsZero(t *testing.T) {
	got := fusion.Linear([]fusion.List{{{Doc: 1, Score: nan}}, {{Doc: 1, Score: 2}, {Doc: 0, Score: 1}}}, []float32{5, 1}, []fusion.Normalizer{fusion.None, fusion.None})
	if d := cmp.Diff(fusion.List{{Doc: 1, Score: 2}, {Doc: 0, Score: 1}}, got); d != "" {
		t.Error(d)
	}
}

func TestCutsKeepTheOrder(t *testing.T) {
	l := fusion.List{{Doc: 2, Score: 3}, {Doc: 0, Score: 2}, {Doc: 1, Score: 1}}
	if d := cmp.Diff(l[:2], l.Above(2)); d != "" {
		t.Error(d)
	}
	if len(l.Top(2)) != 2 || len(l.Top(9)) != 3 || len(l.Top(-1)) != 0 {
		t.Errorf("%v, %v, %v", l.Top(2), l.Top(9), l.Top(-1))
	}
}
