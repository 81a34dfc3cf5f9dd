package bm25_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/rerankd/rerankd/internal/relevance/bm25"
)

func index(t *testing.T, texts ...string) *bm25.Index {
	t.Helper()
	x := bm25.New()
	for i, text := range texts {
		if err := x.Add(fmt.Sprint(i), text); err != nil {
			t.Fatal(err)
		}
	}
	return x
}

func found(x *bm25.Index, query string, size int) string {
	return strings.Join(x.Search(query, size).IDs(), " ")
}

func TestScoresAreLucenes(t *testing.T) {
	x := index(t, "red fox", "red red dog barks", "green cat")
	got := x.Search("red dog", 10)
	// By hand: lengths 2, 4 and 2, 8/3 on average; "red" in two of three documents,
	// "dog" in one.
	idf := func(n float64) float64 { return math.Log(1 + (3-n+0.5)/(n+0.5)) }
	saturation := func(count, length float64) float64 {
		return count / (count + 1.2*(0.25+0.75*length/(8./3)))
	}
	want := []float64{idf(2)*saturation(2, 4) + idf(1)*saturation(1, 4), idf(2) * saturation(1, 2)}
	if found(x, "red dog", 10) != "1 0" {
		t.Fatalf("found %v", got)
	}
	for i := range want {
		if math.Abs(got[i].Score-want[i]) > 1e-12 {
			t.Errorf("score %d is %v, want %v", i, got[i].Score, want[i])
		}
	}
}

func TestEnglishIsAnalysed(t *testing.T) {
	x := index(t, "The runner's shoes", "A film by Her", "Ein Läufer läuft", "version 3.5 of x86")
	for _, tc := range []struct{ query, want string }{
		{"SHOE of a runner", "0"},
		{"her", "1"},
		{"the a of", ""},
		{"LÄUFER", "2"},
		{"3.5", "3"},
		{"", ""},
		{"nowhere", ""},
		{"\xff\x00", ""},
	} {
		if got := found(x, tc.query, 10); got != tc.want {
			t.Errorf("%q finds %q, want %q", tc.query, got, tc.want)
		}
	}
}

func TestEqualScoresStandInTheOrderOfTheCorpus(t *testing.T) {
	x := index(t, "dog", "cat", "dog", "dog", "dog", "dog")
	for size, want := range map[int]string{0: "", 1: "0", 3: "0 2 3", 5: "0 2 3 4 5", 99: "0 2 3 4 5"} {
		if got := found(x, "dog", size); got != want {
			t.Errorf("the best %d are %q, want %q", size, got, want)
		}
	}
}

func TestATermThatStandsTwiceInTheQueryCountsTwice(t *testing.T) {
	x := index(t, "dog", "cat")
	once, twice := x.Search("dog", 1)[0].Score, x.Search("dog dogs", 1)[0].Score
	if math.Abs(twice-2*once) > 1e-12 {
		t.Errorf("once %v, twice %v", once, twice)
	}
}

func TestAnEmptyIndexFindsNothing(t *testing.T) {
	if got := found(index(t), "dog", 10); got != "" {
		t.Errorf("found %q", got)
	}
	if got := found(index(t, "", "the"), "dog the", 10); got != "" {
		t.Errorf("found %q among documents without terms", got)
	}
}

func TestSearchesMayRunAtTheSameTime(t *testing.T) {
	x := index(t, "red fox", "red dog", "cat")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got := found(x, "red dogs", 10); got != "1 0" {
				t.Errorf("found %q", got)
			}
		})
	}
	all.Wait()
}
