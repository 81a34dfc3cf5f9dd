package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/admin"
	"github.com/rerankd/rerankd/internal/inference"
	"github.com/rerankd/rerankd/proxy"
	"github.com/rerankd/rerankd/retriever"
	"github.com/rerankd/rerankd/scorer"
)

// ErrDraining is why a program that was told to stop is not ready.
var ErrDraining = errors.New("stopping")

// Options are what a program is built from.
type Options struct {
	// Config must be valid. Required.
	Config configs.Config

	// Logger takes every line of the program. Required.
	Logger *slog.Logger

	// Version is shown among the metrics.
	Version string
}

// App is the program, built by [New]: [App.Start] it, [App.Wait] for it, and
// [App.Stop] it in any case. Its methods are safe for concurrent use, except
// that Start must come once and before Wait.
type App struct {
	logger   *slog.Logger
	metrics  *admin.Metrics
	proxy    *server
	admin    *server // nil when it is off
	draining atomic.Bool
	failed   chan error // has room for one error of each server

	// stops is what ends each part, registered when the part was made. Stop
	// runs it backwards: what is used ends after what uses it.
	stops    []teardown
	stopOnce sync.Once
	stopErr  error
}

type teardown struct {
	name string
	stop func(context.Context) error
}

// New builds every part, loads and warms up the models, and binds the
// listeners, so that their addresses are known; nothing is served yet. It takes
// as long as the models do, and gives up when ctx ends. On error nothing is left
// behind; otherwise Stop must be called.
func New(ctx context.Context, o Options) (*App, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("check the configuration: %w", err)
	}
	o.Logger.Info("configuration", keyConfig, o.Config)
	registry := admin.NewRegistry()
	a := &App{logger: o.Logger, metrics: admin.NewMetrics(registry), failed: make(chan error, 2)}
	if err := a.build(ctx, o.Config, admin.Options{Gatherer: registry}); err != nil {
		return nil, errors.Join(err, a.Stop(ctx))
	}
	a.observeBuild(o.Version)
	return a, nil
}

// build makes the parts in the order in which they need each other.
func (a *App) build(ctx context.Context, c configs.Config, ao admin.Options) error {
	store, err := a.openStore(c.Cache)
	if err != nil {
		return err
	}
	models, err := a.openModels(ctx, c, store)
	if err != nil {
		return err
	}
	endpoints, err := a.openRegistry(c, models, store) //nolint:contextcheck // its watch over the load outlives the start
	if err != nil {
		return err
	}
	ao.Models = func() []admin.Model { return describe(endpoints, models, c.Endpoints) }
	ao.Reload = func(ctx context.Context) ([]string, error) { return a.reload(ctx, models, c.Engine, store) }
	upstream, err := a.openUpstream(c.Upstream) //nolint:contextcheck // its probes outlive the start
	if err != nil {
		return err
	}
	handler, err := a.newProxy(c, upstream, endpoints)
	if err != nil {
		return err
	}
	if c.Admin.Listen != "" {
		if a.admin, err = a.listen(ctx, "admin listener", c.Admin.Listen, a.newAdmin(ao, c.Admin, upstream), c.Limits); err != nil {
			return err
		}
	}
	a.proxy, err = a.listen(ctx, "proxy", c.Listen, handler, c.Limits)
	return err
}

// openStore returns nil when the cache is off.
func (a *App) openStore(c configs.Cache) (*cache.Store, error) {
	if c.Bytes == 0 {
		return nil, nil
	}
	store, err := cache.New(cache.Options{MaxBytes: int64(c.Bytes)})
	if err != nil {
		return nil, err
	}
	a.observeStore(store)
	a.onStop("cache", func(context.Context) error { return store.Close() })
	return store, nil
}

