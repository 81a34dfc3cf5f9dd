package inference

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rerankd/rerankd/scorer"
)

// Keys of the log lines of this package.
const (
	keyEndpoint = "endpoint"
	keyModel    = "model"
	keyError    = "error"
	keyFolder   = "folder"
)

// Reserved is an endpoint of the configuration.
type Reserved struct {
	ID      string
	Model   string // ID of one of the models
	Scorer  scorer.Scorer
	Workers int // of the model, at least 1

	TopN          int    // 0: no bound
	ScoresOnly    bool   // calls get no texts back, unless they ask for them
	LongDocuments string // a strategy; empty: truncate
	MaxChunks     int    // 0: no bound
}

func (e Reserved) endpoint() *Endpoint {
	d := Definition{
		ID: e.ID, TaskType: TaskType, Service: Service, TaskSettings: TaskSettings{TopN: e.TopN},
		ServiceSettings: ServiceSettings{
			NumAllocations: &e.Workers, NumThreads: 1, ModelID: e.Model,
			LongDocumentStrategy: e.LongDocuments, MaxChunksPerDoc: e.MaxChunks,
		},
	}
	if e.ScoresOnly {
		d.TaskSettings.ReturnDocuments = new(bool)
	}
	return newEndpoint(d, e.Model, e.Scorer, nil)
}

// Options are the parts and limits of a [Registry].
type Options struct {
	// Models are what endpoints can be made of.
	Models []Model
	// Default is the ID of the model that .rerank-v1 stands for.
	Default string
	// Reserved are the endpoints of the configuration, each ID once.
	Reserved []Reserved
	// Folder keeps the endpoints that are made through the API; empty: they are
	// forgotten when the program ends. No two programs may share one.
	Folder string
	// MaxEndpoints is how many may be made through the API.
	MaxEndpoints int
	// ScaleDown is how long adaptive allocations outlast the load they were for.
	ScaleDown time.Duration
	// Logger takes a line for each endpoint that is made, changed or deleted.
	Logger *slog.Logger
}

// Registry knows every inference endpoint of the program. It is safe for
// concurrent use, and must be closed.
type Registry struct {
	o     Options
	store store

	changing sync.Mutex // held by whoever makes, changes or deletes an endpoint
	mu       sync.RWMutex
	made     map[string]*Endpoint
	reserved map[string]*Endpoint

	stop context.CancelFunc
	done sync.WaitGroup
}

// New makes a registry with the endpoints of the configuration and those that
// were kept. A kept endpoint whose model is no longer configured stays, and fails
// its calls; one with the id of an endpoint of the configuration gives way to it.
func New(o Options) (*Registry, error) {
	r := &Registry{o: o, store: store{o.Folder}, made: map[string]*Endpoint{}, reserved: map[string]*Endpoint{}}
	for _, e := range o.Reserved {
		r.reserved[e.ID] = e.endpoint()
	}
	if err := r.store.prepare(); err != nil {
		return nil, err
	}
	list, err := r.store.load()
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		r.restore(d)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.done.Go(func() { r.watch(ctx) })
	return r, nil
}

// restore brings a kept endpoint back.
func (r *Registry) restore(d Definition) {
	log := r.o.Logger.With(keyEndpoint, d.ID, keyModel, d.ServiceSettings.ModelID)
	if r.reserved[d.ID] != nil {
		log.Warn("a kept inference endpoint gives way to one of the configuration")
		return
	}
	m := r.model(d.ServiceSettings.ModelID)
	if m == nil {
		log.Warn("a kept inference endpoint has a model that is not configured: its calls fail")
	}
	r.made[d.ID] = r.open(d, m)
}

// Close waits for the calls that are inside of endpoints made through the API,
// and closes these. No endpoint may be made any more.
func (r *Registry) Close() error {
	r.stop()
	r.done.Wait()
	var errs []error
	for _, e := range r.All() {
		if e.pool != nil {
			errs = append(errs, e.pool.close())
		}
	}
	return errors.Join(errs...)
}

// watch looks at the load of the endpoints again and again.
func (r *Registry) watch(ctx context.Context) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			for _, e := range r.All() {
				if e.pool != nil && e.definition.ServiceSettings.adapts() {
					e.pool.tick(now)
				}
			}
		}
	}
}

// Lookup returns an endpoint.
func (r *Registry) Lookup(id string) (*Endpoint, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, ok := r.reserved[id]
	if !ok {
		e, ok = r.made[id]
	}
	return e, ok
}

// All returns the endpoints in the order of their ids.
func (r *Registry) All() []*Endpoint {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := slices.AppendSeq(make([]*Endpoint, 0, len(r.made)+len(r.reserved)), maps.Values(r.made))
	list = slices.AppendSeq(list, maps.Values(r.reserved))
	slices.SortFunc(list, func(a, b *Endpoint) int { return cmp.Compare(a.definition.ID, b.definition.ID) })
	return list
}

// Serves reports whether an endpoint of that service and model would be one of
// this program. A creation without a model is, to be told what is missing.
func (r *Registry) Serves(c Creation) bool {
	return c.Service == Service && (c.TaskType == "" || c.TaskType == TaskType) &&
		(c.ModelID == "" || r.model(c.ModelID) != nil)
}

// Refuse is the error for a creation that this program doesn't serve, for where
// there is no cluster that could.
func (r *Registry) Refuse(c Creation) error {
	if c.Service != Service {
		return statusError(http.StatusBadRequest, "Unknown service [%s]", clip(c.Service))
	}
	return unknownModel(clip(c.ModelID))
}

// model finds a model by one of its names, nil for none.
func (r *Registry) model(name string) *Model {
	if name == DefaultModelID {
		name = r.o.Default
	}
	for i := range r.o.Models {
		if r.o.Models[i].called(name) {
			return &r.o.Models[i]
		}
	}
	return nil
}

// open makes the live endpoint of a definition; without a model its calls fail.
func (r *Registry) open(d Definition, m *Model) *Endpoint {
	if m == nil {
		p := newPool(1, 0, time.Now())
		p.way = Way{Scorer: missing(d.ServiceSettings.ModelID), Resize: func(int) {}, SetWorkers: func(int) {}, Close: func() error { return nil }}
		p.bound(0, 0)
		return newEndpoint(d, "", p.way.Scorer, p)
	}
	s := d.ServiceSettings
	p := newPool(s.NumThreads, r.o.ScaleDown, time.Now())
	p.way = m.Open(m.most(s), p.around)
	p.bound(s.bounds(m.Workers))
	return newEndpoint(d, m.ID, p.way.Scorer, p)
}

// errNoModel reports an endpoint whose model is not configured any more.
var errNoModel = errors.New("the model of the endpoint is not configured")

// missing stands for a model that is not there.
type missing string

// Score implements [scorer.Scorer].
func (m missing) Score(context.Context, string, []string) ([]float32, error) {
	return nil, fmt.Errorf("%w: %s", errNoModel, string(m))
}
