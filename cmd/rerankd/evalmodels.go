package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/overlap"
)

// openModels opens models for an off-line evaluation. Whatever open returns,
// close is to be called.
type openModels struct {
	config   configs.Config
	asked    evalInput
	names    evalNames
	passages map[string]string

	named  []evaluate.Named
	opened map[string]string // arguments by the fingerprint of their models
	stops  []func() error
}

func (m *openModels) open(ctx context.Context) error {
	m.opened = map[string]string{}
	for _, name := range m.asked.models {
		if err := m.openOne(ctx, name); err != nil {
			return fmt.Errorf("open model %s: %w", name, err)
		}
	}
	return nil
}

// close closes all models and their scores, and returns what went wrong.
func (m *openModels) close() error {
	var errs []error
	for _, stop := range m.stops {
		errs = append(errs, stop())
	}
	m.stops = nil
	return errors.Join(errs...)
}

func (m *openModels) openOne(ctx context.Context, name string) error {
	if name == configs.ModelOverlap && m.config.Rerank.AllowTestModels {
		return m.add(overlap.Words{}, name, name, name)
	}
	engine, err := app.OpenEngine(ctx, name, m.config.Engine, nil)
	if err != nil {
		return err
	}
	m.stops = append(m.stops, engine.Close)
	return m.add(engine, engine.Info().ID, name, engine.Fingerprint())
}

func (m *openModels) add(s scorer.Scorer, own, from, fingerprint string) error {
	if before, twice := m.opened[fingerprint]; twice {
		return fmt.Errorf("it is the same as %s", before)
	}
	m.opened[fingerprint] = from
	var kept *evaluate.Scores
	if !m.asked.fresh {
		var err error
		if kept, err = evaluate.OpenScores(m.asked.scores, fingerprint); err != nil {
			return fmt.Errorf("%w (--fresh does without kept scores)", err)
		}
		m.stops = append(m.stops, kept.Close)
	}
	model := evaluate.NewModel(s, m.passages, kept)
	name := m.names.choose(own, from)
	m.named = append(m.named, evaluate.Named{Name: name, Reranker: model})
	for _, patience := range m.asked.patience {
		patient := m.names.choose(fmt.Sprintf("%s, patience %d", name, patience), name)
		m.named = append(m.named, evaluate.Named{Name: patient, Reranker: model.Patient(patience, m.asked.measures[0].Cut())})
	}
	return nil
}
