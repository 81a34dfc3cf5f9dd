package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
)

func TestTheProgramIsReadyWhenItsModelIsWarmAndTheClusterHasAnswered(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	r.sever()
	p := startUnready(t, r.url(), func(c *configs.Config) {
		slowModel(c)
		c.Upstream.HealthInterval = 100 * time.Millisecond
	})
	// The model was warmed before anything was served: its runs are counted.
	if warmed := p.metric(t, "rerankd_batch_pairs_count"); warmed == "0" {
		t.Error("the model has not run before the admin listener answered")
	}
	a := send(t, http.MethodGet, p.admin+"/-/ready", "")
	if a.Status != http.StatusServiceUnavailable || !strings.Contains(string(a.Body), `"ready":false`) {
		t.Errorf("without a cluster: %s", a)
	}
	if a := send(t, http.MethodGet, p.admin+"/-/healthy", ""); a.Status != http.StatusOK {
		t.Errorf("healthy: %s", a)
	}
	r.mend()
	p.awaitReady(t)
	search(t, p.url+"/e2e-items/_search", `{"retriever":`+reranker("m", "q", "title", all, "")+`}`)
}

func TestMetricsCountWhatRequestsDid(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, slowModel)
	count := func(series string) float64 {
		n, err := strconv.ParseFloat(p.metric(t, series), 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	series := []string{
		`rerankd_requests_total{outcome="ok",route="rerank"}`,
		`rerankd_requests_total{outcome="ok",route="passthrough"}`,
		`rerankd_requests_total{outcome="bad_request",route="rerank"}`,
		`rerankd_upstream_responses_total{class="2xx"}`,
		`rerankd_passages_total`,
		`rerankd_cache_hits_total`,
		`rerankd_cache_misses_total`,
		`rerankd_stage_seconds_count{stage="total"}`,
		`rerankd_request_seconds_count{route="rerank"}`,
	}
	before := make([]float64, len(series))
	for i, s := range series {
		before[i] = count(s)
	}
	batches := count("rerankd_batch_pairs_count")

	body := `{"retriever":` + reranker("m", "how are pies made", "title", all, "") + `}`
	_, first := search(t, p.url+"/e2e-items/_search", body)
	ran := count("rerankd_batch_pairs_count")
	p.awaitCached(t, 5)
	_, second := search(t, p.url+"/e2e-items/_search", body)
	send(t, http.MethodGet, p.url+"/e2e-items/_count", "")
	send(t, http.MethodPost, p.url+"/e2e-items/_search", `{"retriever":{"text_similarity_reranker":{}}}`)

	// 2 searches and 1 pass-through reached the cluster; 5 titles were scored once.
	want := []float64{2, 1, 1, 3, 10, 5, 5, 2, 3}
	for i, s := range series {
		eventually(t, s+" has its value", func() (bool, string) {
			got := count(s) - before[i]
			return got == want[i], fmt.Sprintf("%v, want %v", got, want[i])
		})
	}
	if ran <= batches || count("rerankd_batch_pairs_count") != ran {
		t.Errorf("the model ran %v times for the first search, %v for the second", ran-batches, count("rerankd_batch_pairs_count")-ran)
	}
	for header, answers := range map[string][2]string{"X-Rerankd-Cache": {"hits=0, misses=5", "hits=5, misses=0"}} {
		if got := [2]string{first.Header.Get(header), second.Header.Get(header)}; got != answers {
			t.Errorf("%s = %q, want %q", header, got, answers)
		}
	}
	timing := regexp.MustCompile(`^parse;dur=[\d.]+, upstream;dur=[\d.]+, tokenize;dur=[\d.]+, queue;dur=[\d.]+, infer;dur=[\d.]+, splice;dur=[\d.]+, total;dur=[\d.]+$`)
	if h := first.Header.Get("Server-Timing"); !timing.MatchString(h) {
		t.Errorf("Server-Timing = %q", h)
	}
}

func TestOneLineIsLoggedForASearchAndTellsNoSecrets(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	const question, secret, text = "QUESTION7", "SECRET7", "red apple pie"
	child := `{"standard":{"query":{"match":{"title":"apple ` + question + `"}}}}`
	body := `{"retriever":` + reranker(words, question, "title", child, "") + `}`
	for _, b := range []string{body, strings.Replace(body, words, "none", 1), strings.Replace(body, `"field"`, `"fild"`, 1)} {
		send(t, http.MethodPost, p.url+"/e2e-items/_search?preference="+secret, b,
			"Authorization", "ApiKey "+secret, "X-Opaque-Id", "caller-7")
	}
	for _, outcome := range []string{"ok", "bad_request"} {
		line := p.logs.waitFor(t, map[string]any{"msg": "search", "outcome": outcome})
		for key, want := range map[string]any{"id": "caller-7", "index": "e2e-items", "path": "/e2e-items/_search", "method": "POST"} {
			if line[key] != want {
				t.Errorf("%s = %v in %v, want %v", key, line[key], line, want)
			}
		}
	}
	line := p.logs.waitFor(t, map[string]any{"msg": "search", "outcome": "ok"})
	for key, want := range map[string]any{"endpoint": words, "window": 30.0, "passages": 5.0, "status": 200.0, "level": "INFO"} {
		if line[key] != want {
			t.Errorf("%s = %v in %v, want %v", key, line[key], line, want)
		}
	}
	eventually(t, "each search has its line", func() (bool, string) {
		lines, _ := p.logs.matching(map[string]any{"msg": "search"})
		return len(lines) == 3, fmt.Sprint(lines)
	})
	for _, word := range []string{question, secret, text} {
		if strings.Contains(p.logs.String(), word) {
			t.Errorf("the log tells %q:\n%s", word, p.logs)
		}
	}
}

// A stop lets requests in flight end, and takes no new ones.
func TestAStopDrainsWhatIsInFlight(t *testing.T) {
	itemIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), nil)
	r.take()
	r.mute()
	answered := make(chan answer, 1)
	go func() {
		a, err := try(t, http.MethodPost, p.url+"/e2e-items/_search", `{"retriever":`+reranker(mock, "q", "score", all, "")+`}`)
		if err != nil {
			t.Errorf("the search in flight: %v", err)
		}
		answered <- a
	}()
	awaitSearch(t, r)
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stopped <- p.Stop(ctx)
	}()
	eventually(t, "the listener is closed", func() (bool, string) {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil, "it accepts"
	})
	r.mend()
	if a := <-answered; a.Status != http.StatusOK || a.Header.Get("X-Rerankd-Outcome") != "reranked" {
		t.Errorf("the search in flight got %s", a)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestAProgramThatCannotBeBuiltLeavesNothingBehind(t *testing.T) {
	c := configs.Default()
	c.Listen, c.Admin.Listen = "127.0.0.1:0", ""
	c.Endpoints = []configs.Endpoint{{ID: c.Rerank.DefaultEndpoint, Model: t.TempDir()}}
	l, logger := newLogs()
	if _, err := app.New(t.Context(), app.Options{Config: c, Logger: logger}); err == nil || !strings.Contains(err.Error(), "model.onnx") {
		t.Errorf("err = %v, want one about the missing model\n%s", err, l)
	}
	// Goroutines left behind show at the end of all tests.
}
