package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	elasticsearch "github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types/enums/elasticsearchservicetype"

	"github.com/rerankd/rerankd/configs"
)

// onItems is a search of e2e-items with an endpoint and a window.
func onItems(endpoint string, window int) string {
	return fmt.Sprintf(`{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":{"match_all":{}}}},`+
		`"field":"score","inference_text":"q","inference_id":%q,"rank_window_size":%d}}}`, endpoint, window)
}

func TestAnEndpointIsMadeCalledSearchedChangedAndDeletedByTheTypedGoClient(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	client, err := elasticsearch.NewTypedClient(clientConfig(p))
	if err != nil {
		t.Fatal(err)
	}
	one := 1
	made, err := client.Inference.PutElasticsearch("rerank", "my-reranker").
		Service(elasticsearchservicetype.Elasticsearch).
		ServiceSettings(&types.ElasticsearchServiceSettings{ModelId: ".rerank-v1", NumThreads: 1, NumAllocations: &one}).Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if made.InferenceId != "my-reranker" || made.Service != "elasticsearch" {
		t.Errorf("made %+v", made)
	}

	// Its own reading of the answer takes the list for the whole, whoever answers.
	res, err := client.Inference.Rerank("my-reranker").Query("q").Input("1", "3", "2").Perform(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, d := range decode[struct{ Rerank []types.RankedDocument }](t, body).Rerank {
		order = append(order, fmt.Sprintf("%d=%v:%s", d.Index, d.RelevanceScore, *d.Text))
	}
	if got := strings.Join(order, " "); got != "1=3:3 2=2:2 0=1:1" {
		t.Errorf("ranking %s out of %s", got, body)
	}

	search := func() (int, error) {
		res, err := client.Search().Index("e2e-items").Retriever(&types.RetrieverContainer{TextSimilarityReranker: &types.TextSimilarityReranker{
			Retriever: types.RetrieverContainer{Standard: &types.StandardRetriever{}}, Field: "score", InferenceText: "q",
			InferenceId: new("my-reranker"),
		}}).Do(t.Context())
		if err != nil {
			return 0, err
		}
		return len(res.Hits.Hits), nil
	}
	if n, err := search(); err != nil || n == 0 {
		t.Errorf("a search on it: %d hits, %v", n, err)
	}

	list, err := client.Inference.Get().Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range list.Endpoints {
		ids = append(ids, e.InferenceId)
	}
	for _, want := range []string{mock, words, "my-reranker"} {
		if !slices.Contains(ids, want) {
			t.Errorf("%s is not among %q", want, ids)
		}
	}
	if !slices.IsSorted(ids) {
		t.Errorf("%q are not in order", ids)
	}

	if _, err := client.Inference.Delete("my-reranker").Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = search()
	var failed *types.ElasticsearchError
	if !errors.As(err, &failed) || failed.Status != http.StatusNotFound {
		t.Errorf("a search on a deleted endpoint: %v, want a 404", err)
	}
	_, err = client.Inference.Rerank("my-reranker").Query("q").Input("1").Do(t.Context())
	if !errors.As(err, &failed) || failed.Status != http.StatusNotFound || failed.ErrorCause.Type != "resource_not_found_exception" {
		t.Errorf("a call of a deleted endpoint: %v, want a 404", err)
	}
}

func TestEndpointsMadeByCallersOutliveTheProgram(t *testing.T) {
	itemIndex(t)
	folder := t.TempDir()
	configure := func(c *configs.Config) { c.Inference.Folder = folder }
	first := startProxy(t, configure)
	made := send(t, http.MethodPut, first.url+"/_inference/rerank/kept",
		`{"service":"elasticsearch","service_settings":{"model_id":"numeric","num_threads":1,"num_allocations":1},"task_settings":{"top_n":2,"return_documents":false}}`)
	if made.Status != http.StatusOK {
		t.Fatal(made)
	}
	changed := send(t, http.MethodPut, first.url+"/_inference/kept/_update", `{"task_settings":{"top_n":3}}`)
	if changed.Status != http.StatusOK {
		t.Fatal(changed)
	}
	if err := first.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}

	again := startProxy(t, configure)
	shown := send(t, http.MethodGet, again.url+"/_inference/rerank/kept", "")
	if want := `{"endpoints":[` + string(changed.Body) + `]}`; shown.Status != http.StatusOK || string(shown.Body) != want {
		t.Errorf("after the restart %s, want %s", shown, want)
	}
	if _, a := search(t, again.url+"/e2e-items/_search", onItems("kept", 3)); a.Status != http.StatusOK {
		t.Errorf("a search on it: %s", a)
	}
	wantError(t, send(t, http.MethodPost, again.url+"/e2e-items/_search", onItems("kept", 4)), http.StatusBadRequest,
		"Inference endpoint [kept] is configured to return the top [3] results, but rank_window_size is [4].")
}

