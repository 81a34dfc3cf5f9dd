package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
	"github.com/rerankd/rerankd/internal/bench"
	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/scorer/onnx"
	"github.com/rerankd/rerankd/scorer/overlap"
)

func benchCommand() command {
	return command{
		name:    "bench",
		summary: "measure what this machine does with a model",
		about: "Scores made-up texts and prints pairs a second by their length and number, latency by depth, padding,\n" +
			"where the time goes, the speed of the cache, how much of the machine's peak the model uses, and how\n" +
			"deep a search can be reranked within a time. Nothing else should run meanwhile.\n" +
			"It opens no port and asks no cluster.",
		example: []string{
			"rerankd bench",
			"rerankd bench --target 100ms",
			"rerankd bench --model models/mine --time 1m --json",
			"rerankd bench --depths 20,200 --lengths 64,256 --engine.workers 1",
		},
		options: []option{{"json", "print one JSON object"}},
		values:  benchValues(),
		config:  true,
		run:     runBench,
	}
}

func runBench(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	asked, err := readBench(in)
	if err != nil {
		return err
	}
	drain, _, release := interrupts(o.signals)
	defer release()
	report, err := measure(drain, o, c, asked)
	if err != nil && drain.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	if !asked.json {
		return report.WriteText(o.stdout)
	}
	out := json.NewEncoder(o.stdout)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// measure opens the model, measures, and closes it.
func measure(ctx context.Context, o outside, c configs.Config, asked benchInput) (_ *bench.Report, err error) {
	options := bench.Options{
		Model: bench.Model{Name: asked.model}, Machine: bench.ThisMachine(),
		Depths: asked.depths, Batches: batches, Targets: asked.targets, Time: asked.time,
		Progress: evaluate.NewProgress(o.stderr, isTerminal(o.stderr)),
	}
	options.Machine.Workers = c.Engine.Workers
	if c.Engine.Workers == 0 {
		options.Machine.Workers = runtime.GOMAXPROCS(0)
	}
	options.Callers = callersPerWorker * options.Machine.Workers
	if asked.model == configs.ModelOverlap && c.Rerank.AllowTestModels {
		options.Scorer, options.MaxTokens = overlap.Words{}, maxLength
	} else {
		stop, err := useEngine(ctx, &options, c.Engine)
		if err != nil {
			return nil, fmt.Errorf("open model %s: %w", asked.model, err)
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	options.Lengths = asked.upTo(options.MaxTokens)
	return bench.Run(ctx, options)
}

// useEngine has a model measured, and the machine beside it. stop frees both.
func useEngine(ctx context.Context, o *bench.Options, c configs.Engine) (stop func() error, err error) {
	engine, err := app.OpenEngine(ctx, o.Model.Name, c, nil)
	if err != nil {
		return nil, err
	}
	gauge, err := onnx.NewGauge(o.Machine.Workers)
	if err != nil {
		return nil, errors.Join(err, engine.Close())
	}
	info := engine.Info()
	o.Model.ID, o.Model.Revision, o.Model.Precision, o.Model.Batching = printable(info.ID), printable(info.Revision), printable(info.Precision), string(info.Batching)
	o.Machine.Runtime = onnx.Version()
	o.Scorer, o.MaxTokens, o.Peak = engine, info.MaxTokens, gauge.Measure
	o.Work = func(ctx context.Context, tokens int) (float64, error) { return app.Work(ctx, o.Model.Name, tokens) }
	return func() error { return errors.Join(gauge.Close(), engine.Close()) }, nil
}
