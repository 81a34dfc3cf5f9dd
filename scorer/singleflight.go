package scorer

import (
	"context"
	"crypto/sha256"
	"errors"
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
// inner keep their order. What was scored for any call before this one's time
// ended is in its error.
func (s *SingleFlight) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	distinct, place := distinctPassages(passages)
	StatsFrom(ctx).Duplicates.Add(int64(len(passages) - len(distinct)))
	t, err := s.scoreDistinct(ctx, query, distinct)
	out := newTally(len(passages))
	for i, at := range place {
		out.scores[i], out.scored[i] = t.scores[at], t.scored[at]
	}
	if err != nil {
		return nil, out.cutShort(ctx, err)
	}
	return out.scores, nil
}

// tally is what a call has scored so far.
type tally struct {
	scores []float32
	scored []bool
}

func newTally(n int) tally { return tally{make([]float32, n), make([]bool, n)} }

func (t tally) set(i int, score float32) { t.scores[i], t.scored[i] = score, true }

// cutShort is the error of a call that ends with err: with what it has, if the end
// of its time is why.
func (t tally) cutShort(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	return Partial(t.scores, t.scored, err)
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

// scoreDistinct returns what it has scored in any case.
func (s *SingleFlight) scoreDistinct(ctx context.Context, query string, passages []string) (tally, error) {
	t := newTally(len(passages))
	open := make([]pair, len(passages))
	by := sha256.Sum256([]byte(query))
	for i, p := range passages {
		open[i] = pair{index: i, key: digest(by, p)}
	}
	for range joinedRounds {
		led, followed := s.board(open)
		if err := s.lead(ctx, query, passages, led, t); err != nil {
			landed(followed, t)
			return t, err
		}
		orphans, err := follow(ctx, followed, t)
		if err != nil || len(orphans) == 0 {
			return t, err
		}
		open = orphans // the first of the followers leads them, the others follow it
	}
	return t, s.ask(ctx, query, passages, open, t)
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
func (s *SingleFlight) lead(ctx context.Context, query string, passages []string, led []pair, t tally) error {
	if len(led) == 0 {
		return nil
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range led {
			p.flight.score, p.flight.ok = t.scores[p.index], t.scored[p.index]
			delete(s.flying, p.key)
			close(p.flight.done)
		}
	}()
	return s.ask(ctx, query, passages, led, t)
}

// follow waits for the flights of others and returns the pairs whose leader
// failed.
func follow(ctx context.Context, followed []pair, t tally) (orphans []pair, err error) {
	for i, p := range followed {
		select {
		case <-p.flight.done:
		case <-ctx.Done():
			landed(followed[i:], t)
			return nil, fmt.Errorf("wait for a score in flight: %w", ctx.Err())
		}
		if p.flight.ok {
			t.set(p.index, p.flight.score)
		} else {
			orphans = append(orphans, p)
		}
	}
	StatsFrom(ctx).Shared.Add(int64(len(followed) - len(orphans)))
	return orphans, nil
}

// landed takes the scores of the flights that are over by now.
func landed(followed []pair, t tally) {
	for _, p := range followed {
		select {
		case <-p.flight.done:
			if p.flight.ok {
				t.set(p.index, p.flight.score)
			}
		default:
		}
	}
}

// ask has inner score the pairs. With an error it has scored some of them or none.
func (s *SingleFlight) ask(ctx context.Context, query string, passages []string, pairs []pair, t tally) error {
	texts := make([]string, len(pairs))
	for i, p := range pairs {
		texts[i] = passages[p.index]
	}
	scores, err := s.inner.Score(ctx, query, texts)
	if partial, ok := PartialOf(err, len(pairs)); ok {
		for i, p := range pairs {
			if partial.Scored[i] {
				t.set(p.index, partial.Scores[i])
			}
		}
		return partial.Err
	}
	if err != nil {
		return err
	}
	if len(scores) != len(pairs) {
		return fmt.Errorf("%w: %d scores for %d passages", ErrScores, len(scores), len(pairs))
	}
	for i, p := range pairs {
		t.set(p.index, scores[i])
	}
	return nil
}

// digest is the key of a pair. The query may be long and is the same for many
// passages, so its own digest stands for it; as that has one length, no two pairs
// share an input.
func digest(query [sha256.Size]byte, passage string) (key pairKey) {
	h := sha256.New()
	h.Write(query[:])
	h.Write([]byte(passage))
	h.Sum(key[:0])
	return key
}
