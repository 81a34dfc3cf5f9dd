package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"reflect"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// errClosed ends a reload that the end of the program overtook.
var errClosed = errors.New("the program is stopping")

// manifestOf returns the manifest of a model folder, or the zero value where there
// is none that can be read, of which loading the folder tells more.
func manifestOf(name string) onnx.Manifest {
	m, err := onnx.ReadManifest(os.DirFS(name))
	if err != nil {
		return onnx.Manifest{}
	}
	return m
}

// reload loads the models anew whose folders have another manifest than when they
// were loaded, as after a symbolic link was set to another revision, and returns
// their names. Each is warm before it takes the place of the former one, which is
// closed when the calls inside it have ended; until then both are in memory. A
// model that can't be loaded, or has another id, stays as it was.
func (a *App) reload(ctx context.Context, list models, c configs.Engine, store *cache.Store) ([]string, error) {
	var reloaded []string
	var errs []error
	for _, m := range list {
		changed, err := a.reloadModel(ctx, m, c, store)
		if err != nil {
			errs = append(errs, fmt.Errorf("reload model %s: %w", m.name, err))
			a.logger.Error("model not reloaded", slog.String(keyModel, m.name), slog.Any(keyError, err))
		}
		if changed {
			reloaded = append(reloaded, m.name)
		}
	}
	return reloaded, errors.Join(errs...)
}

func (a *App) reloadModel(ctx context.Context, m *model, c configs.Engine, store *cache.Store) (changed bool, err error) {
	before := m.current()
	if _, inside := Builtin(m.name); inside || before.engine == nil {
		return false, nil
	}
	manifest, err := onnx.ReadManifest(os.DirFS(m.name))
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("without %s nothing tells whether it has changed: %w", onnx.ManifestName, err)
	}
	if err != nil || reflect.DeepEqual(manifest, before.manifest) {
		return false, err
	}
	next, err := a.openModel(ctx, m.name, c)
	if err != nil {
		return false, err
	}
	if id := next.id(m.name); id != m.id {
		err := fmt.Errorf("the folder holds another model, %s in place of %s: endpoints know it by its id, so this needs a restart", id, m.id)
		return false, errors.Join(err, next.engine.Close())
	}
	return true, m.exchange(next, store)
}

// exchange puts another generation in the place of the one in use, whose engine it
// closes once the calls inside have ended.
func (m *model) exchange(next generation, store *cache.Store) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return errors.Join(errClosed, next.engine.Close())
	}
	before := m.now
	m.now = next
	var ways []*way // those that are opened from now on are ways into the next one
	for w := range m.ways {
		ways = append(ways, w)
	}
	m.mu.Unlock()
	m.shared.Exchange(decorate(next.gate, next.fingerprint, store))
	var errs []error
	for _, w := range ways {
		errs = append(errs, w.move(next))
	}
	before.shares.Wait() // also for ways that were closed meanwhile
	return errors.Join(append(errs, before.engine.Close())...)
}

// close closes the engine in use. It must come after that of all ways.
func (m *model) close() error {
	m.mu.Lock()
	m.closed = true
	engine := m.now.engine
	m.mu.Unlock()
	if engine == nil {
		return nil
	}
	return engine.Close()
}
