package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/admin"
	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/builtin"
	"github.com/rerankd/rerankd/scorer/onnx"
	"github.com/rerankd/rerankd/scorer/overlap"
)

// ErrNoBuiltin reports an endpoint on the built-in model in a program that was
// built without it.
var ErrNoBuiltin = errors.New("this program was built without the model: run `make model` and build again, or name a model folder instead")

// core scores with one model and says what it is.
type core struct {
	scorer      scorer.Scorer
	info        onnx.Info    // of a real model
	fingerprint string       // "" for scores that hold for one call only
	close       func() error // nil when there is nothing to close
}

// openEndpoints returns the scorer of each endpoint. Endpoints with the same
// model share it. Each model that is opened is registered to be closed.
func (a *App) openEndpoints(ctx context.Context, c configs.Config, store *cache.Store) (map[string]scorer.Scorer, error) {
	models := map[string]opened{}
	endpoints := map[string]scorer.Scorer{}
	for _, e := range c.Endpoints {
		steps := []string{e.Model}
		if e.First != "" {
			steps = []string{e.First, e.Model}
		}
		for _, name := range steps {
			m, ok := models[name]
			if !ok {
				inner, err := a.openModel(ctx, name, c.Engine)
				if err != nil {
					return nil, fmt.Errorf("open endpoint %s: model %s: %w", e.ID, name, err)
				}
				if inner.close != nil {
					a.onStop("model "+name, func(context.Context) error { return inner.close() })
				}
				m = opened{inner, a.decorate(name, inner, c.Engine, store)}
				models[name] = m
			}
			a.models = append(a.models, admin.Model{Endpoint: e.ID, ID: m.info.ID, Precision: m.info.Precision, Batching: string(m.info.Batching)})
		}
		endpoints[e.ID] = compose(e, models)
	}
	return endpoints, nil
}

// opened is a model with what every scorer gets around it.
type opened struct {
	core
	shared scorer.Scorer
}

// compose puts an endpoint together: one model or two in a cascade, and its time.
func compose(e configs.Endpoint, models map[string]opened) scorer.Scorer {
	s := models[e.Model].shared
	if e.First != "" {
		s = scorer.NewCascade(models[e.First].shared, s, e.Keep)
	}
	if e.Deadline > 0 {
		s = scorer.NewDeadline(s, e.Deadline)
	}
	return s
}

// decorate puts what every scorer gets around a model, outermost first: equal
// pairs in flight are joined, known scores are taken from the store, and what is
// left waits for a place.
func (a *App) decorate(name string, m core, c configs.Engine, store *cache.Store) scorer.Scorer {
	gate := scorer.NewGate(m.scorer, running(c), c.Waiting)
	a.metrics.WatchQueue(name, gate.Load)
	switch {
	case m.fingerprint == "":
		return gate
	case store == nil:
		return scorer.NewSingleFlight(gate)
	}
	return scorer.NewSingleFlight(cache.NewScorer(gate, m.fingerprint, store))
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

func (a *App) openModel(ctx context.Context, name string, c configs.Engine) (core, error) {
	switch name {
	case configs.ModelOverlap:
		return core{scorer: overlap.Words{}, fingerprint: name}, nil
	case configs.ModelNumeric:
		return core{scorer: overlap.Numeric{}}, nil // looks at all passages of a call
	case configs.ModelFailing:
		return core{scorer: overlap.Failing{}}, nil
	case configs.ModelShort:
		return core{scorer: overlap.Short{}}, nil
	}
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
	a.observeEngine(name, engine)
	return core{scorer: engine, info: info, fingerprint: engine.Fingerprint(), close: engine.Close}, nil
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
	if name != configs.ModelBuiltin {
		return onnx.OpenFolder(name)
	}
	folder, ok := builtin.Model()
	if !ok {
		return onnx.Files{}, ErrNoBuiltin
	}
	return onnx.Open(folder)
}
