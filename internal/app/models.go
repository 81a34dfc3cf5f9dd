package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/builtin"
	"github.com/rerankd/rerankd/scorer/onnx"
	"github.com/rerankd/rerankd/scorer/overlap"
)

// core scores with one model and says what it is.
type core struct {
	scorer      scorer.Scorer
	engine      *onnx.Engine // of a real model, nil for one of the tests
	info        onnx.Info    // of a real model
	fingerprint string       // "" for scores that hold for one call only
}

// model is a model of the configuration. What it is made of may be exchanged by
// [App.Reload]; the rest stays.
type model struct {
	name   string         // as the configuration has it
	id     string         // what inference endpoints call it: its own name, never a path
	shared *scorer.Switch // what the endpoints of the configuration score with

	mu     sync.Mutex
	now    generation
	ways   map[*way]bool // of inference endpoints that callers made
	closed bool
}

// generation is what one loading of a model's folder brought.
type generation struct {
	core

	gate     *scorer.Gate
	manifest onnx.Manifest   // when it was loaded
	shares   *sync.WaitGroup // of the engine, which must be closed before it
}

// current returns the generation in use.
func (m *model) current() generation {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// models are those of the configuration, in the order in which endpoints name them.
type models []*model

func (l models) named(name string) *model {
	for _, m := range l {
		if m.name == name {
			return m
		}
	}
	return nil
}

// openModels opens each model of the endpoints once. Each that is opened is
// registered to be closed.
func (a *App) openModels(ctx context.Context, c configs.Config, store *cache.Store) (models, error) {
	var list models
	for _, e := range c.Endpoints {
		for _, name := range steps(e) {
			if list.named(name) != nil {
				continue
			}
			first, err := a.openModel(ctx, name, c.Engine)
			if err != nil {
				return nil, fmt.Errorf("open endpoint %s: model %s: %w", e.ID, name, err)
			}
			m := &model{name: name, id: first.id(name), now: first, ways: map[*way]bool{}}
			m.shared = scorer.NewSwitch(decorate(first.gate, first.fingerprint, store))
			a.onStop("model "+name, func(context.Context) error { return m.close() })
			a.observeModel(m)
			list = append(list, m)
		}
	}
	return list, nil
}

// steps are the models of an endpoint, in the order in which a cascade asks them.
func steps(e configs.Endpoint) []string {
	if e.First != "" {
		return []string{e.First, e.Model}
	}
	return []string{e.Model}
}

// compose puts an endpoint together: one model or two in a cascade, its patience,
// and its time.
func compose(e configs.Endpoint, list models) scorer.Scorer {
	var s scorer.Scorer = list.named(e.Model).shared
	if e.First != "" {
		s = scorer.NewCascade(list.named(e.First).shared, s, e.Keep)
	}
	if e.Patience > 0 {
		s = scorer.NewPatience(s, e.Patience)
	}
	if e.Deadline > 0 {
		s = scorer.NewDeadline(s, e.Deadline)
	}
	return s
}

// decorate puts what every scorer gets around a queue, outermost first: equal
// pairs in flight are joined, known scores are taken from the store, and what is
// left waits for a place. Scores without a fingerprint hold for one call only.
func decorate(queue scorer.Scorer, fingerprint string, store *cache.Store) scorer.Scorer {
	switch {
	case fingerprint == "":
		return queue
	case store == nil:
		return scorer.NewSingleFlight(queue)
	}
	return scorer.NewSingleFlight(cache.NewScorer(queue, fingerprint, store))
}

// searchesPerWorker is how many searches may be in the engine for each worker
// unless the configuration says. The engine shares its time fairly between those
// inside, while those that wait outside are served in the order they came: few
// places would let some large searches keep all small ones out.
const searchesPerWorker = 16

// running is how many searches may be in the engine.
func running(c configs.Engine) int {
	if c.Running > 0 {
		return c.Running
	}
	return searchesPerWorker * workers(c)
}

// workers is the number of cores to score on. Go takes GOMAXPROCS from the
// cgroup's quota.
func workers(c configs.Engine) int {
	if c.Workers > 0 {
		return c.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// openModel loads what an endpoint names as its model.
func (a *App) openModel(ctx context.Context, name string, c configs.Engine) (generation, error) {
	g := generation{manifest: manifestOf(name), shares: new(sync.WaitGroup)} // read first: a folder that changes meanwhile is loaded again
	switch name {
	case configs.ModelOverlap:
		g.core = core{scorer: overlap.Words{}, fingerprint: name}
	case configs.ModelNumeric:
		g.core = core{scorer: overlap.Numeric{}} // looks at all passages of a call
	case configs.ModelFailing:
		g.core = core{scorer: overlap.Failing{}}
	case configs.ModelShort:
		g.core = core{scorer: overlap.Short{}}
	default:
		var err error
		if g.core, err = a.loadModel(ctx, name, c); err != nil {
			return generation{}, err
		}
	}
	g.gate = scorer.NewGate(g.scorer, running(c), c.Waiting)
	return g, nil
}

func (a *App) loadModel(ctx context.Context, name string, c configs.Engine) (core, error) {
	start := time.Now()
	engine, err := OpenEngine(ctx, name, c, a.observeBatch)
	if err != nil {
		return core{}, err
	}
	info := engine.Info()
	a.logger.Info("model loaded",
		slog.String(keyModel, name), slog.String(keyID, info.ID), slog.String(keyRevision, info.Revision),
		slog.String(keyPrecision, info.Precision), slog.Int(keyMaxTokens, info.MaxTokens), slog.Int(keyWorkers, workers(c)),
		slog.String(keyBatching, string(info.Batching)), slog.Float64(keySway, info.Sway),
		slog.String(keyRuntime, onnx.Version()), slog.Duration(keyTook, time.Since(start)))
	if info.Saturates {
		a.logger.Warn("the model's weights have 8 bits, and this processor cuts sums of their products: "+onnx.SaturationRemedy, slog.String(keyModel, name))
	}
	return core{scorer: engine, engine: engine, info: info, fingerprint: engine.Fingerprint()}, nil
}

// id is the model's own name, or that of its folder.
func (g generation) id(name string) string {
	if g.info.ID != "" {
		return g.info.ID
	}
	return strings.ToValidUTF8(filepath.Base(name), "\uFFFD") // it is a label of metrics, too
}

// OpenEngine loads a model, the built-in one or a folder, and warms it up.
// observe is told of each batch; nil: nobody is. The caller closes the engine.
func OpenEngine(ctx context.Context, name string, c configs.Engine, observe func(onnx.Batch)) (*onnx.Engine, error) {
	files, err := openFiles(name)
	if err != nil {
		return nil, err
	}
	library, err := native.Library(c.Library)
	if err != nil {
		return nil, err
	}
	if err := onnx.Init(library); err != nil {
		return nil, err
	}
	engine, err := onnx.Load(files, onnx.Options{ //nolint:contextcheck // it takes none; the warm-up after it does
		Workers:     workers(c),
		BatchTokens: c.BatchTokens,
		MaxTokens:   c.MaxTokens,
		Observe:     observe,
	})
	if err != nil {
		return nil, err
	}
	if err := engine.Warm(ctx); err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	return engine, nil
}

func openFiles(name string) (onnx.Files, error) {
	if folder, inside := Builtin(name); inside {
		return onnx.Open(folder)
	}
	return onnx.OpenFolder(name)
}

// Builtin returns the folder of a model that is inside the program, by its name in
// the configuration.
func Builtin(name string) (folder fs.FS, inside bool) {
	switch name {
	case configs.ModelBuiltin:
		return builtin.Model(), true
	case configs.ModelTiny:
		return builtin.Tiny(), true
	}
	return nil, false
}
