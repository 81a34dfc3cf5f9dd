package cache_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/overlap"
	"github.com/rerankd/rerankd/scorer/scorertest"
)

// model scores by length and keeps what it was asked.
type model struct {
	asked [][]string
	give  func([]string) ([]float32, error)
}

func (m *model) Score(_ context.Context, _ string, passages []string) ([]float32, error) {
	m.asked = append(m.asked, slices.Clone(passages))
	if m.give != nil {
		return m.give(passages)
	}
	scores := make([]float32, len(passages))
	for i, p := range passages {
		scores[i] = float32(len(p))
	}
	return scores, nil
}

func TestContract(t *testing.T) {
	scorertest.Run(t, scorertest.Options{}, func(tb testing.TB) scorer.Scorer {
		tb.Helper()
		return cache.NewScorer(overlap.Words{}, "words", open(tb, 1<<20))
	})
}

func TestTheModelIsAskedForDistinctMissesOnly(t *testing.T) {
	store, m := open(t, 1<<20), &model{}
	s := cache.NewScorer(m, "m", store)
	for _, tc := range []struct {
		passages, asked []string
		hits, misses    int64
	}{
		{[]string{"aa", "b", "aa"}, []string{"aa", "b"}, 0, 3},
		{[]string{"aa", "b", "aa"}, nil, 3, 0},
		{[]string{"b", "ccc"}, []string{"ccc"}, 1, 1},
		{[]string{""}, []string{""}, 0, 1},
	} {
		m.asked = nil
		var stats scorer.Stats
		got, err := s.Score(scorer.WithStats(t.Context(), &stats), "q", tc.passages)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range tc.passages {
			if got[i] != float32(len(p)) {
				t.Errorf("%q: scores %v", tc.passages, got)
			}
		}
		if asked := slices.Concat(m.asked...); !slices.Equal(asked, tc.asked) || len(m.asked) > 1 {
			t.Errorf("%q: the model was asked %q, want %q", tc.passages, m.asked, tc.asked)
		}
		if stats.CacheHits.Load() != tc.hits || stats.CacheMisses.Load() != tc.misses {
			t.Errorf("%q: %d hits and %d misses, want %d and %d", tc.passages, stats.CacheHits.Load(), stats.CacheMisses.Load(), tc.hits, tc.misses)
		}
		store.Settle()
	}
}

func TestWhateverMakesAScoreIsInTheKey(t *testing.T) {
	store, m := open(t, 1<<20), &model{}
	// Pairs whose parts join to the same bytes.
	for i, tc := range []struct{ fingerprint, query, passage string }{
		{"m", "q", "p"}, {"n", "q", "p"}, {"m", "qp", ""}, {"m", "", "qp"}, {"mq", "", "p"}, {"", "mq", "p"}, {"m", "q", "p\x00"},
	} {
		if _, err := cache.NewScorer(m, tc.fingerprint, store).Score(t.Context(), tc.query, []string{tc.passage}); err != nil {
			t.Fatal(err)
		}
		store.Settle()
		if len(m.asked) != i+1 {
			t.Errorf("%q was answered with the score of another pair", tc)
		}
	}
}

func TestFailuresAndUnusableScoresAreNotKept(t *testing.T) {
	store, boom := open(t, 1<<20), errors.New("boom")
	m := &model{give: func([]string) ([]float32, error) { return nil, boom }}
	s := cache.NewScorer(m, "m", store)
	if got, err := s.Score(t.Context(), "q", []string{"a"}); !errors.Is(err, boom) || got != nil {
		t.Errorf("got %v, %v, want the model's error", got, err)
	}
	m.give = func([]string) ([]float32, error) { return []float32{1, 2}, nil }
	if _, err := s.Score(t.Context(), "q", []string{"a"}); !errors.Is(err, scorer.ErrScores) {
		t.Errorf("got %v, want ErrScores", err)
	}
	m.give = func([]string) ([]float32, error) { return []float32{float32(math.NaN())}, nil }
	if _, err := s.Score(t.Context(), "q", []string{"a"}); err != nil {
		t.Error(err)
	}
	store.Settle()
	if got := store.Stats().Entries; got != 0 {
		t.Errorf("%d scores kept, want none", got)
	}
}

