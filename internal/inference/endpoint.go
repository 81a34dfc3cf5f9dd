package inference

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/rerankd/rerankd/retriever"
	"github.com/rerankd/rerankd/scorer"
)

// Endpoint is an inference endpoint as it was when it was looked up: a later
// change makes another value. It is safe for concurrent use.
type Endpoint struct {
	definition Definition
	model      string // ID of the model; empty: it is not configured
	scorer     scorer.Scorer
	pool       *pool // nil for an endpoint of the configuration, which shares its model's workers
}

var _ scorer.Scorer = (*Endpoint)(nil)

func newEndpoint(d Definition, model string, s scorer.Scorer, p *pool) *Endpoint {
	if d.ServiceSettings.LongDocumentStrategy == StrategyChunk {
		s = &byChunks{inner: s, most: d.ServiceSettings.MaxChunksPerDoc}
	}
	return &Endpoint{definition: d, model: model, scorer: s, pool: p}
}

// Reserved reports an endpoint of the configuration, which the API can't change.
func (e *Endpoint) Reserved() bool { return e.pool == nil }

// Model is the ID of the endpoint's model, empty if that is not configured any more.
func (e *Endpoint) Model() string { return e.model }

// TopN is the most passages that a ranking holds; 0: any number.
func (e *Endpoint) TopN() int { return e.definition.TaskSettings.TopN }

// Definition is what the endpoint was made of, with the number of allocations that
// it has at the moment.
func (e *Endpoint) Definition() Definition {
	d := e.definition
	if e.pool != nil {
		n := e.pool.allocations()
		d.ServiceSettings.NumAllocations = &n
	}
	return d
}

// Load tells how many allocations the endpoint has and how many calls are inside
// of it, waiting ones included. Endpoints of the configuration count no calls.
func (e *Endpoint) Load() (allocations, calls int) {
	if e.pool == nil {
		return *e.definition.ServiceSettings.NumAllocations, 0
	}
	return e.pool.allocations(), e.pool.load()
}

// Score implements [scorer.Scorer].
func (e *Endpoint) Score(ctx context.Context, query string, passages []string) ([]float32, error) {
	return e.scorer.Score(ctx, query, passages)
}

// CheckTask returns the error for a task that the endpoint doesn't have; an empty
// one and "any" are every endpoint's.
func (e *Endpoint) CheckTask(task string) error {
	if task == "" || task == anyTask || task == TaskType {
		return nil
	}
	return statusError(400, "Requested task type [%s] does not match the inference endpoint's task type [%s]", clip(task), TaskType)
}

// CheckCall is CheckTask in the words that the original has for inference calls.
func (e *Endpoint) CheckCall(task string) error {
	if e.CheckTask(task) == nil {
		return nil
	}
	return statusError(400, "Incompatible task_type, the requested type [%s] does not match the model type [%s]", clip(task), TaskType)
}

// anyTask stands for every task in a path.
const anyTask = "any"

// Rerank answers an inference call: the texts of the input by their raw score,
// highest first, equal ones in the order of the input. The error is the scorer's.
func (e *Endpoint) Rerank(ctx context.Context, r Rerank) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // a cached score would still be too late
	}
	scores, err := e.Score(ctx, r.Query, r.Input)
	if err != nil {
		return nil, fmt.Errorf("score %d texts: %w", len(r.Input), err)
	}
	if len(scores) != len(r.Input) {
		return nil, fmt.Errorf("%w: %d scores for %d texts", scorer.ErrScores, len(scores), len(r.Input))
	}
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	settings := e.definition.TaskSettings.over(r.settings())
	if n := settings.TopN; n > 0 {
		order = order[:min(n, len(order))]
	}
	return ranking(order, scores, r.Input, settings.ReturnDocuments == nil || *settings.ReturnDocuments), nil
}

// settings are the task settings that a request brings.
func (r Rerank) settings() TaskSettings {
	s := TaskSettings{ReturnDocuments: r.ReturnDocuments}
	if r.TopN != nil {
		s.TopN = *r.TopN
	}
	return s
}

// ranking renders the answer of an inference call.
func ranking(order []int, scores []float32, texts []string, shown bool) []byte {
	var b bytes.Buffer
	quote := json.NewEncoder(&b)
	quote.SetEscapeHTML(false)
	b.WriteString(`{"rerank":[`)
	for n, i := range order {
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"index":` + strconv.Itoa(i) + `,"relevance_score":`)
		b.Write(retriever.FormatScore(scores[i]))
		if shown {
			b.WriteString(`,"text":`)
			// A string can always be encoded, and memory written to.
			_ = quote.Encode(texts[i])
			b.Truncate(b.Len() - 1) // the encoder ends each value with a line feed
		}
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// Render encodes an answer of the API without escaping what HTML would want
// escaped, as Elasticsearch does.
func Render(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
