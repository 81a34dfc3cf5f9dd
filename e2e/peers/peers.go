package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rerankd/rerankd/e2e/peers/report"
)

// Models: the same weights in two forms, and the program's own.
const (
	fp32 = "fp32"
	int8 = "int8"
	own  = "built-in"
)

// rewritten is what rerankd's own tools make of a model: see training/quantize.
const rewritten = ", rewritten"

// Names of what is compared with the others.
const (
	inProcess = "rerankd in process"
	overHTTP  = "rerankd over HTTP"
)

// peer is a row of the tables.
type peer struct {
	name, model string
	kind        report.Kind
	scores      string // what its scores are
	note        string // why they differ from those of the others
	start       func(ctx context.Context) (worker, error)
}

// Kinds of scores.
const (
	logits        = "logits"
	probabilities = "probabilities"
)

const (
	// shared is why int8 scores differ.
	shared = "one scale of activations for all pairs of a batch"
	// requantised is why those of the rewritten int8 graph do.
	requantised = "8 bits made anew, by output channel"
	// noTypes is what Infinity's second engine does.
	noTypes = "leaves the token type ids out"
)

// allPeers lists those that score, in the order of the tables.
func (cmp *comparison) allPeers() []peer {
	var list []peer
	for _, model := range []string{fp32, int8, own} {
		list = append(list,
			peer{inProcess, model, report.Library, logits, "", cmp.engine(cmp.folder(model))},
			peer{overHTTP, model, report.Server, logits, "", cmp.rerankd(cmp.folder(model))},
		)
	}
	return append(list,
		peer{inProcess + rewritten, fp32, report.Library, logits, "", cmp.engine(cmp.folder(fp32 + rewritten))},
		peer{overHTTP + rewritten, fp32, report.Server, logits, "", cmp.rerankd(cmp.folder(fp32 + rewritten))},
		peer{inProcess + rewritten, int8, report.Library, logits, requantised, cmp.engine(cmp.folder(int8 + rewritten))},
		peer{overHTTP + rewritten, int8, report.Server, logits, requantised, cmp.rerankd(cmp.folder(int8 + rewritten))},
		peer{"sentence-transformers, torch", fp32, report.Library, logits, "", cmp.library("sentence-transformers-torch", fp32)},
		peer{"sentence-transformers, onnx", fp32, report.Library, logits, "", cmp.library("sentence-transformers-onnx", fp32)},
		peer{"fastembed", fp32, report.Library, logits, "", cmp.library("fastembed", fp32)},
		peer{"Infinity, torch", fp32, report.Server, logits, "", cmp.infinity("torch", fp32)},
		peer{"Infinity, optimum", fp32, report.Server, logits, noTypes, cmp.infinity("optimum", fp32)},
		peer{"sentence-transformers, onnx", int8, report.Library, logits, shared, cmp.library("sentence-transformers-onnx", int8)},
		peer{"fastembed", int8, report.Library, logits, shared, cmp.library("fastembed", int8)},
		peer{"FlashRank", int8, report.Library, probabilities, shared, cmp.library("flashrank", int8)},
		peer{"Infinity, optimum", int8, report.Server, logits, noTypes + "; " + shared, cmp.infinity("optimum", int8)},
	)
}

// absent are the peers that no machine can have by packages alone.
func absent() []report.LeftOut {
	return []report.LeftOut{{Name: "text-embeddings-inference", Reason: "is published as container images and sources, not as a package of a registry"}}
}

// folder is the model as rerankd imports it.
func (cmp *comparison) folder(model string) string {
	if model == own {
		return builtIn
	}
	return filepath.Join(cmp.temp, strings.ReplaceAll(model, ", ", "-"))
}

func (cmp *comparison) engine(folder string) func(context.Context) (worker, error) {
	return func(ctx context.Context) (worker, error) {
		return startPipe(ctx, cmp.self, engineCommand, folder)
	}
}

func (cmp *comparison) library(name, model string) func(context.Context) (worker, error) {
	return func(ctx context.Context) (worker, error) {
		return startPipe(ctx, filepath.Join(cmp.libraries, "bin", "python"), filepath.Join(cmp.scripts, "worker.py"), name,
			filepath.Join(cmp.models, model), strconv.Itoa(threads))
	}
}

// rerankd serves a model without a cache, before a cluster that lets everybody in.
func (cmp *comparison) rerankd(folder string) func(context.Context) (worker, error) {
	return func(ctx context.Context) (worker, error) {
		return startServer(ctx, "", rerankdDialect, nil, func(port string) *exec.Cmd {
			return exec.CommandContext(ctx, cmp.program, append(cmp.serve(port), "--endpoints", "bench="+folder,
				"--rerank.default_endpoint", "bench", "--cache.bytes", "0")...) //nolint:gosec // the program that was built for this
		})
	}
}

// serve is how the program is started on a port, before the upstream.
func (cmp *comparison) serve(port string) []string {
	return []string{
		"serve", "--listen", "127.0.0.1:" + port, "--admin.listen=", "--log.level", "warn",
		"--upstream.urls", "http://127.0.0.1:" + cmp.upstream.port, "--upstream.flavour", "elasticsearch",
	}
}

// infinity is started in the model's folder, where its engine for ONNX files
// finds them.
func (cmp *comparison) infinity(engine, model string) func(context.Context) (worker, error) {
	return func(ctx context.Context) (worker, error) {
		program := filepath.Join(cmp.infinityEnv, "bin", "infinity_emb")
		dir := filepath.Join(cmp.models, model)
		if engine == "optimum" {
			dir = filepath.Join(cmp.models, "infinity", model)
		}
		out, err := exec.CommandContext(ctx, filepath.Join(cmp.infinityEnv, "bin", "python"), "-c",
			`import importlib.metadata as m; print(m.version("infinity-emb"))`).Output()
		if err != nil {
			return nil, err
		}
		told := map[string]string{"infinity-emb": strings.TrimSpace(string(out))}
		return startServer(ctx, dir, infinityDialect, told, func(port string) *exec.Cmd {
			return exec.CommandContext(ctx, program, "v2", "--model-id", ".", "--served-model-name", "m", "--engine", engine,
				"--device", "cpu", "--host", "127.0.0.1", "--port", port, "--no-bettertransformer", "--no-model-warmup", "--log-level", "warning") //nolint:gosec // ours
		})
	}
}