// The workers of a real model: they come with the load, and go after it.
func TestAdaptiveAllocationsFollowTheLoadToNoneAndBack(t *testing.T) {
	p := startProxy(t, func(c *configs.Config) {
		c.Endpoints = append(c.Endpoints, configs.Endpoint{ID: "m", Model: referenceModel})
		c.Engine.Workers, c.Cache.Bytes, c.Inference.ScaleDownAfter = 2, 0, time.Second
	})
	model := decode[struct {
		Endpoints []struct {
			Settings struct {
				Model string `json:"model_id"`
			} `json:"service_settings"`
		}
	}](t, send(t, http.MethodGet, p.url+"/_inference/m", "").Body).Endpoints[0].Settings.Model
	made := send(t, http.MethodPut, p.url+"/_inference/rerank/elastic", fmt.Sprintf(`{"service":"elasticsearch","service_settings":{"model_id":%q,"num_threads":1,`+
		`"adaptive_allocations":{"enabled":true,"min_number_of_allocations":0,"max_number_of_allocations":32}}}`, model))
	if made.Status != http.StatusOK {
		t.Fatal(made)
	}
	series := fmt.Sprintf(`rerankd_endpoint_allocations{endpoint="elastic",model=%q}`, model)
	allocations := func() string {
		shown := decode[struct {
			Endpoints []struct {
				Settings struct {
					N int `json:"num_allocations"`
				} `json:"service_settings"`
			}
		}](t, send(t, http.MethodGet, p.url+"/_inference/elastic", "").Body)
		return fmt.Sprintf("%d, %s among the metrics", shown.Endpoints[0].Settings.N, p.metric(t, series))
	}
	if got := allocations(); got != "0, 0 among the metrics" {
		t.Errorf("allocations before any call: %s", got)
	}

	var enough atomic.Bool
	defer enough.Store(true)
	var callers sync.WaitGroup
	for i := range 4 {
		callers.Go(func() {
			for n := 0; !enough.Load(); n++ {
				texts := make([]string, 60)
				for k := range texts {
					texts[k] = strconv.Quote(strings.Repeat(fmt.Sprintf("the tide of %d %d %d ", i, n, k), 20))
				}
				a, err := try(t, http.MethodPost, p.url+"/_inference/rerank/elastic", `{"query":"tides","input":[`+strings.Join(texts, ",")+`]}`)
				if err != nil || a.Status != http.StatusOK {
					t.Errorf("a call: %s, %v", a, err)
					return
				}
			}
		})
	}
	eventually(t, "there are as many allocations as the engine has workers", func() (bool, string) {
		got := allocations()
		return got == "2, 2 among the metrics", got
	})
	enough.Store(true)
	callers.Wait()
	eventually(t, "there is no allocation left", func() (bool, string) {
		got := allocations()
		return got == "0, 0 among the metrics", got
	})
	if a := send(t, http.MethodPost, p.url+"/_inference/elastic", `{"query":"tides","input":["the moon"]}`); a.Status != http.StatusOK {
		t.Errorf("the first call after a pause: %s", a)
	}
}

// What answers the question stands behind what the model reads of the text, up to
// which both documents are equal: they stay in the order of the first stage.
func TestALongDocumentIsFoundByItsBestChunk(t *testing.T) {
	filler := strings.Repeat("The harbour was quiet in the morning and the boats lay in rows along the quay. ", 60)
	index(t, "e2e-long-endpoints", `{"mappings":{"properties":{"text":{"type":"text"}}}}`,
		document{"never", encode(t, map[string]string{"text": filler + "Gulls cry over the roofs of the old town."})},
		document{"late", encode(t, map[string]string{"text": filler + "The capital of Australia is Canberra."})})
	p := startProxy(t, func(c *configs.Config) {
		c.Endpoints = append(c.Endpoints, configs.Endpoint{ID: "m", Model: configs.ModelBuiltin}, configs.Endpoint{ID: "by-chunks", Model: configs.ModelBuiltin, LongDocuments: "chunk"})
	})
	made := send(t, http.MethodPut, p.url+"/_inference/rerank/first-chunk",
		`{"service":"elasticsearch","service_settings":{"model_id":"builtin","num_threads":1,"num_allocations":1,"long_document_strategy":"chunk","max_chunks_per_doc":1}}`)
	if made.Status != http.StatusOK {
		t.Fatal(made)
	}
	for endpoint, want := range map[string]string{"m": "never", "by-chunks": "late", "first-chunk": "never"} {
		found, a := search(t, p.url+"/e2e-long-endpoints/_search", fmt.Sprintf(`{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":{"match_all":{}}}},`+
			`"field":"text","inference_text":"what is the capital of australia","inference_id":%q}}}`, endpoint))
		if ids := found.ids(); len(ids) != 2 || ids[0] != want {
			t.Errorf("%s: order %q, want %s first: %s", endpoint, ids, want, a)
		}
	}
}
