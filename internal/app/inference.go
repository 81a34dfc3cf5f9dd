package app

import (
	"context"
	"path/filepath"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/admin"
	"github.com/rerankd/rerankd/internal/inference"
)

// openRegistry makes the inference endpoints: those of the configuration, and
// those that callers made.
func (a *App) openRegistry(c configs.Config, list models, store *cache.Store) (*inference.Registry, error) {
	o := inference.Options{
		Folder: c.Inference.Folder, MaxEndpoints: c.Inference.MaxEndpoints, ScaleDown: c.Inference.ScaleDownAfter, Logger: a.logger,
	}
	for _, m := range list {
		o.Models = append(o.Models, inference.Model{
			ID: m.id, Names: []string{filepath.Base(m.name)}, Workers: workers(c.Engine),
			Open: func(workers int, counted inference.Counted) inference.Way {
				return m.open(c.Engine, store, workers, counted)
			},
		})
	}
	for _, e := range c.Endpoints {
		m := list.named(e.Model)
		o.Reserved = append(o.Reserved, inference.Reserved{
			ID: e.ID, Model: m.id, Scorer: compose(e, list), Workers: workers(c.Engine), TopN: e.TopN, ScoresOnly: e.ScoresOnly,
			LongDocuments: e.LongDocuments, MaxChunks: e.MaxChunks,
		})
		if e.ID == c.Rerank.DefaultEndpoint {
			o.Default = m.id
		}
	}
	registry, err := inference.New(o)
	if err != nil {
		return nil, err
	}
	a.onStop("inference endpoints", func(context.Context) error { return registry.Close() })
	if c.Inference.Manage && c.Inference.Folder == "" {
		a.logger.Info("inference endpoints made through the API are forgotten at the end: inference.folder names no folder to keep them")
	}
	a.metrics.WatchEndpoints(func() []admin.EndpointLoad { return endpointLoads(registry) })
	return registry, nil
}

func endpointLoads(r *inference.Registry) []admin.EndpointLoad {
	var list []admin.EndpointLoad
	for _, e := range r.All() {
		if e.Reserved() {
			continue // its queue is its model's, which has metrics of its own
		}
		allocations, calls := e.Load()
		list = append(list, admin.EndpointLoad{Endpoint: e.Definition().ID, Model: e.Model(), Allocations: allocations, Calls: calls})
	}
	return list
}

// describe lists the endpoints with their models, each of a cascade.
func describe(r *inference.Registry, list models, configured []configs.Endpoint) []admin.Model {
	var all []admin.Model
	for _, e := range configured {
		for _, name := range steps(e) {
			all = append(all, list.named(name).about(e.ID))
		}
	}
	for _, e := range r.All() {
		for _, m := range list {
			if !e.Reserved() && m.id == e.Model() {
				all = append(all, m.about(e.Definition().ID))
			}
		}
	}
	return all
}

func (m *model) about(endpoint string) admin.Model {
	model := m.current().about()
	model.Endpoint = endpoint
	return model
}

func (g generation) about() admin.Model {
	return admin.Model{ID: g.info.ID, Precision: g.info.Precision, Batching: string(g.info.Batching)}
}
