package scorer

import (
	"context"
	"crypto/sha256"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// count scores each call by its number, or fails.
type count struct {
	calls int
	give  func(passages []string) ([]float32, error)
}

func (c *count) Score(_ context.Context, _ string, passages []string) ([]float32, error) {
	c.calls++
	return c.give(passages)
}

// A flight that has failed and never leaves stands for leaders that fail one
// after the other, each of which boarded before the follower looked again.
func TestACallThatAlwaysMeetsAFailingLeaderScoresAlone(t *testing.T) {
	boom := errors.New("boom")
	for _, tc := range []struct {
		name string
		give func([]string) ([]float32, error)
		want error
	}{
		{"well", func(p []string) ([]float32, error) { return make([]float32, len(p)), nil }, nil},
		{"in vain", func([]string) ([]float32, error) { return nil, boom }, boom},
		{"with a wrong number of scores", func([]string) ([]float32, error) { return nil, nil }, ErrScores},
	} {
		t.Run(tc.name, func(t *testing.T) {
			model := &count{give: tc.give}
			s := NewSingleFlight(model)
			failed := &flight{done: make(chan struct{})}
			close(failed.done)
			s.flying[digest(sha256.Sum256([]byte("q")), "a")] = failed
			scores, err := s.Score(t.Context(), "q", []string{"a"})
			if !errors.Is(err, tc.want) || tc.want == nil && len(scores) != 1 || tc.want != nil && scores != nil {
				t.Errorf("got %v, %v, want %v", scores, err, tc.want)
			}
			if model.calls != 1 || len(s.flying) != 1 {
				t.Errorf("asked %d times with %d flights left, want once and the one that was there", model.calls, len(s.flying))
			}
		})
	}
}

// However many passages there are, a long query is read once.
func TestALongQueryIsDigestedOnce(t *testing.T) {
	passages := make([]string, 200)
	for i := range passages {
		passages[i] = strconv.Itoa(i)
	}
	s := NewSingleFlight(&count{give: func(p []string) ([]float32, error) { return make([]float32, len(p)), nil }})
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
