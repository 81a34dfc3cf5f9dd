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
// followers never inherit its error: one of them leads the same pairs again under
// its own context, and the rest follow that one, so that a crowd does not fall
// upon the model. A call scores what it leads before it waits, so two calls that
// follow each other can't wait for each other. It is safe for concurrent use.
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

// joinedRounds is how often a call looks for others to join before it scores
// what is left alone: leaders that fail one after the other can't hold it up.
const joinedRounds = 4

func (s *SingleFlight) scoreDistinct(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores := make([]float32, len(passages))
	open := make([]pair, len(passages))
	for i, p := range passages {
		open[i] = pair{index: i, key: digest(query, p)}
	}
	for range joinedRounds {
		led, followed := s.board(open)
		if err := s.lead(ctx, query, passages, led, scores); err != nil {
			return nil, err
		}
		orphans, err := follow(ctx, followed, scores)
		if err != nil {
			return nil, err
		}
		if len(orphans) == 0 {
			return scores, nil
		}
		open = orphans // the first of the followers leads them, the others follow it
	}
	own, err := s.ask(ctx, query, passages, open)
	if err != nil {
		return nil, err
	}
	for i, p := range open {
		scores[p.index] = own[i]
	}
	return scores, nil
}

// pair is one passage of a call and, once the call has boarded, its flight.
type pair struct {
	index  int
	key    pairKey
	flight *flight
}

// board registers the pairs that nobody scores yet as led by this call, and finds
// those to follow.
func (s *SingleFlight) board(open []pair) (led, followed []pair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range open {
		var taken bool
		if p.flight, taken = s.flying[p.key]; taken {
			followed = append(followed, p)
			continue
		}
		p.flight = &flight{done: make(chan struct{})}
		s.flying[p.key] = p.flight
		led = append(led, p)
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
			if own != nil {
				p.flight.score, p.flight.ok = own[i], true
			}
			delete(s.flying, p.key)
			close(p.flight.done)
		}
	}()
	own, err = s.ask(ctx, query, passages, led)
	if err != nil {
		return err
	}
	for i, p := range led {
		scores[p.index] = own[i]
	}
	return nil
}

// follow waits for the flights of others and returns the pairs whose leader
// failed.
func follow(ctx context.Context, followed []pair, scores []float32) (orphans []pair, err error) {
	for _, p := range followed {
		select {
		case <-p.flight.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a score in flight: %w", ctx.Err())
		}
		if p.flight.ok {
			scores[p.index] = p.flight.score
		} else {
			orphans = append(orphans, p)
		}
	}
	StatsFrom(ctx).Shared.Add(int64(len(followed) - len(orphans)))
	return orphans, nil
}

// ask has inner score the pairs: one score for each, or nil and an error.
func (s *SingleFlight) ask(ctx context.Context, query string, passages []string, pairs []pair) ([]float32, error) {
	texts := make([]string, len(pairs))
	for i, p := range pairs {
		texts[i] = passages[p.index]
	}
	scores, err := s.inner.Score(ctx, query, texts)
	if err != nil {
		return nil, err
	}
	if len(scores) != len(pairs) {
		return nil, fmt.Errorf("%w: %d scores for %d passages", ErrScores, len(scores), len(pairs))
	}
	return scores, nil
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
