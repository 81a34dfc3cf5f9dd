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
	model   *model
	slot    *scorer.Switch
	store   *cache.Store
	counted inference.Counted
	waiting int // calls that may wait

	mu      sync.Mutex
	share   share
	gate    *scorer.Gate
	most    int // workers that the queue has places for
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
	w := &way{model: m, store: store, counted: counted, waiting: c.Waiting, most: workers}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now.engine == nil { // a test model works in its caller
		return inference.Way{
			Scorer: w.chain(m.now.scorer, m.now.fingerprint), Resize: w.resize, SetWorkers: func(int) {}, Close: func() error { return nil },
		}
	}
	w.share = m.now.share()
	w.slot = scorer.NewSwitch(w.chain(w.share.Engine, m.now.fingerprint))
	m.ways[w] = true
	return inference.Way{Scorer: w.slot, Resize: w.resize, SetWorkers: w.setWorkers, Close: w.close}
}

// chain puts the way's queue and what goes around it before a scorer. The caller
// holds mu, unless nobody knows of the way yet.
func (w *way) chain(inner scorer.Scorer, fingerprint string) scorer.Scorer {
	w.gate = scorer.NewGate(inner, places(w.most), w.waiting)
	return decorate(w.counted(w.gate), fingerprint, w.store)
}

// places is how many calls may be inside of a way for so many workers.
func places(workers int) int { return searchesPerWorker * max(1, workers) }

// resize gives the queue the places of another number of workers.
func (w *way) resize(most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.most = most
	w.gate.SetRunning(places(most))
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
	after := w.chain(w.share.Engine, next.fingerprint)
	w.mu.Unlock()
	w.slot.Exchange(after)
	return before.close()
}