func BenchmarkThirtyCachedPassages(b *testing.B) {
	store := open(b, 1<<20)
	s := cache.NewScorer(&model{}, "m", store)
	passages := make([]string, 30)
	for i := range passages {
		passages[i] = string(slices.Repeat([]byte{byte('a' + i)}, 600))
	}
	for range 2 {
		if _, err := s.Score(b.Context(), "a query", passages); err != nil {
			b.Fatal(err)
		}
		store.Settle()
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Score(b.Context(), "a query", passages); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWhatWasScoredBeforeTheTimeEndedIsKeptAndTold(t *testing.T) {
	store := open(t, 1<<20)
	ctx, cancel := context.WithCancel(t.Context())
	m := &model{}
	s := cache.NewScorer(m, "m", store)
	if _, err := s.Score(ctx, "q", []string{"known"}); err != nil {
		t.Fatal(err)
	}
	store.Settle()
	m.give = func(p []string) ([]float32, error) {
		cancel()
		return nil, scorer.Partial(make([]float32, len(p)), append([]bool{true}, make([]bool, len(p)-1)...), context.Canceled)
	}
	_, err := s.Score(ctx, "q", []string{"b", "known", "aa", "b"})
	got, ok := scorer.PartialOf(err, 4)
	if !ok || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want a partial error", err)
	}
	if want := []bool{true, true, false, true}; !slices.Equal(got.Scored, want) || !slices.Equal(got.Scores, []float32{0, 5, 0, 0}) {
		t.Errorf("scores %v of %v, want %v", got.Scores, got.Scored, want)
	}
	store.Settle()
	m.asked, m.give = nil, nil
	if _, err := s.Score(t.Context(), "q", []string{"b", "aa"}); err != nil || len(m.asked) != 1 || !slices.Equal(m.asked[0], []string{"aa"}) {
		t.Errorf("%v, asked %q, want only for what was not scored", err, m.asked)
	}
}

// The time may end before the model is asked at all, in a queue.
func TestWhatTheStoreHasIsToldWhenTheModelHadNoTime(t *testing.T) {
	store, m := open(t, 1<<20), &model{}
	s := cache.NewScorer(m, "m", store)
	if _, err := s.Score(t.Context(), "q", []string{"known"}); err != nil {
		t.Fatal(err)
	}
	store.Settle()
	ctx, cancel := context.WithCancel(t.Context())
	m.give = func([]string) ([]float32, error) {
		cancel()
		return nil, context.Canceled
	}
	_, err := s.Score(ctx, "q", []string{"new", "known"})
	if got, ok := scorer.PartialOf(err, 2); !ok || !slices.Equal(got.Scored, []bool{false, true}) || got.Scores[1] != 5 {
		t.Errorf("got %v, want the score of the known passage", err)
	}
	boom := errors.New("boom")
	m.give = func([]string) ([]float32, error) { return nil, boom }
	if _, err := s.Score(t.Context(), "q", []string{"new", "known"}); err != boom { //nolint:errorlint // the very same
		t.Errorf("a failing model: %v, want its own error", err)
	}
}

// However many passages there are, a long query is read once.
func TestALongQueryIsDigestedOnce(t *testing.T) {
	s := cache.NewScorer(&model{}, "m", open(t, 1<<20))
	passages := make([]string, 200)
	for i := range passages {
		passages[i] = strconv.Itoa(i)
	}
	query := strings.Repeat("x", 1<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := s.Score(t.Context(), query, passages); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
		t.Errorf("%d bytes were taken for a query of %d", took, len(query))
	}
}
