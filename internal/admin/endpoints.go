package admin

import "github.com/prometheus/client_golang/prometheus"

// EndpointLoad is the load of one inference endpoint that was made through the API.
type EndpointLoad struct {
	Endpoint    string // inference id
	Model       string // as its own files name it
	Allocations int    // how many it has at the moment
	Calls       int    // inside of it, waiting ones included
}

// WatchEndpoints registers the load of the inference endpoints that read returns,
// which may be others at each scrape; their number must be bounded. It panics when
// called twice.
func (m *Metrics) WatchEndpoints(read func() []EndpointLoad) {
	labels := []string{"endpoint", "model"}
	m.registerer.MustRegister(&endpointCollector{
		read: read,
		allocations: prometheus.NewDesc("rerankd_endpoint_allocations",
			"Allocations that an inference endpoint has.", labels, nil),
		calls: prometheus.NewDesc("rerankd_endpoint_calls",
			"Calls inside of an inference endpoint, waiting ones included.", labels, nil),
	})
}

// endpointCollector makes series of what is there at a scrape.
type endpointCollector struct {
	read               func() []EndpointLoad
	allocations, calls *prometheus.Desc
}

// Describe implements [prometheus.Collector].
func (c *endpointCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.allocations
	out <- c.calls
}

// Collect implements [prometheus.Collector].
func (c *endpointCollector) Collect(out chan<- prometheus.Metric) {
	for _, e := range c.read() {
		out <- prometheus.MustNewConstMetric(c.allocations, prometheus.GaugeValue, float64(e.Allocations), e.Endpoint, e.Model)
		out <- prometheus.MustNewConstMetric(c.calls, prometheus.GaugeValue, float64(e.Calls), e.Endpoint, e.Model)
	}
}
