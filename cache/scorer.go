package cache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/rerankd/rerankd/scorer"
)

// Scorer asks the store for each pair and a scorer behind it for the misses.
// It is safe for concurrent use.
type Scorer struct {
	inner       scorer.Scorer
	fingerprint string
	store       *Store
}

var _ scorer.Scorer = (*Scorer)(nil)

// NewScorer puts the store before inner. The fingerprint names everything that
// makes inner's scores what they are: weights, tokenizer, limits, precision.
// Scorers with different fingerprints share a store without sharing scores.
func NewScorer(inner scorer.Scorer, fingerprint string, store *Store) *Scorer {
	return &Scorer{inner: inner, fingerprint: fingerprint, store: store}
}

// Score returns the scores in passage order. inner is asked at most once, for
// the distinct passages that the store doesn't have, in the order they stand.
func (s *Scorer) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	scores := make([]float32, len(passages))
	missing := s.lookUp(ctx, query, passages, scores)
	if len(missing.passages) == 0 {
		return scores, nil
	}
	fresh, err := s.inner.Score(ctx, query, missing.passages)
	if err != nil {
		return nil, err
	}
	if len(fresh) != len(missing.passages) {
		return nil, fmt.Errorf("%w: %d scores for %d passages", scorer.ErrScores, len(fresh), len(missing.passages))
	}
	for i, score := range fresh {
		if f := float64(score); !math.IsNaN(f) && !math.IsInf(f, 0) {
			s.store.Set(missing.keys[i], score)
		}
	}
	for at, i := range missing.places {
		scores[at] = fresh[i]
	}
	return scores, nil
}

// misses are the distinct passages to score and where their scores go.
type misses struct {
	passages []string
	keys     []Key
	places   map[int]int // place in the call → index in passages
}

// lookUp fills in the scores that the store has.
func (s *Scorer) lookUp(ctx context.Context, query string, passages []string, scores []float32) misses {
	var m misses
	var hits int64
	prefix := s.prefix(query)
	first := make(map[Key]int)
	for at, passage := range passages {
		key := Key(sha256.Sum256(append(prefix, passage...)))
		if score, ok := s.store.Get(key); ok {
			scores[at] = score
			hits++
			continue
		}
		i, seen := first[key]
		if !seen {
			i = len(m.passages)
			first[key] = i
			m.passages, m.keys = append(m.passages, passage), append(m.keys, key)
		}
		if m.places == nil {
			m.places = make(map[int]int)
		}
		m.places[at] = i
	}
	stats := scorer.StatsFrom(ctx)
	stats.CacheHits.Add(hits)
	stats.CacheMisses.Add(int64(len(passages)) - hits)
	return m
}

// prefix is what every key of a query begins with: fingerprint and query, each
// led by its length, so that no two sets of inputs have the same bytes. Its
// capacity is its length, so that appending copies.
func (s *Scorer) prefix(query string) []byte {
	out := make([]byte, 0, 16+len(s.fingerprint)+len(query))
	out = binary.LittleEndian.AppendUint64(out, uint64(len(s.fingerprint)))
	out = append(out, s.fingerprint...)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(query)))
	return append(out, query...)
}
