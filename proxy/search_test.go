package proxy

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/scorer"
)

const rerankBody = `{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":{"match":{"t":"q"}},"x_unknown":{"b":1.50}}},` +
	`"field":"t","inference_text":"SECRETQUERY","rank_window_size":4}},"size":3,"x_other":[1.0]}`

// firstStageAnswer is what the cluster says to it: four hits, the third without
// the field.
const firstStageAnswer = `{"took":7,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},` +
	`"hits":{"total":{"value":9,"relation":"eq"},"max_score":4.0,"hits":[` +
	`{"_index":"docs","_id":"a","_score":4.0,"_source":{"t":"SECRETDOC"},"fields":{"t":["x"]}},` +
	`{"_index":"docs","_id":"b","_score":3.0,"_source":{"n":1.50},"fields":{"t":["xxx"]}},` +
	`{"_index":"docs","_id":"c","_score":2.0,"_source":{}},` +
	`{"_index":"docs","_id":"d","_score":1.0,"_source":{},"fields":{"t":["xx"]}}]},"x_extra":{"k":1.0}}`

// searched is a cluster that answers any search with the same first stage.
func searched(t *testing.T, seen *arrived) *httptest.Server {
	t.Helper()
	return cluster(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("upstream: read body: %v", err)
		}
		*seen = arrived{r.Method, r.RequestURI, r.Header.Clone(), body, r.ContentLength, len(r.TransferEncoding) > 0, nil}
		h := w.Header()
		h.Set("X-elastic-product", "Elasticsearch")
		h.Set("Content-Type", "application/vnd.elasticsearch+json;compatible-with=8")
		h.Set("Warning", `299 Elasticsearch-8 "from the cluster"`)
		h.Set("ETag", `"stale"`)
		_, _ = io.WriteString(w, firstStageAnswer)
	})
}

