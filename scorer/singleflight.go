package scorer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
)

// SingleFlight scores a pair of query and passage once, however many calls and
// however many places in a call ask for it at the same time.
//
// A call leads the pairs that nobody is scoring yet and follows those that
// another call leads. When a leader fails, be it that its caller hung up, its
// followers score for themselves under their own context; they never inherit its
// error. A call scores what it leads before it waits, so two calls that follow
// each other can't wait for each other. It is safe for concurrent use.
type SingleFlight struct {
	inner Scorer

	mu     sync.Mutex
	flying map[pairKey]*flight // guarded by mu
}

var _ Scorer = (*SingleFlight)(nil)

// pairKey is a digest, so that no text is kept.
type pairKey [sha256.Size]byte

// flight is a pair being scored. score and ok are set before done is closed.
type flight struct {
	done  chan struct{}
	score float32
	ok    bool
}

// NewSingleFlight joins equal work on its way to inner.
func NewSingleFlight(inner Scorer) *SingleFlight {
	return &SingleFlight{inner: inner, flying: make(map[pairKey]*flight)}
}

// Score returns the scores in passage order. The passages that are left to
// inner keep their order.
func (s *SingleFlight) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	distinct, place := distinctPassages(passages)
	StatsFrom(ctx).Duplicates.Add(int64(len(passages) - len(distinct)))
	scores, err := s.scoreDistinct(ctx, query, distinct)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(passages))
	for i, at := range place {
		out[i] = scores[at]
	}
	return out, nil
}

// distinctPassages lists each passage once, in order of first occurrence, and
// for each of the passages where in that list it stands.
func distinctPassages(passages []string) (distinct []string, place []int) {
	distinct = make([]string, 0, len(passages))
	place = make([]int, len(passages))
	seen := make(map[string]int, len(passages))
	for i, p := range passages {
		at, ok := seen[p]
		if !ok {
			at = len(distinct)
			seen[p] = at
			distinct = append(distinct, p)
		}
		place[i] = at
	}
	return distinct, place
}

func (s *SingleFlight) scoreDistinct(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores := make([]float32, len(passages))
	led, followed := s.board(query, passages)
	if err := s.lead(ctx, query, passages, led, scores); err != nil {
		return nil, err
	}
	StatsFrom(ctx).Shared.Add(int64(len(followed)))
	var orphans []int
	for _, p := range followed {
		select {
		case <-p.flight.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a score in flight: %w", ctx.Err())
		}
		if p.flight.ok {
			scores[p.index] = p.flight.score
		} else {
			orphans = append(orphans, p.index)
		}
	}
	if len(orphans) == 0 {
		return scores, nil
	}
	// The leader failed. Its pairs are scored here without joining anyone: one
	// round at most, whatever others do.
	own, err := s.inner.Score(ctx, query, pick(passages, orphans))
	if err != nil {
		return nil, err
	}
	if len(own) != len(orphans) {
		return nil, fmt.Errorf("%w: %d scores for %d passages", ErrScores, len(own), len(orphans))
	}
	for i, at := range orphans {
		scores[at] = own[i]
	}
	return scores, nil
}

// pair is one passage of a call and its flight.
type pair struct {
	index  int
	key    pairKey
	flight *flight
}

// board registers the pairs that nobody scores yet as led by this call, and finds
// those to follow.
func (s *SingleFlight) board(query string, passages []string) (led, followed []pair) {
	keys := make([]pairKey, len(passages))
	for i, p := range passages {
		keys[i] = digest(query, p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, key := range keys {
		if f, ok := s.flying[key]; ok {
			followed = append(followed, pair{i, key, f})
			continue
		}
		f := &flight{done: make(chan struct{})}
		s.flying[key] = f
		led = append(led, pair{i, key, f})
	}
	return led, followed
}

// lead scores the pairs that this call leads and lands their flights, also when
// inner fails or panics.
func (s *SingleFlight) lead(ctx context.Context, query string, passages []string, led []pair, scores []float32) (err error) {
	if len(led) == 0 {
		return nil
	}
	var own []float32
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, p := range led {
			if len(own) == len(led) {
				p.flight.score, p.flight.ok = own[i], true
			}
			delete(s.flying, p.key)
			close(p.flight.done)
		}
	}()
	indexes := make([]int, len(led))
	for i, p := range led {
		indexes[i] = p.index
	}
	result, err := s.inner.Score(ctx, query, pick(passages, indexes))
	if err != nil {
		return err
	}
	if len(result) != len(led) {
		return fmt.Errorf("%w: %d scores for %d passages", ErrScores, len(result), len(led))
	}
	own = result
	for i, p := range led {
		scores[p.index] = own[i]
	}
	return nil
}

func pick(passages []string, indexes []int) []string {
	out := make([]string, len(indexes))
	for i, at := range indexes {
		out[i] = passages[at]
	}
	return out
}

// digest frames the query by its length, so that no two pairs share an input.
func digest(query, passage string) (key pairKey) {
	h := sha256.New()
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(query)))
	h.Write(size[:])
	h.Write([]byte(query))
	h.Write([]byte(passage))
	h.Sum(key[:0])
	return key
}
