package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/admin"
	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// An endpoint that a caller made keeps its queue and workers when the model below
// it is exchanged, and the former engine outlives the calls and ways into it.
func TestWaysOfInferenceEndpointsMoveWithTheirModel(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "mine")
	if err := os.CopyFS(folder, os.DirFS("../../scorer/onnx/testdata/reference/model")); err != nil {
		t.Fatal(err)
	}
	c := configs.Default()
	c.Endpoints = []configs.Endpoint{{ID: "e", Model: folder}}
	a := &App{logger: slog.New(slog.DiscardHandler), metrics: admin.NewMetrics(admin.NewRegistry())}
	list, err := a.openModels(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	counted := func(s scorer.Scorer) scorer.Scorer { return s }
	m := list[0]
	w, idle := m.open(c.Engine, nil, 1, counted), m.open(c.Engine, nil, 1, counted)
	w.SetWorkers(1)
	ask := func(s scorer.Scorer) []float32 {
		t.Helper()
		scores, err := s.Score(t.Context(), "tide", []string{"moon", "the moon moves the water of the ocean twice a day"})
		if err != nil {
			t.Fatal(err)
		}
		return scores
	}
	first := ask(w.Scorer)
	waiting := make(chan error, 1)
	entered := m.current().engine // its share has no workers: the call waits
	go func() {
		_, err := idle.Scorer.Score(t.Context(), "tide", []string{"moon"})
		waiting <- err
	}()
	inside := func() (calls int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for way := range m.ways {
			calls += way.share.Backlog().Calls
		}
		return calls
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); inside() == 0; <-tick.C { // until the call waits
		if time.Now().After(end) || len(waiting) > 0 {
			t.Fatal("the call does not wait")
		}
	}

	// Another revision with shorter pairs, so that the long text is cut.
	manifest, err := onnx.ReadManifest(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	manifest.Revision, manifest.MaxTokens = "2", 12
	data, err := json.Marshal(manifest)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, onnx.ManifestName), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	reloaded, err := a.reload(t.Context(), list, c.Engine, nil)
	if err != nil || !slices.Equal(reloaded, []string{folder}) || m.current().engine == entered {
		t.Fatalf("reloaded %q, %v", reloaded, err)
	}
	idle.SetWorkers(1) // as a pool does when it sees a call
	if err := <-waiting; err != nil {
		t.Errorf("the call that waited: %v", err)
	}
	if second := ask(w.Scorer); slices.Equal(first, second) || !slices.Equal(second, ask(m.shared)) || !slices.Equal(second, ask(idle.Scorer)) {
		t.Errorf("scores %v, before %v, of the endpoint in the configuration %v", second, first, ask(m.shared))
	}
	if _, err := entered.Score(t.Context(), "tide", []string{"moon"}); err == nil {
		t.Error("the former engine is not closed")
	}
	for _, way := range []func() error{w.Close, w.Close, idle.Close} {
		if err := way(); err != nil {
			t.Error(err)
		}
	}
}

// blocked is a scorer whose calls wait until their callers leave.
type blocked struct{}

func (blocked) Score(ctx context.Context, _ string, _ []string) ([]float32, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestTheQueueOfAWayHasThePlacesOfItsSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := configs.Default().Engine
		c.Waiting = 0
		m := &model{now: generation{core: core{scorer: blocked{}}}, ways: map[*way]bool{}}
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		refused := 0
		fill := func(s scorer.Scorer, calls int) {
			for range calls {
				go func() {
					if _, err := s.Score(ctx, "q", []string{"p"}); errors.Is(err, scorer.ErrOverloaded) {
						refused++
					}
				}()
				synctest.Wait()
			}
		}
		w := m.open(c, nil, 1, func(s scorer.Scorer) scorer.Scorer { return s })
		fill(w.Scorer, places(1)+1)
		if refused != 1 {
			t.Fatalf("%d calls refused of one more than there are places, want 1", refused)
		}
		w.Resize(3)
		fill(w.Scorer, places(3)-places(1)+1)
		if refused != 2 {
			t.Errorf("%d calls refused after the queue has grown, want one more", refused)
		}
	})
}
