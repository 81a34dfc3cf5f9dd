package app_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
)

func TestASearchIsRerankedByTheEndpointItNamesAndAllIsCounted(t *testing.T) {
	up := newUpstream(t)
	config := testConfig(up.URL)
	config.Endpoints = append(config.Endpoints, configs.Endpoint{
		ID: "cascade", First: configs.ModelOverlap, Keep: 2, Model: configs.ModelNumeric, Deadline: time.Minute,
	})
	a, _ := start(t, config)
	c := client(t)
	for _, tc := range []struct{ endpoint, want string }{
		{"words", "2 3 1"},   // red fox, fox, dog
		{"again", "2 3 1"},   // the same model: out of the cache
		{"numbers", "1 3 2"}, // no numbers: the shorter the better, ties in first-stage order
		{"cascade", "3 2 1"}, // the two with words of the query, the shorter first
	} {
		status, answer := do(t, c, search(t, "http://"+a.Addr()+"/i/_search", tc.endpoint))
		if status != http.StatusOK || order(t, answer) != tc.want {
			t.Errorf("%s: status %d, order %q, want %q: %s", tc.endpoint, status, order(t, answer), tc.want, answer)
		}
	}
	if status, answer := do(t, c, search(t, "http://"+a.Addr()+"/i/_search", "absent")); status != http.StatusNotFound {
		t.Errorf("an unknown endpoint: status %d: %s", status, answer)
	}
	status, metrics := get(t, c, "http://"+a.AdminAddr()+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("metrics: status %d", status)
	}
	for _, want := range []string{
		`rerankd_requests_total{outcome="ok",route="rerank"} 4`,
		`rerankd_passages_total 12`,
		`rerankd_cache_misses_total`,
		`rerankd_queue_running{model="overlap"} 0`,
		`rerankd_queue_running{model="numeric"} 0`,
		`rerankd_upstream_node_up{node="` + up.URL + `"} 1`,
		`version="v-test"`,
		`go_goroutines`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
}

func TestReadinessFollowsTheClusterAndEndsWithTheProgram(t *testing.T) {
	up := newUpstream(t)
	a, _ := start(t, testConfig(up.URL))
	c := client(t)
	ready := func() (int, string) { return get(t, c, "http://"+a.AdminAddr()+"/-/ready") }
	// await polls until the answer has the status, and returns its body.
	await := func(want int) string {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(time.Minute); ; <-tick.C {
			status, body := ready()
			if status == want {
				return body
			}
			if time.Now().After(end) {
				t.Fatalf("still %d, want %d: %s", status, want, body)
			}
		}
	}
	if body := await(http.StatusOK); !strings.Contains(body, `"endpoint":"numbers"`) { // when the cluster has been probed
		t.Errorf("ready without its endpoints: %s", body)
	}

	// A request in flight keeps the program up, not ready, until it ends.
	answered := make(chan int, 1)
	req := search(t, "http://"+a.Addr()+"/slow/_search", "words")
	go func() {
		res, err := c.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		_ = res.Body.Close()
		answered <- res.StatusCode
	}()
	select {
	case <-up.entered:
	case status := <-answered:
		t.Fatalf("the request got %d before it was let go", status)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- a.Stop(context.WithoutCancel(t.Context())) }()
	if body := await(http.StatusServiceUnavailable); !strings.Contains(body, app.ErrDraining.Error()) {
		t.Errorf("not ready without the reason: %s", body)
	}
	select {
	case err := <-stopped:
		t.Fatalf("Stop returned (%v) with a request in flight", err)
	default:
	}
	close(up.release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the request in flight got %d, want 200", status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
	if res, err := c.Do(search(t, "http://"+a.Addr()+"/i/_search", "words")); err == nil {
		_ = res.Body.Close()
		t.Error("the program still answers")
	}
}

func TestAStopThatIsOutOfTimeCutsRequestsShortAndSaysSo(t *testing.T) {
	up := newUpstream(t)
	log := slog.New(slog.DiscardHandler)
	a, err := app.New(t.Context(), app.Options{Config: testConfig(up.URL), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	c := client(t)
	req := search(t, "http://"+a.Addr()+"/slow/_search", "words")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if res, err := c.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	select {
	case <-up.entered:
	case <-ended:
		t.Fatal("the request ended before it reached the cluster")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	err = a.Stop(over)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stop the proxy") {
		t.Errorf("Stop = %v, want one that names the proxy", err)
	}
	if again := a.Stop(t.Context()); again == nil || again.Error() != err.Error() {
		t.Errorf("second Stop = %v, want what the first returned", again)
	}
	<-ended
}

func TestWhatCannotBeBuiltIsNamedAndLeavesNothing(t *testing.T) {
	up := newUpstream(t)
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, tc := range []struct {
		name   string
		change func(*configs.Config)
		want   string
	}{
		{"an invalid configuration", func(c *configs.Config) { c.Rerank.Timeout = 0 }, "rerank.timeout: "},
		{"a listener's port is taken", func(c *configs.Config) { c.Listen = taken.Addr().String() }, "listen for the proxy"},
		{"the admin port is taken", func(c *configs.Config) { c.Admin.Listen = taken.Addr().String() }, "listen for the admin listener"},
		{"a model folder that is not there", func(c *configs.Config) { c.Endpoints[1].Model = "/nonexistent/model" }, "open endpoint again: model /nonexistent/model"},
		{"a model folder with nothing in it", func(c *configs.Config) { c.Endpoints[1].Model = t.TempDir() }, "open endpoint again"},
		{"a CA file that is not there", func(c *configs.Config) { c.Upstream.CAFile = "/nonexistent/ca.pem" }, "/nonexistent/ca.pem"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := testConfig(up.URL)
			tc.change(&c)
			a, err := app.New(t.Context(), app.Options{Config: c, Logger: slog.New(slog.DiscardHandler)})
			if err == nil {
				_ = a.Stop(t.Context())
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want it to hold %q", err, tc.want)
			}
		})
	}
}

func TestTheEffectiveConfigurationIsLoggedOnceWithSecretsMasked(t *testing.T) {
	up := newUpstream(t)
	conf := testConfig(up.URL)
	conf.Admin.Token = "planted-secret"
	a, log := start(t, conf)
	c := client(t)
	if status, _ := get(t, c, "http://"+a.AdminAddr()+"/metrics"); status != http.StatusUnauthorized {
		t.Errorf("metrics without the token: status %d, want 401", status)
	}
	do(t, c, search(t, "http://"+a.Addr()+"/i/_search", "words"))
	text := log.String()
	if strings.Contains(text, "planted-secret") {
		t.Errorf("the token is in the log:\n%s", text)
	}
	if n := strings.Count(text, `"msg":"configuration"`); n != 1 {
		t.Errorf("the configuration is logged %d times, want once", n)
	}
	if !strings.Contains(text, configs.Mask) || !strings.Contains(text, up.URL) {
		t.Errorf("the log does not tell the configuration:\n%s", text)
	}
}

func TestAProgramThatWasNeverStartedStops(t *testing.T) {
	up := newUpstream(t)
	conf := testConfig(up.URL)
	conf.Admin.Listen = ""
	conf.Cache.Bytes = 0
	a, err := app.New(t.Context(), app.Options{Config: conf, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if a.AdminAddr() != "" {
		t.Errorf("AdminAddr = %q, want none", a.AdminAddr())
	}
	if err := a.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestWaitReturnsWithItsContext(t *testing.T) {
	a, _ := start(t, testConfig(newUpstream(t).URL))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Wait(ctx); err != nil {
		t.Errorf("Wait: %v", err)
	}
}

func TestDescribeTellsWhatIsMissing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.so")
	about := app.Describe(missing)
	if about.ONNXRuntime.Version != "" || !strings.Contains(about.ONNXRuntime.Error, missing) {
		t.Errorf("ONNXRuntime = %+v, want an error that names %s", about.ONNXRuntime, missing)
	}
	if about.Tokenizers == "" {
		t.Error("no version of the tokenizer library")
	}
}

func TestTheBuiltinModelRuns(t *testing.T) {
	up := newUpstream(t)
	conf := testConfig(up.URL)
	conf.Endpoints[0].Model = configs.ModelBuiltin
	a, log := start(t, conf)
	c := client(t)
	status, answer := do(t, c, search(t, "http://"+a.Addr()+"/i/_search", "words"))
	if got := order(t, answer); status != http.StatusOK || got != "2 3 1" {
		t.Errorf("status %d, order %q, want 2 3 1: %s", status, got, answer)
	}
	if _, metrics := get(t, c, "http://"+a.AdminAddr()+"/metrics"); strings.Contains(metrics, "rerankd_batch_pairs_count 0\n") {
		t.Error("no batch was counted")
	}
	if about := app.Describe(""); about.Model == nil || about.Model.Licence == "" || about.ONNXRuntime.Version == "" {
		t.Errorf("Describe = %+v, want a model with its licence and a library", about)
	}
	if !strings.Contains(log.String(), `"msg":"model loaded"`) {
		t.Errorf("the model is not in the log:\n%s", log)
	}
}

func TestTheBuiltinModelsRunAsACascade(t *testing.T) {
	conf := testConfig(newUpstream(t).URL)
	conf.Endpoints[0].First, conf.Endpoints[0].Keep, conf.Endpoints[0].Model = configs.ModelTiny, 2, configs.ModelBuiltin
	a, log := start(t, conf)
	status, answer := do(t, client(t), search(t, "http://"+a.Addr()+"/i/_search", "words"))
	if got := order(t, answer); status != http.StatusOK || got != "2 3 1" {
		t.Errorf("status %d, order %q, want 2 3 1: %s", status, got, answer)
	}
	for _, id := range []string{"rerankd-mini", "rerankd-tiny"} {
		if !strings.Contains(log.String(), id) {
			t.Errorf("%s is not in the log:\n%s", id, log)
		}
	}
}

// The first hit is the shortest, so that nobody who sees one alone needs the third.
func TestAnEndpointWithPatienceLeavesOutWhatThePageDoesNotNeed(t *testing.T) {
	config := testConfig(newUpstream(t).URL)
	config.Endpoints = append(config.Endpoints, configs.Endpoint{ID: "patient", Model: configs.ModelNumeric, Patience: 1, Deadline: time.Minute})
	a, _ := start(t, config)
	for page, want := range map[string]string{"?size=1": "reranked; scored=2/3", "?size=2": "reranked"} {
		res, err := client(t).Do(search(t, "http://"+a.Addr()+"/i/_search"+page, "patient"))
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		if got := res.Header.Get("X-Rerankd-Outcome"); res.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: status %d, outcome %q, want %q", page, res.StatusCode, got, want)
		}
	}
}
