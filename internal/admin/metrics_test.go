package admin_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rerankd/rerankd/cache"
	"github.com/rerankd/rerankd/internal/admin"
	"github.com/rerankd/rerankd/proxy"
)

var _ proxy.Observer = (*admin.Metrics)(nil)

// series scrapes a registry the way an operator does: what is before the last
// blank of a line is the series, what is after it the value.
func series(t *testing.T, r *prometheus.Registry) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for line := range strings.Lines(get(t, handler(r), "/metrics").Body.String()) {
		line = strings.TrimSuffix(line, "\n")
		if at := strings.LastIndexByte(line, ' '); at > 0 && line[0] != '#' {
			all[line[:at]] = line[at+1:]
		}
	}
	return all
}

// changes lists the series of rerankd that do moves, but for histogram buckets.
func changes(t *testing.T, r *prometheus.Registry, do func()) map[string]string {
	t.Helper()
	before := series(t, r)
	do()
	changed := make(map[string]string)
	for name, value := range series(t, r) {
		ours := strings.HasPrefix(name, "rerankd_") && !strings.Contains(name, "_bucket{")
		if ours && before[name] != value {
			changed[name] = value
		}
	}
	return changed
}

func TestEachReportMovesItsOwnSeries(t *testing.T) {
	r := prometheus.NewRegistry()
	m := admin.NewMetrics(r)
	for _, tc := range []struct {
		name string
		do   func()
		want map[string]string
	}{
		{"a request", func() { m.Request("rerank", "degraded", 0.5) }, map[string]string{
			`rerankd_requests_total{outcome="degraded",route="rerank"}`: "1",
			`rerankd_request_seconds_count{route="rerank"}`:             "1",
			`rerankd_request_seconds_sum{route="rerank"}`:               "0.5",
		}},
		{"a stage", func() { m.Stage("infer", 0.25) }, map[string]string{
			`rerankd_stage_seconds_count{stage="infer"}`: "1",
			`rerankd_stage_seconds_sum{stage="infer"}`:   "0.25",
		}},
		{"passages", func() { m.Passages(30) }, map[string]string{`rerankd_passages_total`: "30"}},
		{"an answer", func() { m.Upstream(404) }, map[string]string{`rerankd_upstream_responses_total{class="4xx"}`: "1"}},
		{"no answer", func() { m.Upstream(0) }, map[string]string{`rerankd_upstream_responses_total{class="none"}`: "1"}},
		{"a status that is none", func() { m.Upstream(999) }, map[string]string{`rerankd_upstream_responses_total{class="none"}`: "2"}},
		{"a batch with a quarter of padding", func() { m.Batch(8, 300, 400, 0.125) }, map[string]string{
			`rerankd_batch_pairs_count`: "1", `rerankd_batch_pairs_sum`: "8",
			`rerankd_batch_padding_ratio_count`: "1", `rerankd_batch_padding_ratio_sum`: "0.25",
			`rerankd_batch_seconds_count`: "1", `rerankd_batch_seconds_sum`: "0.125",
		}},
		{"a batch of nothing", func() { m.Batch(0, 0, 0, 0) }, map[string]string{
			`rerankd_batch_pairs_count`: "2", `rerankd_batch_seconds_count`: "2",
		}},
		{"passages below zero", func() { m.Passages(-1) }, map[string]string{}},
		{"an outcome that does not exist", func() { m.Request("rerank", "x", 1) }, map[string]string{
			`rerankd_requests_total{outcome="internal",route="rerank"}`: "1",
			`rerankd_request_seconds_count{route="rerank"}`:             "2",
			`rerankd_request_seconds_sum{route="rerank"}`:               "1.5",
		}},
		{"a route that does not exist", func() { m.Request("x", "ok", 1) }, map[string]string{
			`rerankd_requests_total{outcome="internal",route="passthrough"}`: "1",
			`rerankd_request_seconds_count{route="passthrough"}`:             "1",
			`rerankd_request_seconds_sum{route="passthrough"}`:               "1",
		}},
		{"a stage that does not exist", func() { m.Stage("x", 1) }, map[string]string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, changes(t, r, tc.do)); diff != "" {
				t.Errorf("series changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEverySeriesOfTheProxysLabelsIsThereAtZero(t *testing.T) {
	r := prometheus.NewRegistry()
	admin.NewMetrics(r)
	got := make(map[string]string)
	for name, value := range series(t, r) {
		for _, family := range []string{"rerankd_requests_total", "rerankd_stage_seconds_count", "rerankd_upstream_responses_total"} {
			if strings.HasPrefix(name, family) {
				got[name] = value
			}
		}
	}
	want := make(map[string]string)
	for _, class := range []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		want[fmt.Sprintf("rerankd_upstream_responses_total{class=%q}", class)] = "0"
	}
	for _, route := range proxy.Routes() {
		for _, outcome := range proxy.Outcomes() {
			want[fmt.Sprintf("rerankd_requests_total{outcome=%q,route=%q}", outcome, route)] = "0"
		}
	}
	for _, stage := range proxy.Stages() {
		want[fmt.Sprintf("rerankd_stage_seconds_count{stage=%q}", stage)] = "0"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series (-want +got):\n%s", diff)
	}
}

func TestNoLabelOfACallerMakesASeries(t *testing.T) {
	r := prometheus.NewRegistry()
	m := admin.NewMetrics(r)
	before := len(series(t, r))
	for i := range 1000 {
		label := fmt.Sprint("label", i)
		m.Request(label, label, 1)
		m.Request("rerank", label, 1)
		m.Stage(label, 1)
		m.Upstream(i)
	}
	if after := len(series(t, r)); after != before {
		t.Errorf("%d series became %d", before, after)
	}
}

func TestTimesFrom100MicrosecondsTo30SecondsAreToldApart(t *testing.T) {
	r := prometheus.NewRegistry()
	m := admin.NewMetrics(r)
	for _, seconds := range []float64{.00009, .0009, .009, .09, .9, 9, 29, 31} {
		m.Stage("total", seconds)
	}
	for _, tc := range []struct{ bound, want string }{
		{"0.0001", "1"}, {"0.001", "2"}, {"0.01", "3"}, {"0.1", "4"}, {"1", "5"}, {"10", "6"}, {"30", "7"}, {"+Inf", "8"},
	} {
		name := fmt.Sprintf("rerankd_stage_seconds_bucket{stage=\"total\",le=%q}", tc.bound)
		if got := series(t, r)[name]; got != tc.want {
			t.Errorf("%s is %q, want %s", name, got, tc.want)
		}
	}
}

func TestTheRuntimeAndTheProcessAreShown(t *testing.T) {
	r := admin.NewRegistry()
	admin.NewMetrics(r)
	names := []string{"go_goroutines"}
	if runtime.GOOS == "linux" {
		names = append(names, "process_resident_memory_bytes")
	}
	got := series(t, r)
	for _, name := range names {
		if value, err := strconv.ParseFloat(got[name], 64); err != nil || value <= 0 {
			t.Errorf("%s is %q, want a positive number", name, got[name])
		}
	}
}

func TestReportsAtTheSameTimeAreAllCounted(t *testing.T) {
	r := prometheus.NewRegistry()
	m := admin.NewMetrics(r)
	const reporters, reports = 8, 100
	var all sync.WaitGroup
	for range reporters {
		all.Go(func() {
			for range reports {
				m.Request("passthrough", "ok", 0)
				m.Passages(1)
				m.Batch(1, 1, 1, 0)
			}
		})
	}
	all.Wait()
	got := series(t, r)
	for _, name := range []string{
		`rerankd_requests_total{outcome="ok",route="passthrough"}`, "rerankd_passages_total", "rerankd_batch_pairs_count",
	} {
		if want := strconv.Itoa(reporters * reports); got[name] != want {
			t.Errorf("%s is %q, want %s", name, got[name], want)
		}
	}
}

func TestRegisteringTwiceIsAProgrammersError(t *testing.T) {
	r := prometheus.NewRegistry()
	admin.NewMetrics(r)
	defer func() {
		if recover() == nil {
			t.Error("NewMetrics did not panic")
		}
	}()
	admin.NewMetrics(r)
}

func TestWatchedPartsAreReadAtEveryScrape(t *testing.T) {
	r := prometheus.NewRegistry()
	m := admin.NewMetrics(r)
	var counts cache.Stats
	running, waiting, refused, up := 0, 0, int64(0), false
	m.WatchCache(func() admin.CacheCounts { return admin.CacheCounts(counts) })
	m.WatchQueue("builtin", func() (int, int, int64) { return running, waiting, refused })
	m.WatchQueue("other", func() (int, int, int64) { return 0, 0, 0 })
	var load admin.EngineLoad
	m.WatchEngine("builtin", func() (admin.Model, admin.EngineLoad) {
		return admin.Model{ID: "m", Precision: "int8", Batching: "alone"}, load
	})
	requests, held := 0, int64(0)
	m.WatchRequests(func() (int, int64) { return requests, held })
	m.WatchNode("http://a:9200", func() bool { return up })
	m.WatchNode("http://b:9200", func() bool { return false })
	got := changes(t, r, func() {
		counts = cache.Stats{Hits: 1, Misses: 2, Sets: 3, Dropped: 4, Rejected: 5, Evicted: 6, Entries: 7, Bytes: 8}
		running, waiting, refused, up = 9, 10, 11, true
		load = admin.EngineLoad{Workers: 12, Batches: 13, OpenTokens: 14}
		requests, held = 15, 16
	})
	const info = `rerankd_model_info{batching="alone",id="m",model="builtin",precision="int8"}`
	if got := series(t, r)[info]; got != "1" {
		t.Errorf("%s is %q, want 1", info, got)
	}
	want := map[string]string{
		`rerankd_cache_hits_total`: "1", `rerankd_cache_misses_total`: "2", `rerankd_cache_sets_total`: "3",
		`rerankd_cache_dropped_total`: "4", `rerankd_cache_rejected_total`: "5", `rerankd_cache_evicted_total`: "6",
		`rerankd_cache_entries`: "7", `rerankd_cache_bytes`: "8",
		`rerankd_queue_running{model="builtin"}`: "9", `rerankd_queue_waiting{model="builtin"}`: "10",
		`rerankd_queue_refused_total{model="builtin"}`:   "11",
		`rerankd_upstream_node_up{node="http://a:9200"}`: "1",
		`rerankd_engine_workers{model="builtin"}`:        "12", `rerankd_engine_batches{model="builtin"}`: "13",
		`rerankd_engine_open_tokens{model="builtin"}`: "14",
		`rerankd_requests_running`:                    "15", `rerankd_held_bytes`: "16",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("series changed (-want +got):\n%s", diff)
	}
}

func TestEndpointsComeAndGoWithTheirSeries(t *testing.T) {
	r := prometheus.NewRegistry()
	m := admin.NewMetrics(r)
	var list []admin.EndpointLoad
	m.WatchEndpoints(func() []admin.EndpointLoad { return list })
	before := series(t, r)
	list = []admin.EndpointLoad{{Endpoint: "a", Model: "m", Allocations: 2, Calls: 5}, {Endpoint: "b", Model: "m"}}
	during := series(t, r)
	for name, want := range map[string]string{
		`rerankd_endpoint_allocations{endpoint="a",model="m"}`: "2", `rerankd_endpoint_calls{endpoint="a",model="m"}`: "5",
		`rerankd_endpoint_allocations{endpoint="b",model="m"}`: "0", `rerankd_endpoint_calls{endpoint="b",model="m"}`: "0",
	} {
		if during[name] != want {
			t.Errorf("%s is %q, want %s", name, during[name], want)
		}
	}
	list = nil
	if diff := cmp.Diff(before, series(t, r)); diff != "" {
		t.Errorf("series of endpoints that are gone (-before +after):\n%s", diff)
	}
}

func TestTheBuildIsShownByItsVersions(t *testing.T) {
	r := prometheus.NewRegistry()
	admin.NewMetrics(r).SetBuild(admin.Build{Version: "v1", Go: "go1", ONNXRuntime: "2", Tokenizers: "3"})
	const want = `rerankd_build_info{go="go1",onnxruntime="2",tokenizers="3",version="v1"}`
	if got := series(t, r)[want]; got != "1" {
		t.Errorf("%s is %q, want 1", want, got)
	}
}