// ids lists the hits of an answer with their scores.
func ids(t *testing.T, body []byte) []string {
	t.Helper()
	var a struct {
		Hits struct {
			Hits []struct {
				ID    string      `json:"_id"`
				Score json.Number `json:"_score"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("answer %q: %v", body, err)
	}
	var list []string
	for _, h := range a.Hits.Hits {
		list = append(list, h.ID+" "+h.Score.String())
	}
	return list
}

func TestSearchIsRerankedUnderTheClustersOwnAnswer(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, nil)
	a := send(t, http.MethodPost, b.url+"/docs/_search?typed_keys=true", rerankBody, "X-Opaque-Id", "id-1")
	if a.Status != 200 {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	if diff := cmp.Diff([]string{"b 4.0", "d 3.0", "a 2.0"}, ids(t, a.Body)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for _, kept := range []string{`"_source":{"n":1.50}`, `"x_extra":{"k":1.0}`, `"total":{"value":9,"relation":"eq"}`} {
		if !strings.Contains(string(a.Body), kept) {
			t.Errorf("answer lacks %s:\n%s", kept, a.Body)
		}
	}
	h := a.Header
	for name, want := range map[string]string{
		"X-Elastic-Product": "Elasticsearch", "X-Rerankd-Outcome": "reranked", "X-Rerankd-Cache": "hits=0, misses=0",
		"Content-Type": "application/vnd.elasticsearch+json;compatible-with=8", "Warning": `299 Elasticsearch-8 "from the cluster"`,
		"Content-Length": fmt.Sprint(len(a.Body)), "Etag": "", "Content-Encoding": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	timing := regexp.MustCompile(`^parse;dur=[\d.]+, upstream;dur=[\d.]+, tokenize;dur=[\d.]+, queue;dur=[\d.]+, infer;dur=[\d.]+, splice;dur=[\d.]+, total;dur=[\d.]+$`)
	if !timing.MatchString(h.Get("Server-Timing")) {
		t.Errorf("Server-Timing = %q", h.Get("Server-Timing"))
	}
}

func TestFirstStageGoesOutInTheCallersName(t *testing.T) {
	for _, tc := range []struct{ name, method, path string }{
		{"index", http.MethodPost, "/docs/_search"},
		{"GET with a body", http.MethodGet, "/docs/_search"},
		{"list", http.MethodPost, "/a,b-*,-c/_search"},
		{"date math", http.MethodPost, "/%3Clogs-%7Bnow%2Fd%7D%3E/_search"},
		{"slash at the end", http.MethodPost, "/docs/_search/"},
		{"other cluster", http.MethodPost, "/far:docs/_search"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen arrived
			b := start(t, []string{searched(t, &seen).URL}, nil)
			raw := tc.method + " " + tc.path + "?typed_keys=true HTTP/1.1\r\nHost: h\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n" +
				"Authorization: ApiKey abc\r\nUser-Agent: mine/1\r\nX-Opaque-Id: 7\r\nAccept-Encoding: gzip\r\nExpect: 100-continue\r\nIf-None-Match: \"v\"\r\n" +
				"Accept: application/vnd.elasticsearch+json;compatible-with=8,text/plain\r\n" +
				"Content-Type: application/vnd.elasticsearch+json;compatible-with=8\r\nContent-Length: " + fmt.Sprint(len(rerankBody)) + "\r\n\r\n" + rerankBody
			a := sendRaw(t, b.addr, raw)
			if a.Status != 200 {
				t.Fatalf("status %d: %s", a.Status, a.Body)
			}
			path, _, _ := strings.Cut(seen.URI, "?")
			if seen.Method != tc.method || path != tc.path || !strings.Contains(seen.URI, "typed_keys=true") {
				t.Errorf("the cluster got %s %s", seen.Method, seen.URI)
			}
			if strings.Contains(string(seen.Body), "text_similarity_reranker") || !strings.Contains(string(seen.Body), `"x_unknown":{"b":1.50}`) ||
				!strings.Contains(string(seen.Body), `"x_other":[1.0]`) || !strings.Contains(string(seen.Body), `"size":4`) {
				t.Errorf("the cluster got the body %s", seen.Body)
			}
			want := http.Header{
				"Authorization": {"ApiKey abc"}, "User-Agent": {"mine/1"}, "X-Opaque-Id": {"7"},
				"Accept":         {"application/vnd.elasticsearch+json;compatible-with=8,text/plain"},
				"Content-Type":   {"application/vnd.elasticsearch+json;compatible-with=8"},
				"Content-Length": {fmt.Sprint(len(seen.Body))},
			}
			if diff := cmp.Diff(want, seen.Header); diff != "" {
				t.Errorf("headers at the cluster (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompressedSearchIsReranked(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, nil)
	a := send(t, http.MethodPost, b.url+"/docs/_search", zip(t, rerankBody), "Content-Encoding", "gzip")
	if got := ids(t, a.Body); !slices.Equal(got, []string{"b 4.0", "d 3.0", "a 2.0"}) {
		t.Errorf("hits = %v", got)
	}
	if seen.Header.Get("Content-Encoding") != "" || !json.Valid(seen.Body) {
		t.Errorf("the cluster got encoding %q and body %q", seen.Header.Get("Content-Encoding"), seen.Body)
	}
}

func TestLargeAnswersAreCompressedForClientsThatAsk(t *testing.T) {
	node := cluster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, strings.Replace(firstStageAnswer, "SECRETDOC", strings.Repeat("long ", 500), 1))
	})
	b := start(t, []string{node.URL}, nil)
	plain := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody, "Accept-Encoding", "gzip;q=0, br")
	packed := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody, "Accept-Encoding", "br, gzip")
	if plain.Header.Get("Content-Encoding") != "" || packed.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("encodings = %q and %q, want none and gzip", plain.Header.Get("Content-Encoding"), packed.Header.Get("Content-Encoding"))
	}
	r, err := gzip.NewReader(strings.NewReader(string(packed.Body)))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil || !slices.Equal(ids(t, text), ids(t, plain.Body)) {
		t.Errorf("unpacked answer differs: %v\n%s\n%s", err, text, plain.Body)
	}
	if len(packed.Body) >= len(plain.Body) || packed.Header.Get("Content-Length") != fmt.Sprint(len(packed.Body)) {
		t.Errorf("%d bytes packed, %d plain", len(packed.Body), len(plain.Body))
	}
}

func TestClustersErrorIsRelayedUnscored(t *testing.T) {
	const sorry = `{"error":{"type":"index_not_found_exception"},"status":404}`
	node := cluster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"kept"`)
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, sorry)
	})
	b := start(t, []string{node.URL}, func(o *Options) {
		o.Endpoint = func(string) (scorer.Scorer, bool) {
			return scoreFunc(func(context.Context, string, []string) ([]float32, error) {
				t.Error("scored an error")
				return nil, nil
			}), true
		}
	})
	a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody)
	if a.Status != 404 || string(a.Body) != sorry || a.Header.Get("ETag") != `"kept"` || a.Length != int64(len(sorry)) {
		t.Errorf("answer = %d %s %v", a.Status, a.Body, a.Header)
	}
	b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeUpstreamError, "level": "INFO"})
}

