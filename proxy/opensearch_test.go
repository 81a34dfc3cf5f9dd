package proxy

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rootPage is what OpenSearch shows at its root.
const rootPage = `{"version":{"distribution":"opensearch","number":"2.19.4"}}`

// asked is what a fake OpenSearch was sent.
type asked struct {
	mu   sync.Mutex
	list []string // method, path and body
	head []http.Header
}

func (a *asked) add(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	a.head = append(a.head, r.Header.Clone())
}

func (a *asked) take() ([]string, []http.Header) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, head := a.list, a.head
	a.list, a.head = nil, nil
	return list, head
}

// openSearch is a node that answers as OpenSearch does where the proxy must know it.
func openSearch(t *testing.T, seen *asked) string {
	t.Helper()
	return cluster(t, func(w http.ResponseWriter, r *http.Request) {
		seen.add(r)
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		switch path := r.URL.Path; {
		case path == "/":
			_, _ = io.WriteString(w, rootPage)
		case strings.HasSuffix(path, "/point_in_time") && r.Method == http.MethodPost:
			_, _ = io.WriteString(w, `{"pit_id":"p1","_shards":{"total":1},"creation_time":1}`)
		case strings.HasSuffix(path, "/point_in_time"):
			_, _ = io.WriteString(w, `{"pits":[{"successful":true,"pit_id":"p1"}]}`)
		default:
			_, _ = io.WriteString(w, `{"took":1,"pit_id":"p1","hits":{"total":{"value":1,"relation":"eq"},"hits":[{"_index":"i","_id":"1","_score":1.0,"fields":{"text":["t"]}}]}}`)
		}
	}).URL
}

func opensearchUpstream(o *UpstreamOptions) { o.Flavour = FlavourOpenSearch }

func TestClientsOfElasticsearchAreUnderstoodByOpenSearch(t *testing.T) {
	const vendor = "application/vnd.elasticsearch+json; compatible-with=8"
	seen := &asked{}
	b := start(t, []string{openSearch(t, seen)}, nil, opensearchUpstream)
	for _, tc := range []struct {
		name, method, path, body string
		header                   []string
		sent                     string
		types                    [2]string // Content-Type and Accept on the way
		answer                   string
		answerType               string
	}{
		{
			"a search", http.MethodPost, "/i/_doc/1?refresh=true", `{"a":1}`,
			[]string{"Content-Type", vendor, "Accept", vendor},
			`POST /i/_doc/1?refresh=true {"a":1}`,
			[2]string{mediaJSON, mediaJSON},
			"", "application/vnd.elasticsearch+json;compatible-with=8",
		},
		{
			"lines", http.MethodPost, "/_bulk", "{}\n",
			[]string{"Content-Type", "application/vnd.elasticsearch+x-ndjson;compatible-with=9", "Accept", vendor + ",text/plain"},
			"POST /_bulk {}",
			[2]string{"application/x-ndjson", mediaJSON + ",text/plain"},
			"", "application/vnd.elasticsearch+json;compatible-with=8",
		},
		{"plain types", http.MethodGet, "/i/_count", "", []string{"Accept", mediaJSON}, "GET /i/_count", [2]string{mediaJSON, mediaJSON}, "", mediaJSON},
		{
			"a point in time", http.MethodPost, "/i,j/_pit?keep_alive=1m", "", nil,
			"POST /i,j/_search/point_in_time?keep_alive=1m",
			[2]string{mediaJSON, ""},
			`{"id":"p1","_shards":{"total":1}}`, mediaJSON,
		},
		{
			"its end", http.MethodDelete, "/_pit", `{"id":"p1"}`, nil,
			`DELETE /_search/point_in_time {"pit_id":["p1"]}`,
			[2]string{mediaJSON, ""},
			`{"succeeded":true,"num_freed":1}`, mediaJSON,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seen.take()
			a := send(t, tc.method, b.url+tc.path, tc.body, tc.header...)
			list, head := seen.take()
			if d := cmp.Diff([]string{tc.sent}, list); d != "" {
				t.Fatalf("sent:\n%s", d)
			}
			if got := [2]string{head[0].Get("Content-Type"), head[0].Get("Accept")}; got != tc.types {
				t.Errorf("types sent: %q, want %q", got, tc.types)
			}
			if tc.answer != "" && string(a.Body) != tc.answer {
				t.Errorf("answer %s, want %s", a.Body, tc.answer)
			}
			if got := a.Header.Get("Content-Type"); got != tc.answerType {
				t.Errorf("Content-Type of the answer %q, want %q", got, tc.answerType)
			}
			if a.Header.Get("X-Elastic-Product") != "Elasticsearch" {
				t.Error("the answer is not signed, so that clients refuse it")
			}
		})
	}
}

