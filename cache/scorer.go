package cache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
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
// What inner scored before the call's time ended is kept, and is in the error
// with what the store had.
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
		return nil, s.cutShort(ctx, missing, scores, err)
	}
	if len(fresh) != len(missing.passages) {
		return nil, fmt.Errorf("%w: %d scores for %d passages", scorer.ErrScores, len(fresh), len(missing.passages))
	}
	for i, score := range fresh {
		s.keep(missing.keys[i], score)
	}
	for at, i := range missing.places {
		scores[at] = fresh[i]
	}
	return scores, nil
}

// cutShort is the error of a call whose misses were not all scored. What was
// scored is kept, and if it is for the end of the call's time that the rest was
// not, the error holds it and what the store had.
func (s *Scorer) cutShort(ctx context.Context, missing misses, scores []float32, err error) error {
	partial, ok := scorer.PartialOf(err, len(missing.passages))
	if !ok && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		return err
	}
	scored := make([]bool, len(scores))
	for at := range scores {
		i, missed := missing.places[at]
		scored[at] = !missed || ok && partial.Scored[i]
		if missed && scored[at] {
			scores[at] = partial.Scores[i]
			s.keep(missing.keys[i], scores[at])
		}
	}
	if ok {
		err = partial.Err
	}
	return scorer.Partial(scores, scored, err)
}

// keep puts a score into the store, if it is one.
func (s *Scorer) keep(key Key, score float32) {
	if f := float64(score); !math.IsNaN(f) && !math.IsInf(f, 0) {
		s.store.Set(key, score)
	}
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

// prefix is what every key of a query begins with: the fingerprint, led by its
// length, and a digest of the query, which may be long, so that no two sets of
// inputs have the same bytes. Its capacity is its length, so that appending copies.
func (s *Scorer) prefix(query string) []byte {
	out := make([]byte, 0, 8+len(s.fingerprint)+sha256.Size)
	out = binary.LittleEndian.AppendUint64(out, uint64(len(s.fingerprint)))
	out = append(out, s.fingerprint...)
	digest := sha256.Sum256([]byte(query))
	return append(out, digest[:]...)
}
