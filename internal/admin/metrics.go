package admin

import "github.com/prometheus/client_golang/prometheus"

// The closed label sets, so that no mistake and no input can make a metric grow.
var (
	routes   = []string{routePassthrough, "rerank", "inference"}
	outcomes = []string{
		"ok", "partial", "degraded", "bad_request", "too_large", "upstream_error",
		"overloaded", "deadline", "model_error", "client_gone", outcomeInternal,
	}
	stages  = []string{"parse", "upstream", "tokenize", "queue", "infer", "splice", "total"}
	classes = []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} // by hundreds; none: no answer
)

// What a request with an unknown label is counted as: a fault of this program,
// on the route of all that has no route of its own.
const (
	routePassthrough = "passthrough"
	outcomeInternal  = "internal"
)

var (
	// secondsBuckets reach from a part of a cached rerank to the default time
	// limit of one.
	secondsBuckets = []float64{
		.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30,
	}
	pairsBuckets   = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}
	paddingBuckets = []float64{0, .02, .05, .1, .15, .2, .3, .4, .5, .75}
)

// outcomeKey names one series of rerankd_requests_total.
type outcomeKey struct{ route, outcome string }

// Metrics records what the proxy and the engine report. Every series of a closed
// label set is there from the start, at zero. Its methods are safe for concurrent
// use and return at once; those that register a source of further metrics,
// Watch… and SetBuild, are for the start of the program.
type Metrics struct {
	registerer prometheus.Registerer

	requests       map[outcomeKey]prometheus.Counter
	requestSeconds map[string]prometheus.Observer // by route
	stageSeconds   map[string]prometheus.Observer // by stage
	upstream       map[string]prometheus.Counter  // by class
	passages       prometheus.Counter
	batchPairs     prometheus.Histogram
	batchPadding   prometheus.Histogram
	batchSeconds   prometheus.Histogram
}

// NewMetrics registers the metrics. It panics when the registerer has some of
// them already.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		registerer:     r,
		requests:       make(map[outcomeKey]prometheus.Counter),
		requestSeconds: make(map[string]prometheus.Observer),
		stageSeconds:   make(map[string]prometheus.Observer),
		upstream:       make(map[string]prometheus.Counter),
	}
	m.registerRequests()
	m.registerSearches()
	m.registerBatches()
	return m
}

func (m *Metrics) registerRequests() {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rerankd_requests_total", Help: "Finished requests by what was done with them and how it ended.",
	}, []string{"route", "outcome"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rerankd_request_seconds", Help: "Time of a request, the cluster's included.", Buckets: secondsBuckets,
	}, []string{"route"})
	upstream := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rerankd_upstream_responses_total", Help: "Requests to the cluster by the class of the answer's status; none: no answer came.",
	}, []string{"class"})
	m.registerer.MustRegister(requests, seconds, upstream)

	for _, route := range routes {
		m.requestSeconds[route] = seconds.WithLabelValues(route)
		for _, outcome := range outcomes {
			m.requests[outcomeKey{route, outcome}] = requests.WithLabelValues(route, outcome)
		}
	}
	for _, class := range classes {
		m.upstream[class] = upstream.WithLabelValues(class)
	}
}

func (m *Metrics) registerSearches() {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rerankd_stage_seconds", Help: "Time of one stage of a reranked search.", Buckets: secondsBuckets,
	}, []string{"stage"})
	m.passages = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rerankd_passages_total", Help: "Passages that searches gave to a scorer, cached ones included.",
	})
	m.registerer.MustRegister(seconds, m.passages)
	for _, stage := range stages {
		m.stageSeconds[stage] = seconds.WithLabelValues(stage)
	}
}

func (m *Metrics) registerBatches() {
	m.batchPairs = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "rerankd_batch_pairs", Help: "Pairs of query and passage in one run of a model.", Buckets: pairsBuckets,
	})
	m.batchPadding = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "rerankd_batch_padding_ratio", Help: "Share of padding in the tokens of one run of a model, 0 to 1.", Buckets: paddingBuckets,
	})
	m.batchSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "rerankd_batch_seconds", Help: "Time of one run of a model.", Buckets: secondsBuckets,
	})
	m.registerer.MustRegister(m.batchPairs, m.batchPadding, m.batchSeconds)
}

// Request counts one finished request and its time. An unknown outcome counts as
// internal, an unknown route as passthrough and internal.
func (m *Metrics) Request(route, outcome string, seconds float64) {
	if _, ok := m.requestSeconds[route]; !ok {
		route, outcome = routePassthrough, outcomeInternal
	}
	counter, ok := m.requests[outcomeKey{route, outcome}]
	if !ok {
		counter = m.requests[outcomeKey{route, outcomeInternal}]
	}
	counter.Inc()
	m.requestSeconds[route].Observe(seconds)
}

// Stage records the time of one stage of a reranked search. An unknown stage is
// not recorded: its time is part of the stage total already.
func (m *Metrics) Stage(stage string, seconds float64) {
	if histogram, ok := m.stageSeconds[stage]; ok {
		histogram.Observe(seconds)
	}
}

// Passages counts the passages of one search.
func (m *Metrics) Passages(n int) {
	// A counter panics when it is to go down, and metrics never fail a search.
	m.passages.Add(float64(max(0, n)))
}

// Upstream counts one request to the cluster by the status of its answer; 0, or
// what is no status at all, means that none came.
func (m *Metrics) Upstream(status int) {
	class := 0
	if status >= 100 && status < 600 {
		class = status / 100
	}
	m.upstream[classes[class]].Inc()
}

// Batch records one run of a model: its pairs, their tokens, the tokens that the
// model ran, padding included, and its time.
func (m *Metrics) Batch(pairs, tokens, padded int, seconds float64) {
	m.batchPairs.Observe(float64(pairs))
	if padded > 0 {
		m.batchPadding.Observe(1 - float64(tokens)/float64(padded))
	}
	m.batchSeconds.Observe(seconds)
}
