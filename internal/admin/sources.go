package admin

import "github.com/prometheus/client_golang/prometheus"

// CacheCounts are the counters of a score cache since its start, and its size now.
type CacheCounts struct {
	Hits, Misses uint64 // lookups
	Sets         uint64 // scores taken in
	Dropped      uint64 // scores lost under a burst
	Rejected     uint64 // scores refused in favour of others
	Evicted      uint64 // scores put out for others
	Entries      uint64 // scores held
	Bytes        uint64 // memory charged for them
}

// WatchCache registers the cache's metrics, read at every scrape. It panics when
// called twice.
func (m *Metrics) WatchCache(read func() CacheCounts) {
	counter := func(name, help string, get func(CacheCounts) uint64) {
		m.registerer.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Name: "rerankd_cache_" + name + "_total", Help: help},
			func() float64 { return float64(get(read())) }))
	}
	gauge := func(name, help string, get func(CacheCounts) uint64) {
		m.registerer.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "rerankd_cache_" + name, Help: help},
			func() float64 { return float64(get(read())) }))
	}
	counter("hits", "Scores that the cache had.", func(c CacheCounts) uint64 { return c.Hits })
	counter("misses", "Scores that the cache had not.", func(c CacheCounts) uint64 { return c.Misses })
	counter("sets", "Scores taken into the cache.", func(c CacheCounts) uint64 { return c.Sets })
	counter("dropped", "Scores that the cache lost under a burst.", func(c CacheCounts) uint64 { return c.Dropped })
	counter("rejected", "Scores that the cache refused in favour of others.", func(c CacheCounts) uint64 { return c.Rejected })
	counter("evicted", "Scores put out of the cache for others.", func(c CacheCounts) uint64 { return c.Evicted })
	gauge("entries", "Scores in the cache.", func(c CacheCounts) uint64 { return c.Entries })
	gauge("bytes", "Memory charged for the scores in the cache.", func(c CacheCounts) uint64 { return c.Bytes })
}

// WatchQueue registers the load of one model's queue, read at every scrape: calls
// that run, calls that wait, and calls refused since the start. It panics when
// the model is watched already.
func (m *Metrics) WatchQueue(model string, load func() (running, waiting int, refused int64)) {
	label := prometheus.Labels{"model": model}
	m.registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rerankd_queue_running", Help: "Calls that a model is scoring.", ConstLabels: label,
		}, func() float64 { running, _, _ := load(); return float64(running) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rerankd_queue_waiting", Help: "Calls that wait for a place at a model.", ConstLabels: label,
		}, func() float64 { _, waiting, _ := load(); return float64(waiting) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "rerankd_queue_refused_total", Help: "Calls refused because no place was left.", ConstLabels: label,
		}, func() float64 { _, _, refused := load(); return float64(refused) }),
	)
}

// WatchRequests registers how many requests with work for a model are here, and how
// many bytes of bodies and answers they hold, read at every scrape. It panics when
// called twice.
func (m *Metrics) WatchRequests(load func() (requests int, bytes int64)) {
	m.registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rerankd_requests_running", Help: "Requests with a reranker, or to an inference endpoint, that are being answered.",
		}, func() float64 { requests, _ := load(); return float64(requests) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rerankd_held_bytes", Help: "Bytes of bodies and of the cluster's answers that these requests hold.",
		}, func() float64 { _, bytes := load(); return float64(bytes) }),
	)
}

// EngineLoad is what an engine has to do at the moment.
type EngineLoad struct {
	Workers    int // batches that may run at the same time
	Batches    int // batches that run
	OpenTokens int // tokens of the pairs that wait for a batch
}

// WatchEngine registers what a model is and the load of its engine, read at every
// scrape, since a model may be exchanged. It panics when the engine of that name
// is watched already.
func (m *Metrics) WatchEngine(name string, read func() (Model, EngineLoad)) {
	labels := prometheus.Labels{"model": name}
	gauge := func(metric, help string, get func(EngineLoad) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "rerankd_engine_" + metric, Help: help, ConstLabels: labels},
			func() float64 {
				_, load := read()
				return float64(get(load))
			})
	}
	m.registerer.MustRegister(
		modelInfo{read, prometheus.NewDesc("rerankd_model_info", "1, with what a model is and whether its pairs run together or alone.",
			[]string{"id", "precision", "batching"}, labels)},
		gauge("workers", "Batches that may run at the same time.", func(l EngineLoad) int { return l.Workers }),
		gauge("batches", "Batches that run.", func(l EngineLoad) int { return l.Batches }),
		gauge("open_tokens", "Tokens of the pairs that wait for a batch.", func(l EngineLoad) int { return l.OpenTokens }),
	)
}

// modelInfo is the metric whose labels say what a model is at the moment.
type modelInfo struct {
	read func() (Model, EngineLoad)
	desc *prometheus.Desc
}

func (i modelInfo) Describe(to chan<- *prometheus.Desc) { to <- i.desc }

func (i modelInfo) Collect(to chan<- prometheus.Metric) {
	model, _ := i.read()
	to <- prometheus.MustNewConstMetric(i.desc, prometheus.GaugeValue, 1, model.ID, model.Precision, model.Batching)
}

// WatchNode registers whether requests go to an upstream node, read at every
// scrape. It panics when the node is watched already.
func (m *Metrics) WatchNode(node string, up func() bool) {
	m.registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rerankd_upstream_node_up", Help: "1 while requests go to the node, else 0.",
		ConstLabels: prometheus.Labels{"node": node},
	}, func() float64 {
		if up() {
			return 1
		}
		return 0
	}))
}

// Build is what the program is made of.
type Build struct {
	Version     string // of this program
	Go          string // of the toolchain
	ONNXRuntime string // of the library that is loaded; empty for none
	Tokenizers  string // of the tokenizer library
}

// SetBuild registers rerankd_build_info, which is always 1. It panics when called
// twice with the same build.
func (m *Metrics) SetBuild(b Build) {
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rerankd_build_info", Help: "1, with the versions of the program and its libraries.",
		ConstLabels: prometheus.Labels{
			"version": b.Version, "go": b.Go, "onnxruntime": b.ONNXRuntime, "tokenizers": b.Tokenizers,
		},
	})
	info.Set(1)
	m.registerer.MustRegister(info)
}
