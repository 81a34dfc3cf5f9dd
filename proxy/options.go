package proxy

import (
	"errors"
	"log/slog"
	"time"

	"github.com/rerankd/rerankd/internal/inference"
	"github.com/rerankd/rerankd/retriever"
	"github.com/rerankd/rerankd/scorer"
)

// Options are the parts and limits of a [Proxy]. All of Upstream, Endpoint,
// Observer and Logger are required; all numbers must be positive.
type Options struct {
	// Upstream is the cluster. The caller keeps it and closes it after the last
	// request is done.
	Upstream *Upstream
	// Endpoint gives the scorer of an inference id, or false for an unknown id.
	// It must be safe for concurrent use.
	Endpoint func(id string) (scorer.Scorer, bool)
	// Inference holds the endpoints that the inference API is answered about. nil
	// leaves the API to the cluster.
	Inference *inference.Registry
	// ManageEndpoints lets callers make, change and delete endpoints through the
	// API if the cluster says that they may.
	ManageEndpoints bool
	// Observer is told what happened, for metrics.
	Observer Observer
	// Logger takes one line a search, and lines for requests that went wrong.
	// Neither credentials nor query or document text are ever logged.
	Logger *slog.Logger
	// BodyLimit is the most bytes of a search body, after decompression, that are
	// held to look for a reranker. Larger searches are streamed on if they hold
	// none and refused with 413 if they do.
	BodyLimit int64
	// AnswerLimit is the most bytes of a first-stage answer that are held to
	// rerank it. A larger one is refused with 413.
	AnswerLimit int64
	// Searches is how many requests that hold a reranker, or call an inference
	// endpoint, are handled at the same time. The next is refused with 429, unless a
	// rule alone would have had it reranked: then it passes through.
	Searches int
	// HeldBytes is the most bytes that bodies and first-stage answers of these
	// requests have together. One that needs more is refused likewise.
	HeldBytes int64
	// Retriever holds the settings of the request language.
	Retriever retriever.Options
	// RerankTimeout bounds the rerank step alone, not the search on the cluster. A
	// request may ask for less by the header X-Rerankd-Deadline.
	RerankTimeout time.Duration
	// FailOnRerank makes a search fail when its rerank step does. Without it such
	// a search is answered with the passages that were scored in time first, or in
	// first-stage order if none was, with a Warning header. A request
	// that sets allow_rerank_failures decides for itself.
	FailOnRerank bool
	// Rules have ordinary searches reranked. The first that applies counts.
	Rules []Rule
}

func (o Options) validate() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New(what))
		}
	}
	need(o.Upstream != nil, "no upstream")
	need(o.Endpoint != nil, "no endpoint lookup")
	need(o.Observer != nil, "no observer")
	need(o.Logger != nil, "no logger")
	need(o.BodyLimit > 0, "body limit must be positive")
	need(o.AnswerLimit > 0, "answer limit must be positive")
	need(o.Searches > 0, "number of searches must be positive")
	need(o.HeldBytes > 0, "bytes held must be positive")
	need(o.Retriever.DefaultWindow > 0, "default window must be positive")
	need(o.Retriever.MaxWindow > 0, "largest window must be positive")
	need(o.RerankTimeout > 0, "rerank timeout must be positive")
	for _, rule := range o.Rules {
		need(rule.Index != "" && rule.Field != "" && rule.Endpoint != "" && rule.Window > 0, "a rule needs an index, a field, an endpoint and a window")
		need(rule.FromBody || rule.FromRequest, "a rule needs a source of the text")
	}
	return errors.Join(errs...)
}

// Observer receives what a metrics system counts. The label values are closed
// sets: [Routes], [Outcomes] and [Stages]. Implementations are safe for
// concurrent use and return at once.
type Observer interface {
	// Request reports one finished request and how long it took.
	Request(route, outcome string, seconds float64)
	// Stage reports the time that one stage of a reranked search took.
	Stage(stage string, seconds float64)
	// Passages reports how many passages one search gave to a scorer.
	Passages(n int)
	// Upstream reports the status of one answer of the cluster, 0 for none.
	Upstream(status int)
}

// Routes of [Observer.Request].
const (
	RoutePassthrough = "passthrough"
	RouteRerank      = "rerank"
	RouteInference   = "inference" // the inference API, about endpoints of this program
)

// Outcomes of [Observer.Request].
const (
	OutcomeOK            = "ok"             // relayed, or reranked
	OutcomeDegraded      = "degraded"       // answered in first-stage order
	OutcomePartial       = "partial"        // answered with the passages scored in time first
	OutcomeBadRequest    = "bad_request"    // the client's mistake
	OutcomeTooLarge      = "too_large"      // beyond BodyLimit or AnswerLimit
	OutcomeUpstreamError = "upstream_error" // the cluster gave no answer, or refused a search of ours
	OutcomeOverloaded    = "overloaded"     // no place for the request, or in the scorer's queue
	OutcomeDeadline      = "deadline"       // the time for reranking passed
	OutcomeModelError    = "model_error"    // the scorer failed otherwise
	OutcomeClientGone    = "client_gone"    // the client hung up
	OutcomeInternal      = "internal"       // a fault of this program
)

// Stages of [Observer.Stage], in the order in which a search passes them.
// Tokenize, queue and infer come from the scorer's own account, [scorer.Stats].
const (
	StageParse    = "parse"
	StageUpstream = "upstream"
	StageTokenize = "tokenize"
	StageQueue    = "queue"
	StageInfer    = "infer"
	StageSplice   = "splice"
	StageTotal    = "total"
)

// Routes lists every route label.
func Routes() []string { return []string{RoutePassthrough, RouteRerank, RouteInference} }

// Outcomes lists every outcome label.
func Outcomes() []string {
	return []string{
		OutcomeOK, OutcomePartial, OutcomeDegraded, OutcomeBadRequest, OutcomeTooLarge, OutcomeUpstreamError,
		OutcomeOverloaded, OutcomeDeadline, OutcomeModelError, OutcomeClientGone, OutcomeInternal,
	}
}

// Stages lists every stage label in order.
func Stages() []string {
	return []string{StageParse, StageUpstream, StageTokenize, StageQueue, StageInfer, StageSplice, StageTotal}
}