func TestARerankedSearchReachesOpenSearchAsAQuery(t *testing.T) {
	seen := &asked{}
	b := start(t, []string{openSearch(t, seen)}, nil, opensearchUpstream)
	const body = `{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":{"match_all":{}}}},"field":"text","inference_text":"q"}}}`
	if a := send(t, http.MethodPost, b.url+"/i/_search", body); a.Status != http.StatusOK {
		t.Fatalf("answer %d %s", a.Status, a.Body)
	}
	list, _ := seen.take()
	_, upstream, _ := strings.Cut(strings.TrimPrefix(list[0], "POST "), " ")
	var sent map[string]any
	if err := json.Unmarshal([]byte(upstream), &sent); err != nil {
		t.Fatalf("sent %s: %v", list[0], err)
	}
	if sent["query"] == nil || sent["retriever"] != nil {
		t.Errorf("sent %s, want a query in the place of the retriever", upstream)
	}
	a := send(t, http.MethodPost, b.url+"/i/_search", strings.Replace(body, `"standard"`, `"knn"`, 1))
	wantError(t, a, http.StatusBadRequest, "a [knn] retriever on OpenSearch")
}

func TestTheClusterIsAskedOnceWhatItIs(t *testing.T) {
	for _, tc := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		want   Flavour
	}{
		{"signed", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(productHeader, product)
			w.WriteHeader(http.StatusMethodNotAllowed)
		}, FlavourElasticsearch},
		{"named", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, rootPage) }, FlavourOpenSearch},
		{"another one", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"version":{}}`) }, FlavourElasticsearch},
		{"named to those who may see it", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Basic x" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			_, _ = io.WriteString(w, rootPage)
		}, FlavourOpenSearch},
		{"told to nobody", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, FlavourAuto},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seen := &asked{}
			node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
				seen.add(r)
				tc.answer(w, r)
			})
			b := start(t, []string{node.URL}, nil, func(o *UpstreamOptions) { o.Flavour = FlavourAuto })
			for range 3 {
				send(t, http.MethodGet, b.url+"/i/_count", "", "Authorization", "Basic x")
			}
			if got := b.upstream.Flavour(); got != tc.want {
				t.Errorf("the cluster is taken for %s, want %s", got, tc.want)
			}
			list, _ := seen.take()
			questions := 0
			for _, request := range list {
				if request == "GET /" {
					questions++
				}
			}
			if tc.want != FlavourAuto && questions != 1 {
				t.Errorf("asked %d times, want once: %q", questions, list)
			}
		})
	}
}

// An answer that doesn't say how long it is may be longer than what is looked into.
func TestAnAnswerTooLongToBeReshapedIsLeftWhole(t *testing.T) {
	for _, more := range []int{0, 1, 100} {
		want := strings.Repeat("x", maxPointInTime+more)
		res := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(want))}
		if err := reshaped(res, openedByOpenSearch); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(res.Body); err != nil || string(got) != want {
			t.Errorf("%d bytes became %d, %v", len(want), len(got), err)
		}
	}
}
