package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	elasticsearch "github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esutil"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
	"github.com/google/go-cmp/cmp"
)

// clientConfig is that of an application that knows nothing of the program but
// its address. Retries would hide a dropped connection.
func clientConfig(p *program) elasticsearch.Config {
	c := elasticsearch.Config{
		Addresses: []string{p.url}, DisableRetry: true, CompressRequestBody: true,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	if started.Authorization != "" {
		c.Header = http.Header{"Authorization": {started.Authorization}}
	}
	return c
}

func TestTheTypedGoClientWorksThroughTheProgram(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	client, err := elasticsearch.NewTypedClient(clientConfig(p))
	if err != nil {
		t.Fatal(err)
	}
	retriever := &types.RetrieverContainer{TextSimilarityReranker: &types.TextSimilarityReranker{
		Retriever:     types.RetrieverContainer{Standard: &types.StandardRetriever{Query: &types.Query{MatchAll: &types.MatchAllQuery{}}}},
		Field:         "score",
		InferenceText: "q",
		InferenceId:   new(mock),
		Filter:        []types.Query{{Term: map[string]types.TermQuery{"tag": {Value: "x"}}}},
		MinScore:      new(float32(-0.5)),
	}}
	res, err := client.Search().Index("e2e-items").Retriever(retriever).Size(2).
		Highlight(&types.Highlight{Fields: map[string]types.HighlightField{"title": {}}}).Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, h := range res.Hits.Hits {
		got = append(got, fmt.Sprintf("%s=%v", *h.Id_, *h.Score_))
	}
	if d := cmp.Diff([]string{"e=3", "a=1"}, got); d != "" {
		t.Error(d)
	}
	if res.Hits.Total.Value != 3 || *res.Hits.MaxScore != 3 {
		t.Errorf("total = %v, max_score = %v", res.Hits.Total, *res.Hits.MaxScore)
	}

	// The typed API sends typed_keys, under which aggregations come with types.
	res, err = client.Search().Index("e2e-items").Size(0).
		Retriever(&types.RetrieverContainer{TextSimilarityReranker: &types.TextSimilarityReranker{
			Retriever: types.RetrieverContainer{Standard: &types.StandardRetriever{}}, Field: "score", InferenceText: "q",
		}}).
		Aggregations(map[string]types.Aggregations{"tags": {Terms: &types.TermsAggregation{Field: new("tag")}}}).Do(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := res.Aggregations["tags"].(*types.StringTermsAggregate); !ok {
		t.Errorf("aggregation = %T", res.Aggregations["tags"])
	}

	retriever.TextSimilarityReranker.InferenceId = new("none")
	_, err = client.Search().Index("e2e-items").Retriever(retriever).Do(t.Context())
	var failed *types.ElasticsearchError
	if !errors.As(err, &failed) || failed.Status != http.StatusNotFound || failed.ErrorCause.Type != "status_exception" {
		t.Errorf("an unknown endpoint gives %v", err)
	}
	if count, err := client.Count().Index("e2e-items").Do(t.Context()); err != nil || count.Count != int64(len(items)) {
		t.Errorf("count = %v, %v", count, err)
	}
	if exists, err := client.Indices.Exists("e2e-items").Do(t.Context()); err != nil || !exists {
		t.Errorf("exists = %v, %v", exists, err)
	}
}

func TestThePlainGoClientWorksThroughTheProgram(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	client, err := elasticsearch.NewClient(clientConfig(p))
	if err != nil {
		t.Fatal(err)
	}
	body := `{"retriever":` + reranker(mock, "q", "score", all, "") + `}`
	res, err := client.Search(client.Search.WithContext(t.Context()), client.Search.WithIndex("e2e-items"),
		client.Search.WithBody(strings.NewReader(body)), client.Search.WithSourceIncludes("title"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(res.Body); err != nil || res.IsError() {
		t.Fatalf("search: %v, %s", err, &answer)
	}
	if d := cmp.Diff(strings.Fields("b e a c"), decode[found](t, answer.Bytes()).ids()); d != "" {
		t.Error(d)
	}

	bad, err := client.Search(client.Search.WithContext(t.Context()), client.Search.WithIndex("e2e-items"),
		client.Search.WithBody(strings.NewReader(`{"retriever":{"text_similarity_reranker":{}}}`)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bad.Body.Close() }()
	if bad.StatusCode != http.StatusBadRequest || !strings.Contains(bad.String(), "Required [") {
		t.Errorf("a malformed reranker gives %s", bad)
	}
}

func TestTheBulkIndexerOfTheGoClientWorksThroughTheProgram(t *testing.T) {
	const documents = 500
	index(t, scratch, `{}`)
	p := startProxy(t, nil)
	client, err := elasticsearch.NewClient(clientConfig(p))
	if err != nil {
		t.Fatal(err)
	}
	var failed atomic.Int64
	bulk, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{
		Client: client, Index: scratch, NumWorkers: 3, FlushBytes: 8 << 10, Refresh: "true",
		OnError: func(_ context.Context, err error) { t.Errorf("bulk: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range documents {
		err := bulk.Add(t.Context(), esutil.BulkIndexerItem{
			Action: "index", DocumentID: fmt.Sprint(i), Body: strings.NewReader(fmt.Sprintf(`{"n":%d,"text":"bulk & <é>"}`, i)),
			OnFailure: func(context.Context, esutil.BulkIndexerItem, esutil.BulkIndexerResponseItem, error) { failed.Add(1) },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := bulk.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := bulk.Stats(); s.NumFlushed != documents || failed.Load() != 0 {
		t.Errorf("flushed %d of %d, %d failed", s.NumFlushed, documents, failed.Load())
	}
	a := send(t, http.MethodGet, cluster(t).URL+"/"+scratch+"/_count", "")
	if !strings.Contains(string(a.Body), fmt.Sprintf(`"count":%d,`, documents)) {
		t.Errorf("the cluster has %s", a)
	}
}