func TestOneLineTellsOfASearchAndNoSecrets(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, func(o *Options) {
		o.Endpoint = func(string) (scorer.Scorer, bool) {
			return scoreFunc(func(ctx context.Context, q string, passages []string) ([]float32, error) {
				stats := scorer.StatsFrom(ctx)
				stats.CacheHits.Add(2)
				stats.CacheMisses.Add(1)
				stats.Infer.Add(3_000_000)
				return byLength(ctx, q, passages)
			}), true
		}
	})
	a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody, "X-Opaque-Id", "trace-me", "Authorization", "ApiKey SECRETKEY")
	if got := a.Header.Get("X-Rerankd-Cache"); got != "hits=2, misses=1" {
		t.Errorf("X-Rerankd-Cache = %q", got)
	}
	if got := a.Header.Get("Server-Timing"); !strings.Contains(got, "infer;dur=3.000") {
		t.Errorf("Server-Timing = %q", got)
	}
	line := b.logs.waitFor(t, map[string]any{"msg": "search"})
	for key, want := range map[string]any{
		"id": "trace-me", "index": "docs", "endpoint": ".rerank-v1-elasticsearch", "window": 4.0, "passages": 3.0, "cache_hits": 2.0,
		"cache_misses": 1.0, "outcome": "ok", "status": 200.0, "level": "INFO", "infer_ms": 3.0, "method": "POST", "path": "/docs/_search",
	} {
		if line[key] != want {
			t.Errorf("log %s = %v, want %v", key, line[key], want)
		}
	}
	for _, stage := range Stages() {
		if _, ok := line[stage+"_ms"]; !ok && stage != StageTotal {
			t.Errorf("log lacks %s_ms", stage)
		}
		if b.seen.stages[stage] != 1 {
			t.Errorf("stage %s observed %d times", stage, b.seen.stages[stage])
		}
	}
	if text := b.logs.text(); strings.Contains(text, "SECRET") {
		t.Errorf("a secret is in the log:\n%s", text)
	}
	if !slices.Equal(b.seen.requests, []string{"rerank ok"}) || !slices.Equal(b.seen.passages, []int{3}) || !slices.Equal(b.seen.upstream, []int{200}) {
		t.Errorf("observed %v, passages %v, upstream %v", b.seen.requests, b.seen.passages, b.seen.upstream)
	}
}

// The answer quotes the request, as Elasticsearch's does; the log doesn't.
func TestAFaultInTheRequestIsLoggedWithoutItsText(t *testing.T) {
	broken := strings.TrimSuffix(rerankBody, "}") + "]"
	unknown := strings.Replace(rerankBody, `"x_other"`, `"`+strings.Repeat("long", 10_000)+`":1,"from":-1,"x_other"`, 1)
	wrong := strings.Replace(rerankBody, `"rank_window_size":4`, `"`+strings.Repeat("long", 10_000)+`":4`, 1)
	twice := strings.Replace(rerankBody, `"inference_text"`, `"field":"t","inference_text"`, 1)
	pinned := `{"retriever":{"pinned":{"ids":["1"],"retriever":` + twice[len(`{"retriever":`):strings.LastIndex(twice, `,"size"`)] + `}}}`
	for _, body := range []string{broken, unknown, wrong, twice, pinned} {
		var seen arrived
		b := start(t, []string{searched(t, &seen).URL}, nil)
		if a := send(t, http.MethodPost, b.url+"/docs/_search", body); a.Status != 400 {
			t.Fatalf("status %d: %s", a.Status, a.Body)
		}
		b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeBadRequest})
		if text := b.logs.text(); strings.Contains(text, "SECRET") || len(text) > 4<<10 {
			t.Errorf("%d bytes are logged:\n%.2000s", len(text), text)
		}
	}
}

func TestConcurrentSearchesKeepApart(t *testing.T) {
	b := start(t, []string{steady(t).URL}, nil)
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			size := i%3 + 1
			a := send(t, http.MethodPost, b.url+"/docs/_search", strings.Replace(rerankBody, `"size":3`, fmt.Sprintf(`"size":%d`, size), 1))
			if got := ids(t, a.Body); len(got) != size || got[0] != "b 4.0" {
				t.Errorf("size %d: status %d, hits = %v: %s", size, a.Status, got, a.Body)
			}
		})
	}
	clients.Wait()
}

// Documents of one length come out equal, and the cluster says which stands first.
// Where it doesn't, the order of the first stage stays.
func TestEqualScoresAreSettledByTheCluster(t *testing.T) {
	first := `{"took":1,"hits":{"total":{"value":2,"relation":"eq"},"max_score":2,"hits":[` +
		`{"_index":"docs","_id":"a","_score":2,"fields":{"t":["same"]}},{"_index":"docs","_id":"b","_score":1,"fields":{"t":["also"]}}]}}`
	for _, tc := range []struct {
		name, settles string
		status        int
		want          string
	}{
		{"it does", `{"hits":{"hits":[{"_shard":"[docs][1]","_index":"docs","_id":"a","sort":[0]},{"_shard":"[docs][0]","_index":"docs","_id":"b","sort":[5]}]}}`, 200, "b a"},
		{"it refuses", `{"error":{"type":"x"},"status":429}`, 429, "a b"},
		{"it says something else", `{"hits":1}`, 200, "a b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), `"_doc"`) {
					_, _ = io.WriteString(w, first)
					return
				}
				if r.URL.Path != "/docs/_search" || r.URL.Query().Get("routing") != "r" {
					t.Errorf("asked at %s", r.URL)
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.settles)
			})
			b := start(t, []string{node.URL}, nil)
			a := send(t, http.MethodPost, b.url+"/docs/_search?routing=r", rerankBody)
			var got struct {
				Hits struct {
					Hits []struct {
						ID string `json:"_id"`
					}
				}
			}
			if err := json.Unmarshal(a.Body, &got); err != nil || a.Status != 200 || len(got.Hits.Hits) != 2 {
				t.Fatalf("status %d: %s: %v", a.Status, a.Body, err)
			}
			if ids := got.Hits.Hits[0].ID + " " + got.Hits.Hits[1].ID; ids != tc.want {
				t.Errorf("got %s, want %s", ids, tc.want)
			}
		})
	}
}
