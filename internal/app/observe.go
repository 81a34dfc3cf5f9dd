package app

import (
	"net/http"
	"runtime"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/admin"
	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/proxy"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// observeBuild shows the versions among the metrics. The models are loaded by
// then, and ONNX Runtime with them.
func (a *App) observeBuild(version string) {
	a.metrics.SetBuild(admin.Build{
		Version:     version,
		Go:          runtime.Version(),
		ONNXRuntime: onnx.Version(),
		Tokenizers:  native.TokenizersVersion,
	})
}

func (a *App) observeStore(store *cache.Store) {
	a.metrics.WatchCache(func() admin.CacheCounts { return admin.CacheCounts(store.Stats()) })
}

func (a *App) observeUpstream(u *proxy.Upstream) {
	for i, node := range u.Nodes() {
		a.metrics.WatchNode(node.URL, func() bool { return u.Nodes()[i].Live })
	}
}

func (a *App) observeBatch(b onnx.Batch) {
	a.metrics.Batch(b.Pairs, b.Tokens, b.PaddedTokens, b.Duration.Seconds())
}

// observeModel shows a model and its load, whichever generation is in use.
func (a *App) observeModel(m *model) {
	a.metrics.WatchQueue(m.name, func() (running, waiting int, refused int64) { return m.current().gate.Load() })
	if m.current().engine == nil {
		return
	}
	a.metrics.WatchEngine(m.name, func() (admin.Model, admin.EngineLoad) {
		now := m.current()
		load := now.engine.Backlog()
		return now.about(), admin.EngineLoad{Workers: load.Workers, Batches: load.Batches, OpenTokens: load.OpenTokens}
	})
}

// newAdmin returns the handler of the admin listener. o brings what gathers the
// metrics.
func (a *App) newAdmin(o admin.Options, c configs.Admin, u *proxy.Upstream) http.Handler {
	o.Logger = a.logger
	// There is no check of the models: they are warm before anything listens.
	o.Checks = []admin.Check{
		{Name: "running", OK: a.running},
		{Name: "upstream", OK: u.Ready},
	}
	o.Token = c.Token.Reveal()
	o.Pprof = true // for callers on this machine, or with the token
	return admin.New(o)
}

// running is ErrDraining as soon as the program was asked to stop: whoever
// balances the load should look elsewhere then.
func (a *App) running() error {
	if a.draining.Load() {
		return ErrDraining
	}
	return nil
}
