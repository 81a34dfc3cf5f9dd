package live_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/internal/evaluate/live"
	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var query = collection.Query{ID: "1", Text: `a "quoted" question`}

// serve answers every search with one body and keeps the last request.
func serve(t *testing.T, status int, header http.Header, answer string) (index *live.Index, last func() (path, body string)) {
	t.Helper()
	var path, body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		user, password, _ := r.BasicAuth()
		path, body = r.Method+" "+r.URL.EscapedPath()+" "+user+":"+password, string(text)
		for name := range header {
			w.Header().Set(name, header.Get(name))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	index, err := live.Open(live.Options{
		URL: strings.Replace(server.URL, "://", "://me:secret@", 1) + "/", Index: "my index", Field: "text", HTTP: server.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return index, func() (string, string) { return path, body }
}

func hits(ids ...string) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, `{"_index": "i", "_id": %q, "_score": %d}`, id, 10-i)
	}
	return `{"took": 1, "timed_out": false, "_shards": {"failed": 0}, "hits": {"hits": [` + b.String() + `]}}`
}

func TestTheFirstStageIsAMatchQuery(t *testing.T) {
	index, last := serve(t, 200, nil, hits("a", "b"))
	got, err := index.Search(t.Context(), query, 50)
	if err != nil || strings.Join(got.IDs(), " ") != "a b" || got[0].Score != 10 {
		t.Errorf("%v, err %v", got, err)
	}
	path, body := last()
	if want := "POST /my%20index/_search me:secret"; path != want {
		t.Errorf("request %s, want %s", path, want)
	}
	if want := `{"_source":false,"retriever":{"standard":{"query":{"match":{"text":"a \"quoted\" question"}}}},"size":50}`; body != want {
		t.Errorf("body %s, want %s", body, want)
	}
}

func TestTheRestOfTheFirstStageComesBehindWhatWasReranked(t *testing.T) {
	index, last := serve(t, 200, nil, hits("c", "a"))
	first := relevance.Ranking{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}}
	rankings, took, err := index.Endpoint("mine").Rerank(t.Context(), query, first, []int{2, 3})
	if err != nil {
		t.Fatal(err)
	}
	if len(rankings) != 2 || strings.Join(rankings[1].IDs(), " ") != "c a b d" || took[0] <= 0 || took[1] <= 0 {
		t.Errorf("%v, took %v", rankings, took)
	}
	_, body := last()
	var sent struct {
		Size      int
		Retriever map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatal(err)
	}
	reranker := sent.Retriever["text_similarity_reranker"]
	if sent.Size != 3 || reranker["rank_window_size"] != 3. || reranker["field"] != "text" || reranker["inference_id"] != "mine" || reranker["inference_text"] != query.Text {
		t.Errorf("body %s", body)
	}
	if _, err := index.Endpoint("").Time(t.Context(), query, first, 2); err != nil {
		t.Error(err)
	}
	if _, body = last(); strings.Contains(body, "inference_id") {
		t.Errorf("the default endpoint is named: %s", body)
	}
}

func TestAnswersThatAreNotWholeAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		header http.Header
		answer string
		want   string
	}{
		{"an error", 404, nil, `{"error": "no such index"}`, `status 404: "{\"error\": \"no such index\"}"`},
		{"a long error", 500, nil, strings.Repeat("x", 1<<20), "status 500"},
		{"no reranking", 200, http.Header{"X-Rerankd-Outcome": {"degraded; reason=deadline"}}, hits("a"), "the proxy did not rerank: \"degraded; reason=deadline\""},
		{"a timeout", 200, nil, `{"timed_out": true}`, "the answer is partial"},
		{"a shard that failed", 200, nil, `{"_shards": {"failed": 1}}`, "1 shards failed"},
		{"no JSON", 200, nil, `<html>`, "read answer"},
		{"an id twice", 200, nil, hits("a", "a"), `hit 2 has no id of its own: "a"`},
		{"no id", 200, nil, hits(""), "hit 1 has no id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			index, _ := serve(t, tc.status, tc.header, tc.answer)
			_, err := index.Search(t.Context(), query, 10)
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 1000 || strings.Contains(err.Error(), "secret") {
				t.Errorf("err = %v, want %q in it", err, tc.want)
			}
			if _, _, err := index.Endpoint("").Rerank(t.Context(), query, nil, []int{1}); err == nil {
				t.Error("a reranking takes it")
			}
		})
	}
}

func TestAnIndexWantsAnAddress(t *testing.T) {
	for _, o := range []live.Options{
		{URL: "", Index: "i", Field: "f"},
		{URL: "host:9280", Index: "i", Field: "f"},
		{URL: "ftp://host", Index: "i", Field: "f"},
		{URL: "http://me:secret@host:port", Index: "i", Field: "f"},
		{URL: "http://host", Field: "f"},
		{URL: "http://host", Index: "i"},
	} {
		if _, err := live.Open(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: err = %v", o, err)
		}
	}
}
