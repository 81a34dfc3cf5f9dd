package onnx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/tokenizer"
)

// ErrClosed reports a call to an Engine after Close.
var ErrClosed = errors.New("engine closed")

// mostCalls bounds the calls inside an engine, waiting ones included. It is the
// backstop behind the limit of [scorer.Gate], which operators set.
const mostCalls = 1024

// Engine scores pairs with one model. It is safe for concurrent use.
type Engine struct {
	session     *session
	tokenizer   *tokenizer.Tokenizer
	options     Options
	info        Info
	fingerprint string
	shares      bool // the session and the tokenizer are another engine's

	queue   *queue
	workers sync.WaitGroup
	helpers atomic.Int64 // goroutines that help calls to tokenise

	mu      sync.Mutex
	idle    sync.Cond // signalled when calls becomes 0
	calls   int
	active  int // workers that are wanted
	closing bool
	closed  chan struct{} // closed when Close is through

	totals totals
}

var _ scorer.Scorer = (*Engine)(nil)

// Stats are the totals of an Engine since it was loaded, the runs of [Load] and
// [Engine.Warm] included.
type Stats struct {
	Batches      int64
	Pairs        int64
	Tokens       int64         // of the pairs, special tokens included
	PaddedTokens int64         // that the model ran, padding included
	Busy         time.Duration // spent in the model, summed over the workers
}

type totals struct{ batches, pairs, tokens, padded, busy atomic.Int64 }

func newEngine(s *session, t *tokenizer.Tokenizer, o Options) *Engine {
	e := &Engine{session: s, tokenizer: t, options: o, queue: newQueue(o.BatchTokens), closed: make(chan struct{})}
	e.idle.L = &e.mu
	e.employ(o.Workers)
	return e
}

// Share returns an Engine with the same model and with a queue and workers of its
// own, of which there are none until [Engine.SetWorkers]. It needs no second copy
// of the weights, and must be closed before e.
func (e *Engine) Share() *Engine {
	s := &Engine{
		session: e.session, tokenizer: e.tokenizer, options: e.options, info: e.info, fingerprint: e.fingerprint,
		shares: true, queue: newQueue(e.queue.budget), closed: make(chan struct{}),
	}
	s.queue.alone = e.queue.alone
	s.idle.L = &s.mu
	return s
}

// SetWorkers changes how many batches run at the same time, from 0, when calls
// wait until there are workers again or their contexts end, to 1024. More begin at
// once, and those that are too many end after the batch they are at. After Close
// it returns ErrClosed.
func (e *Engine) SetWorkers(n int) error {
	if n < 0 || n > mostWorkers {
		return fmt.Errorf("set workers to %d: want 0 to %d", n, mostWorkers)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return ErrClosed
	}
	e.employ(n)
	return nil
}

// employ has n workers. Nobody else may be inside, or the caller holds mu.
func (e *Engine) employ(n int) {
	e.active = n
	for range e.queue.want(n) {
		e.workers.Go(e.work)
	}
}

// Backlog is what an Engine has to do at the moment.
type Backlog struct {
	Workers    int // batches that may run at the same time
	Batches    int // batches that run
	Calls      int // calls inside
	OpenTokens int // tokens of their pairs that no batch has yet, without padding
}

// Backlog returns what there is to do at the moment.
func (e *Engine) Backlog() Backlog {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue.mu.Lock()
	defer e.queue.mu.Unlock()
	return Backlog{Workers: e.active, Batches: len(e.queue.running), Calls: e.calls, OpenTokens: e.queue.open}
}

// Info describes the model.
func (e *Engine) Info() Info { return e.info }

// Fingerprint returns a hexadecimal SHA-256 over all that changes a score
// apart from the two texts: weights, tokenizer, frame of the pair, greatest
// length and precision. Engines with equal fingerprints give equal scores
// within the model's own tolerance.
func (e *Engine) Fingerprint() string { return e.fingerprint }

// Stats returns the totals so far.
func (e *Engine) Stats() Stats {
	return Stats{
		Batches: e.totals.batches.Load(), Pairs: e.totals.pairs.Load(), Tokens: e.totals.tokens.Load(),
		PaddedTokens: e.totals.padded.Load(), Busy: time.Duration(e.totals.busy.Load()),
	}
}

// Score implements [scorer.Scorer]. Pairs that are too long for the model are
// cut by the balanced rule. When ctx ends it returns at once, with a
// [scorer.PartialError] if pairs were scored by then; as a deadline comes near,
// the passages that stand first are scored first. With too many calls inside it
// returns [scorer.ErrOverloaded], and after Close ErrClosed. The request's
// [scorer.Stats] are taken from ctx.
func (e *Engine) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	scores, err := e.score(ctx, query, passages)
	if err != nil {
		return nil, fmt.Errorf("score %d passages: %w", len(passages), err)
	}
	return scores, nil
}

func (e *Engine) score(ctx context.Context, query string, passages []string) ([]float32, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	if len(passages) == 0 {
		return []float32{}, nil
	}
	deadline, _ := ctx.Deadline()
	j := newJob(scorer.StatsFrom(ctx), len(passages), deadline)
	if err := e.feed(ctx, j, query, passages); err != nil {
		e.queue.drop(j)
		if ctx.Err() == nil {
			return nil, err
		}
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		e.queue.drop(j)
	}
	return j.outcome(ctx)
}

// Warm runs the longest pair that the model takes on every worker, so that
// memory is there and code is paged in before the first caller comes.
func (e *Engine) Warm(ctx context.Context) error {
	longest := strings.Repeat("a ", e.options.MaxTokens)
	passages := make([]string, e.Backlog().Workers)
	for i := range passages {
		passages[i] = longest
	}
	if _, err := e.Score(ctx, "warm up", passages); err != nil {
		return fmt.Errorf("warm the engine: %w", err)
	}
	return nil
}

func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return ErrClosed
	}
	if e.calls >= mostCalls {
		return scorer.ErrOverloaded
	}
	e.calls++
	return nil
}

func (e *Engine) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls--
	if e.calls == 0 {
		e.idle.Broadcast()
	}
}

// Close refuses new calls, waits for those inside (whose contexts bound the
// wait), ends the workers and frees the model, unless it shares another
// engine's. Closing again waits for the first Close and returns nil.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		<-e.closed
		return nil
	}
	e.closing = true
	for e.calls > 0 {
		e.idle.Wait()
	}
	e.mu.Unlock()
	defer close(e.closed)
	e.queue.close()
	e.workers.Wait()
	if e.shares {
		return nil
	}
	return errors.Join(e.session.close(), e.tokenizer.Close())
}
