package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// known is how many questions are asked again and again.
	known = 40

	// bulkBytes is the size of what is written to the cluster through the program.
	bulkBytes = 1 << 20

	// hurry is the deadline of searches that have one: too short for all hits.
	hurry = "20ms"

	// longestWait is after what time at most a client hangs up that does.
	longestWait = 100 * time.Millisecond
)

// request is one that a client sends.
type request struct {
	method, path, body string
	deadline           string // of the rerank step; empty: the program's own
}

// kind is a kind of request: how many in a hundred are of it, how it is made, and
// whether its client hangs up.
type kind struct {
	name   string
	share  int
	hangUp bool
	make   func(l *load, random *rand.Rand) request
	sent   atomic.Int64
}

// kinds are what clients of a search application do, good and bad.
func kinds() []*kind {
	fresh := func(l *load, _ *rand.Rand) request { return search(fmt.Sprintf("new %d", l.asked.Add(1))) }
	return []*kind{
		{name: "new", share: 30, make: fresh},
		{name: "known", share: 30, make: func(_ *load, random *rand.Rand) request {
			return search(fmt.Sprintf("known %d", random.IntN(known)))
		}},
		{name: "passed", share: 20, make: func(*load, *rand.Rand) request {
			return request{method: http.MethodGet, path: "/soak/_doc/1"}
		}},
		{name: "bulk", share: 2, make: func(*load, *rand.Rand) request {
			return request{method: http.MethodPost, path: "/soak/_bulk", body: strings.Repeat("{}\n", bulkBytes/3)}
		}},
		{name: "hurried", share: 8, make: func(l *load, random *rand.Rand) request {
			r := fresh(l, random)
			r.deadline = hurry
			return r
		}},
		{name: "left", share: 10, hangUp: true, make: fresh},
	}
}

// search asks to rerank the hits of a question.
func search(question string) request {
	return request{method: http.MethodPost, path: "/soak/_search", body: fmt.Sprintf(`{"_source":["n"],"retriever":{"text_similarity_reranker":{"retriever":`+
		`{"standard":{"query":{"match":{"text":%q}}}},"field":"text","inference_text":%q,"rank_window_size":%d}}}`,
		question, "how is memory shared, "+question, window)}
}

// load sends requests of all kinds, from clients of which each waits for its
// answer before it sends the next.
type load struct {
	url    string
	client *http.Client
	kinds  []*kind

	asked atomic.Int64 // new questions
}

// run is one client until ctx ends, or something fails that should not.
func (l *load) run(ctx context.Context, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 1))
	for ctx.Err() == nil {
		if err := l.one(ctx, l.pick(random), random); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func (l *load) pick(random *rand.Rand) *kind {
	n := random.IntN(100)
	for _, k := range l.kinds {
		if n -= k.share; n < 0 {
			return k
		}
	}
	return l.kinds[0]
}

// one sends a request and reads its answer.
func (l *load) one(ctx context.Context, k *kind, random *rand.Rand) error {
	k.sent.Add(1)
	if k.hangUp {
		limited, cancel := context.WithTimeout(ctx, time.Duration(random.Int64N(int64(longestWait))))
		defer cancel()
		ctx = limited
	}
	err := l.send(ctx, k, random)
	if k.hangUp && ctx.Err() != nil {
		return nil // as it should be
	}
	return err
}

func (l *load) send(ctx context.Context, k *kind, random *rand.Rand) error {
	asked := k.make(l, random)
	r, err := http.NewRequestWithContext(ctx, asked.method, l.url+asked.path, strings.NewReader(asked.body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if asked.deadline != "" {
		r.Header.Set("X-Rerankd-Deadline", asked.deadline)
	}
	res, err := l.client.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", k.name, err)
	}
	defer func() { _ = res.Body.Close() }()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("%s: %w", k.name, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", k.name, res.StatusCode)
	}
	return nil
}
