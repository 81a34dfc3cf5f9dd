package onnx

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

const (
	// defaultBatchTokens is the measured best: with a 12-layer int8 model,
	// batches of 512 tokens take 30 % less processor time for each token than
	// those of 4,096, whose activations leave the core's cache, less memory,
	// and a tenth of the time to stop.
	defaultBatchTokens = 512

	// mostBatchTokens bounds what a configuration can make the arena grow to.
	mostBatchTokens = 1 << 20

	// mostWorkers bounds a mistaken configuration; a worker is a core.
	mostWorkers = 1024
)

// Options choose how an Engine works. The zero value is a good choice.
type Options struct {
	// Workers is how many batches run at the same time, each on one core. 0
	// means all cores that this process may use, a cgroup's quota respected.
	Workers int
	// BatchTokens bounds a batch: its pairs times the tokens of its longest. A
	// single pair may exceed it. It bounds memory, and how long a call waits
	// for the batch of another. 0 means 512, which was measured best. Models
	// whose pairs run alone have no use for it.
	BatchTokens int
	// MaxTokens cuts pairs, special tokens included. 0 means what the model's
	// files say; more than the model has positions for is an error of Load.
	MaxTokens int
	// Observe is told of every batch that ran to its end. It is called by the
	// workers, at the same time, and should be quick. nil means nobody is told.
	Observe func(Batch)
}

// Batch describes one run of the model.
type Batch struct {
	Pairs        int
	Tokens       int           // of the pairs, special tokens included
	PaddedTokens int           // that the model ran, padding included
	Duration     time.Duration // of the run
}

// Info describes the loaded model. What no file says is empty.
type Info struct {
	ID, Revision, Licence, Origin string
	// Precision is the manifest's, or else what the operators and weights in the graph say.
	Precision string
	// Head is what the model's output is, from which the raw logit is taken.
	Head Head
	// MaxTokens is the longest pair, special tokens included; longer ones are cut.
	MaxTokens int
	// Template is the frame of a pair: see [tokenizer.Tokenizer.Template].
	Template string
	// Batching tells whether pairs share batches. It was found out by trying.
	Batching Batching
	// Sway is how far the scores of a few pairs moved with the pairs beside them,
	// at most.
	Sway float64
	// Saturates tells that the weights have 8 bits and that this processor, which was
	// tried, cuts sums of their products: scores are not those of the model elsewhere.
	Saturates bool
}

// Load makes an Engine of a model folder's files, of which it keeps none. It
// refuses a model that is no cross-encoder, see [Head], by its
// declared inputs and outputs and by a run of short pairs, which also
// shows whether pairs may share batches. The engine's
// workers run until [Engine.Close]. [Init] must have succeeded.
func Load(f Files, o Options) (*Engine, error) {
	e, err := load(f, o)
	if err != nil && f.Manifest.ID != "" {
		return nil, fmt.Errorf("load model %s: %w", f.Manifest.ID, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	return e, nil
}

func load(f Files, o Options) (*Engine, error) {
	if !initialized() {
		return nil, errors.New("ONNX Runtime is not loaded: call Init first")
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if len(f.Model) == 0 {
		return nil, errors.New("the model has no graph")
	}
	tok, err := tokenizer.New(tokenizer.Files{Tokenizer: f.Tokenizer, Config: f.TokenizerConfig})
	if err != nil {
		return nil, err
	}
	o.MaxTokens, err = maxTokens(o.MaxTokens, f, tok)
	if err != nil {
		return nil, errors.Join(err, tok.Close())
	}
	g, err := readGraph(f.Model)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read model: %w", err), tok.Close())
	}
	s, err := openSession(f.Model, g)
	if err != nil {
		return nil, errors.Join(err, tok.Close())
	}
	e := newEngine(s, tok, o)
	e.info = Info{
		ID: f.Manifest.ID, Revision: f.Manifest.Revision, Licence: f.Manifest.Licence, Origin: f.Manifest.Origin,
		Precision: cmp.Or(f.Manifest.Precision, g.precision()), MaxTokens: o.MaxTokens, Template: tok.Template(),
	}
	e.fingerprint = fingerprint(f, e.info, tok.PadID())
	if err := e.settleBatching(context.Background()); err != nil {
		return nil, err
	}
	if g.eightBits() {
		if e.info.Saturates, err = saturates(); err != nil {
			return nil, errors.Join(fmt.Errorf("try products of integers: %w", err), e.Close())
		}
	}
	return e, nil
}

func (o Options) withDefaults() (Options, error) {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.BatchTokens == 0 {
		o.BatchTokens = defaultBatchTokens
	}
	if o.Workers < 1 || o.Workers > mostWorkers {
		return o, fmt.Errorf("workers is %d, want 1 to %d", o.Workers, mostWorkers)
	}
	if o.BatchTokens < 1 || o.BatchTokens > mostBatchTokens {
		return o, fmt.Errorf("batch tokens is %d, want 1 to %d", o.BatchTokens, mostBatchTokens)
	}
	return o, nil
}

// encodingRules changes whenever this program starts to make another input of
// the same texts, or to run it in another way, so that scores kept from before
// are not taken for its own.
const encodingRules = "2"

// fingerprint digests all that changes a score apart from the two texts.
func fingerprint(f Files, i Info, padID uint32) string {
	h := sha256.New()
	for _, data := range [][]byte{f.Model, f.Tokenizer} {
		sum := sha256.Sum256(data)
		h.Write(sum[:])
	}
	// The values are of fixed form and %q ends each string unmistakably.
	// A hash never fails to take what is written to it.
	_, _ = fmt.Fprintf(h, "%q %q %q %d %d", encodingRules, i.Precision, i.Template, i.MaxTokens, padID)
	return hex.EncodeToString(h.Sum(nil))
}
