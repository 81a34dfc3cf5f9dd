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
	opened map[string]*openModel // by fingerprint
	stops  []func() error
}

// openModel is a model with its names.
type openModel struct {
	*evaluate.Model

	own, from string // what it calls itself, and the argument that it was opened by
	listed    bool   // among those that are measured
}

func (m *openModels) open(ctx context.Context) error {
	m.opened = map[string]*openModel{}
	var first *openModel
	if m.asked.first != "" {
		var err error
		if first, err = m.openOne(ctx, m.asked.first); err != nil {
			return fmt.Errorf("open model %s: %w", m.asked.first, err)
		}
	}
	for _, name := range m.asked.models {
		model, err := m.openOne(ctx, name)
		if err == nil && model.listed {
			err = fmt.Errorf("it is the same as %s", model.from)
		}
		if err != nil {
			return fmt.Errorf("open model %s: %w", name, err)
		}
		m.list(model, first)
	}
	if first != nil && len(m.opened) == 1 {
		return fmt.Errorf("there is no model but --first %s itself: name another with --model", m.asked.first)
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

func (m *openModels) openOne(ctx context.Context, name string) (*openModel, error) {
	for _, before := range m.opened {
		if before.from == name {
			return before, nil
		}
	}
	if name == configs.ModelOverlap && m.config.Rerank.AllowTestModels {
		return m.add(overlap.Words{}, name, name, name)
	}
	engine, err := app.OpenEngine(ctx, name, m.config.Engine, nil)
	if err != nil {
		return nil, err
	}
	m.stops = append(m.stops, engine.Close)
	return m.add(engine, engine.Info().ID, name, engine.Fingerprint())
}

// add returns the model of this fingerprint, which may have been opened before.
func (m *openModels) add(s scorer.Scorer, own, from, fingerprint string) (*openModel, error) {
	if before, ok := m.opened[fingerprint]; ok {
		return before, nil
	}
	var kept *evaluate.Scores
	if !m.asked.fresh {
		var err error
		if kept, err = evaluate.OpenScores(m.asked.scores, fingerprint); err != nil {
			return nil, fmt.Errorf("%w (--fresh does without kept scores)", err)
		}
		m.stops = append(m.stops, kept.Close)
	}
	model := &openModel{Model: evaluate.NewModel(s, m.passages, kept), own: own, from: from}
	m.opened[fingerprint] = model
	return model, nil
}

// list adds the model and its variants to those that are measured. first, which
// may be nil, is the first model of cascades; there is none of a model with itself.
func (m *openModels) list(model, first *openModel) {
	model.listed = true
	name := m.names.choose(model.own, model.from)
	m.named = append(m.named, evaluate.Named{Name: name, Reranker: model.Model})
	variant := func(r evaluate.Reranker, format string, args ...any) {
		full := name + fmt.Sprintf(format, args...)
		m.named = append(m.named, evaluate.Named{Name: m.names.choose(full, full), Reranker: r})
	}
	for _, patience := range m.asked.patience {
		variant(model.Patient(patience, m.asked.measures[0].Cut()), ", patience %d", patience)
	}
	if first == model || first == nil {
		return
	}
	of := first.own
	if of == "" || of == model.own {
		of = first.from
	}
	for _, keep := range m.asked.keep {
		variant(model.After(first.Model, keep), ", best %d of %s", keep, of)
	}
}
