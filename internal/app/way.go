package app

import (
	"sync"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/inference"
	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// way is the way of an inference endpoint into a model, with a queue of its own.
// It outlives the exchange of the model.
type way struct {
	model *model
	slot  *scorer.Switch
	chain func(inner scorer.Scorer, fingerprint string) scorer.Scorer

	mu      sync.Mutex
	share   share
	workers int
	closed  bool
}

// share is an engine's share, of which the generation knows until it is closed.
type share struct {
	*onnx.Engine

	open *sync.WaitGroup
}

func (g generation) share() share {
	g.shares.Add(1)
	return share{g.engine.Share(), g.shares}
}

func (s share) close() error {
	defer s.open.Done()
	return s.Close()
}

// open makes a way into the model.
func (m *model) open(c configs.Engine, store *cache.Store, workers int, counted inference.Counted) inference.Way {
	w := &way{model: m, chain: func(inner scorer.Scorer, fingerprint string) scorer.Scorer {
		gate := scorer.NewGate(inner, searchesPerWorker*max(1, workers), c.Waiting)
		return decorate(counted(gate), fingerprint, store)
	}}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.engine == nil { // a test model works in its caller
		return inference.Way{Scorer: w.chain(m.now.scorer, m.now.fingerprint), SetWorkers: func(int) {}, Close: func() error { return nil }}
	}
	w.share = m.now.share()
	w.slot = scorer.NewSwitch(w.chain(w.share.Engine, m.now.fingerprint))
	m.ways[w] = true
	return inference.Way{Scorer: w.slot, SetWorkers: w.setWorkers, Close: w.close}
}

func (w *way) setWorkers(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.workers = n
	// The number is within the engine's own, and a way that is closed needs none.
	_ = w.share.SetWorkers(n)
}

func (w *way) close() error {
	w.model.mu.Lock()
	delete(w.model.ways, w)
	w.model.mu.Unlock()
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	last := w.share
	w.mu.Unlock()
	return last.close()
}

// move leads the way into the next generation, and closes that into the former one
// once the calls inside have ended.
func (w *way) move(next generation) error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	before := w.share
	w.share = next.share()
	_ = w.share.SetWorkers(w.workers) // as setWorkers
	// Nobody will give the former one workers any more that it lacks now.
	_ = before.SetWorkers(max(1, w.workers))
	after := w.share
	w.mu.Unlock()
	w.slot.Exchange(w.chain(after.Engine, next.fingerprint))
	return before.close()
}