func (a *App) openUpstream(c configs.Upstream) (*proxy.Upstream, error) {
	u, err := proxy.NewUpstream(proxy.UpstreamOptions{
		URLs:                c.URLs,
		Flavour:             proxy.Flavour(c.Flavour),
		CAFile:              c.CAFile,
		InsecureSkipVerify:  c.InsecureSkipVerify,
		DialTimeout:         c.DialTimeout,
		MaxIdleConnsPerHost: c.MaxIdleConnsPerHost,
		HealthInterval:      c.HealthInterval,
		Logger:              a.logger,
	})
	if err != nil {
		return nil, err
	}
	a.observeUpstream(u)
	a.onStop("upstream", func(context.Context) error { return u.Close() }) //nolint:contextcheck // it waits for nothing
	return u, nil
}

// held is how many bytes reranked requests may hold together.
func held(l configs.Limits) configs.ByteSize {
	if l.HeldBytes > 0 {
		return l.HeldBytes
	}
	return 4 * (l.BodyBytes + l.AnswerBytes)
}

func (a *App) newProxy(c configs.Config, u *proxy.Upstream, endpoints *inference.Registry) (http.Handler, error) {
	p, err := proxy.New(proxy.Options{
		Upstream: u,
		Endpoint: func(id string) (scorer.Scorer, bool) {
			e, ok := endpoints.Lookup(id)
			return e, ok
		},
		Inference:       endpoints,
		ManageEndpoints: c.Inference.Manage,
		Observer:        a.metrics,
		Logger:          a.logger,
		BodyLimit:       int64(c.Limits.BodyBytes),
		AnswerLimit:     int64(c.Limits.AnswerBytes),
		Searches:        c.Limits.Searches,
		HeldBytes:       int64(held(c.Limits)),
		Retriever: retriever.Options{
			DefaultWindow:   c.Rerank.DefaultWindow,
			MaxWindow:       c.Limits.Window,
			DefaultEndpoint: c.Rerank.DefaultEndpoint,
			PassFusion:      c.Rerank.Fusion == configs.FusionCluster,
			FuseAlone:       c.Rerank.FusionAlone,
			FieldTemplates:  c.Rerank.FieldTemplates,
		},
		RerankTimeout: c.Rerank.Timeout,
		FailOnRerank:  c.Rerank.OnFailure == configs.OnFailureFail,
		Rules:         rules(c),
	})
	if err != nil {
		return nil, err
	}
	a.metrics.WatchRequests(p.Load)
	return p, nil
}

func (a *App) listen(ctx context.Context, name, address string, h http.Handler, limits configs.Limits) (*server, error) {
	s, err := listen(ctx, name, address, h, limits, a.logger)
	if err != nil {
		return nil, err
	}
	a.onStop(name, s.stop)
	return s, nil
}

// onStop registers what ends a part. It is for the building alone.
func (a *App) onStop(name string, stop func(context.Context) error) {
	a.stops = append(a.stops, teardown{name, stop})
}

// Start begins to serve and returns at once.
func (a *App) Start() {
	if a.admin != nil {
		a.admin.start(a.failed)
		a.logger.Info("admin listener", keyAddress, a.AdminAddr())
	}
	a.proxy.start(a.failed)
	a.logger.Info("listening", keyAddress, a.Addr())
}

// Addr returns the host:port on which clients connect.
func (a *App) Addr() string { return a.proxy.listener.Addr().String() }

// AdminAddr returns the host:port of the admin listener, "" when it is off.
func (a *App) AdminAddr() string {
	if a.admin == nil {
		return ""
	}
	return a.admin.listener.Addr().String()
}

// Wait returns nil when ctx ends, or before that the error of a listener that
// broke.
func (a *App) Wait(ctx context.Context) error {
	select {
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// Stop ends the program: it is not ready any more, takes no new requests, lets
// those in flight end until ctx does and then cuts them short, and closes every
// part in the reverse order of its making. A part that fails to stop does not
// keep the others from it; the errors are joined, each with the part's name.
// Later calls return what the first one returned.
func (a *App) Stop(ctx context.Context) error {
	a.stopOnce.Do(func() {
		a.draining.Store(true)
		var errs []error
		for _, t := range slices.Backward(a.stops) {
			if err := t.stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop the %s: %w", t.name, err))
			}
		}
		a.stopErr = errors.Join(errs...)
	})
	return a.stopErr
}
