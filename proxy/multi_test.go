package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// multiCluster answers searches with the first stage, multi searches with one
// numbered answer for each of their searches, and keeps what it was asked.
func multiCluster(t *testing.T) (*httptest.Server, func() map[string][]string) {
	t.Helper()
	var mu sync.Mutex
	asked := map[string][]string{}
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("upstream: read body: %v", err)
		}
		mu.Lock()
		asked[r.RequestURI] = append(asked[r.RequestURI], string(body))
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "_msearch"):
			var list []string
			for i := range strings.Count(string(body), "\n") / 2 {
				list = append(list, fmt.Sprintf(`{"plain":%d,"status":200}`, i))
			}
			_, _ = io.WriteString(w, `{"took":1,"responses":[`+strings.Join(list, ",")+`]}`)
		case strings.HasPrefix(r.URL.Path, "/absent"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"type":"index_not_found_exception"},"status":404}`)
		default:
			_, _ = io.WriteString(w, firstStageAnswer)
		}
	})
	return node, func() map[string][]string {
		mu.Lock()
		defer mu.Unlock()
		return asked
	}
}

// responses decodes the answers of a multi search.
func responses(t *testing.T, body []byte) []json.RawMessage {
	t.Helper()
	var a struct{ Responses []json.RawMessage }
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("answer %q: %v", body, err)
	}
	return a.Responses
}

func TestAMultiSearchIsAnsweredItemByItemInOrder(t *testing.T) {
	node, asked := multiCluster(t)
	b := start(t, []string{node.URL}, nil)
	plain := `{"query":{"match_all":{}},"x":1.50}`
	body := strings.Join([]string{
		`{"index":"one"}`, plain,
		`{"index":["docs","more"],"routing":"r","ignore_unavailable":true}`, rerankBody,
		``, plain,
		`{"index":"absent"}`, rerankBody,
		`{}`, strings.Replace(rerankBody, `"field":"t"`, `"field":"t","inference_id":"nope"`, 1),
	}, "\n")
	a := send(t, http.MethodPost, b.url+"/base/_msearch?typed_keys=true", body, "Content-Type", "application/x-ndjson")
	if a.Status != 200 {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	list := responses(t, a.Body)
	if len(list) != 5 {
		t.Fatalf("%d answers: %s", len(list), a.Body)
	}
	if string(list[0]) != `{"plain":0,"status":200}` || string(list[2]) != `{"plain":1,"status":200}` {
		t.Errorf("plain answers %s and %s", list[0], list[2])
	}
	if diff := cmp.Diff([]string{"b 4.0", "d 3.0", "a 2.0"}, ids(t, list[1])); diff != "" || !strings.HasSuffix(string(list[1]), `,"status":200}`) {
		t.Errorf("reranked answer %s\n%s", list[1], diff)
	}
	if string(list[3]) != `{"error":{"type":"index_not_found_exception"},"status":404}` {
		t.Errorf("refused answer %s", list[3])
	}
	if !strings.Contains(string(list[4]), "Inference endpoint not found [nope]") || !strings.HasSuffix(string(list[4]), `"status":404}`) {
		t.Errorf("answer for an unknown endpoint %s", list[4])
	}
	seen := asked()
	if got := seen["/base/_msearch?typed_keys=true"]; len(got) != 1 || got[0] != "{\"index\":\"one\"}\n"+plain+"\n\n"+plain+"\n" {
		t.Errorf("plain searches as sent: %q in %v", got, seen)
	}
	if _, ok := seen["/docs%2Cmore/_search?allow_partial_search_results=false&ignore_unavailable=true&routing=r&typed_keys=true"]; !ok {
		t.Errorf("no reranked search at its own index: %v", seen)
	}
	if _, ok := seen["/base/_search?allow_partial_search_results=false&typed_keys=true"]; !ok {
		t.Errorf("no reranked search at the path's index: %v", seen)
	}
}

func TestAMultiSearchWithoutARerankerPassesThrough(t *testing.T) {
	node, asked := multiCluster(t)
	b := start(t, []string{node.URL}, nil)
	body := "{}\n{\"query\":{\"match\":{\"t\":\"text_similarity_reranker\"}}}\n\n{}\n"
	a := send(t, http.MethodPost, b.url+"/_msearch", body, "Content-Type", "application/vnd.elasticsearch+x-ndjson;compatible-with=8")
	if a.Status != 200 || len(asked()["/_msearch"]) != 1 || asked()["/_msearch"][0] != body {
		t.Errorf("status %d, sent %q", a.Status, asked())
	}
}

func TestAFaultInOneRequestOfAMultiSearchFailsTheWhole(t *testing.T) {
	node, asked := multiCluster(t)
	b := start(t, []string{node.URL}, nil)
	for name, body := range map[string]string{
		"Required [retriever, inference_text, field]":        "{}\n{}\n{}\n{\"retriever\":{\"text_similarity_reranker\":{}}}\n",
		"key [foo] is not supported in the metadata section": "{\"foo\":1}\n" + rerankBody + "\n",
		"malformed header line":                              "{\n" + rerankBody + "\n",
		"two lines for each search, found [3] lines":         "{}\n" + rerankBody + "\n{}\n",
		"can't read [index] in a header line":                "{\"index\":{}}\n" + rerankBody + "\n",
		"[index] is not specified":                           "{}\n" + rerankBody + "\n",
		"[filter_path] may hold at most":                     "",
	} {
		target := b.url + "/_msearch"
		if body == "" {
			body, target = "{\"index\":\"docs\"}\n"+rerankBody+"\n", target+"?filter_path="+strings.Repeat("a,", 200)
		}
		a := send(t, http.MethodPost, target, body, "Content-Type", "application/x-ndjson")
		if a.Status != 400 || !strings.Contains(string(a.Body), name) {
			t.Errorf("%s: status %d: %s", name, a.Status, a.Body)
		}
	}
	for target := range asked() {
		if strings.HasPrefix(target, "/_msearch") {
			t.Errorf("the cluster was asked %s", target)
		}
	}
}

func TestAMultiSearchIsFilteredAsAWhole(t *testing.T) {
	node, _ := multiCluster(t)
	b := start(t, []string{node.URL}, nil)
	body := "{\"index\":\"docs\"}\n" + rerankBody + "\n{}\n{}\n"
	a := send(t, http.MethodPost, b.url+"/_msearch?filter_path=responses.hits.hits._id,responses.plain", body, "Content-Type", "application/json")
	if want := `{"responses":[{"hits":{"hits":[{"_id":"b"},{"_id":"d"},{"_id":"a"}]}},{"plain":0}]}`; string(a.Body) != want {
		t.Errorf("got %s, want %s", a.Body, want)
	}
}

// All answers are held until the last is there.
func TestTheAnswersToAMultiSearchMayHaveTogetherWhatOneMay(t *testing.T) {
	for searches, want := range map[int]int{2: 200, 3: 413} {
		node, _ := multiCluster(t)
		b := start(t, []string{node.URL}, func(o *Options) { o.AnswerLimit = int64(len(firstStageAnswer)) * 2 })
		a := send(t, http.MethodPost, b.url+"/docs/_msearch", strings.Repeat("{}\n"+rerankBody+"\n", searches), "Content-Type", "application/x-ndjson")
		if a.Status != want {
			t.Errorf("%d searches: status %d: %s", searches, a.Status, a.Body)
		}
		if want == 413 {
			wantError(t, a, 413, "may have at most")
		}
	}
}

// An answer that is passed on in the place of a reranked one is held, too.
func TestAnAnswerThatARuleLeavesToTheClusterIsHeldUpToTheLimit(t *testing.T) {
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		if string(body) != plainBody { // as the rule sends it
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"x":"`+strings.Repeat("x", 100<<10)+`"}`)
	})
	b := start(t, []string{node.URL}, func(o *Options) {
		ruling()(o)
		o.AnswerLimit = 64 << 10
	})
	a := send(t, http.MethodPost, b.url+"/docs/_msearch?rerankd=true", "{}\n"+plainBody+"\n", "Content-Type", "application/x-ndjson")
	wantError(t, a, 413, "may have at most [65536] bytes together")
}

// A load balancer before the cluster answers in its own words, or in none.
func TestARefusalThatIsNotJSONLeavesAMultiSearchReadable(t *testing.T) {
	for _, refusal := range []string{"", "<html>busy</html>"} {
		node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, refusal)
		})
		b := start(t, []string{node.URL}, nil)
		a := send(t, http.MethodPost, b.url+"/docs/_msearch", "{}\n"+rerankBody+"\n", "Content-Type", "application/x-ndjson")
		if list := responses(t, a.Body); len(list) != 1 || !strings.Contains(string(list[0]), `"status":503}`) || !strings.Contains(string(list[0]), "upstream_exception") {
			t.Errorf("%q became %s", refusal, a.Body)
		}
	}
}

func TestAFailingModelDegradesOneItemOfAMultiSearch(t *testing.T) {
	node, _ := multiCluster(t)
	b := start(t, []string{node.URL}, failing(func(context.Context, string, []string) ([]float32, error) {
		return nil, errors.New("boom")
	}))
	a := send(t, http.MethodPost, b.url+"/docs/_msearch", "{}\n"+rerankBody+"\n", "Content-Type", "application/x-ndjson")
	if diff := cmp.Diff([]string{"a 1.0", "b 0.5", "c 0.33333334"}, ids(t, responses(t, a.Body)[0])); diff != "" {
		t.Error(diff)
	}
	b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeDegraded, "reason": OutcomeModelError})
}

func TestClientLeavingAMultiSearchEndsItsSearches(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(begun)
		<-r.Context().Done()
		close(ended)
	})
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	raw := strings.Replace(rawSearch("{}\n"+rerankBody+"\n"), "/docs/_search", "/docs/_msearch", 1)
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	wait(t, begun, "work to begin")
	_ = conn.Close()
	wait(t, ended, "work to end")
	b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeClientGone})
}

// The cluster's refusal of the plain searches ends the whole, and is relayed to
// its last byte although the other searches are given up.
func TestARefusalOfThePlainSearchesIsRelayedWhole(t *testing.T) {
	refusal := `{"error":"` + strings.Repeat("x", 100<<10) + `"}`
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "_msearch") {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, refusal)
			return
		}
		_, _ = io.WriteString(w, firstStageAnswer)
	})
	b := start(t, []string{node.URL}, nil)
	for range 20 {
		a := send(t, http.MethodPost, b.url+"/_msearch", "{}\n{}\n{\"index\":\"docs\"}\n"+rerankBody+"\n", "Content-Type", "application/x-ndjson")
		if a.Status != 400 || string(a.Body) != refusal {
			t.Fatalf("status %d, %d bytes", a.Status, len(a.Body))
		}
	}
}
