package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// templating is a cluster with mustache and one stored template, "reranked",
// which it refuses to run as one without the licence does.
type templating struct {
	*httptest.Server

	mu    sync.Mutex
	asked []string // method, target and body
}

const noLicence = `{"error":{"root_cause":[{"type":"security_exception","reason":"current license is non-compliant for [text_similarity_reranker]"}],` +
	`"type":"security_exception","reason":"current license is non-compliant for [text_similarity_reranker]"},"status":403}`

func newTemplating(t *testing.T) *templating {
	t.Helper()
	c := &templating{}
	c.Server = cluster(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		c.asked = append(c.asked, r.Method+" "+r.RequestURI+" "+string(body))
		c.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		c.answer(t, w, r, string(body))
	})
	return c
}

func (c *templating) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.asked
	c.asked = nil
	return list
}

func (c *templating) answer(t *testing.T, w http.ResponseWriter, r *http.Request, body string) {
	t.Helper()
	say := func(status int, text string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
	stored := strings.Contains(body, `"id":"reranked"`)
	switch path := r.URL.Path; {
	case path == "/_render/template":
		var asked struct {
			ID     string
			Source any
			Params map[string]string
		}
		if err := json.Unmarshal([]byte(body), &asked); err != nil || asked.Params["broken"] != "" {
			say(400, `{"error":"broken"}`)
			return
		}
		text, inline := asked.Source.(string)
		switch {
		case asked.ID != "":
			text = rerankBody
		case !inline:
			raw, _ := json.Marshal(asked.Source)
			text = string(raw)
		}
		for name, value := range asked.Params {
			text = strings.ReplaceAll(text, "{{"+name+"}}", value)
		}
		say(200, `{"template_output":`+text+`}`)
	case strings.HasSuffix(path, "_msearch/template"):
		var list []string
		for _, line := range strings.Split(strings.TrimSpace(body), "\n")[1:] {
			switch {
			case strings.Contains(line, `"id":"reranked"`):
				list = append(list, noLicence)
			case strings.Contains(line, `"source"`), strings.Contains(line, `"id"`):
				list = append(list, `{"plain":`+strconv.Itoa(len(list))+`,"status":200}`)
			}
		}
		say(200, `{"took":1,"responses":[`+strings.Join(list, ",")+`]}`)
	case strings.HasSuffix(path, "_search/template") && stored:
		say(403, noLicence)
	case strings.HasSuffix(path, "_search/template") && strings.Contains(body, `"id":"foreign"`): // as OpenSearch says it
		say(400, `{"error":{"type":"parsing_exception","reason":"Unknown key for a START_OBJECT in [retriever]."},"status":400}`)
	case strings.HasSuffix(path, "_search/template"):
		say(200, `{"plain":true}`)
	default:
		say(200, firstStageAnswer)
	}
}

func inline(body string) string {
	return `{"source":` + strconv.Quote(body) + `,"params":{"q":"SECRETQUERY"}}`
}

func TestATemplateIsRenderedByTheClusterAndThenReranked(t *testing.T) {
	c := newTemplating(t)
	b := start(t, []string{c.URL}, nil)
	text := strings.Replace(rerankBody, "SECRETQUERY", "{{q}}", 1)
	order := []string{"b 4.0", "d 3.0", "a 2.0"}
	first := "POST /docs/_search?allow_partial_search_results=false&typed_keys=true "
	for _, tc := range []struct {
		name, body string
		asked      []string // beginnings of the requests at the cluster
		reranked   bool
	}{
		{"in the request", inline(text), []string{"POST /_render/template ", first}, true},
		{"as an object", `{"source":` + rerankBody + `}`, []string{"POST /_render/template ", first}, true},
		{"stored", `{"id":"reranked","params":{}}`, []string{"POST /docs/_search/template?typed_keys=true ", "POST /_render/template ", first}, true},
		{"stored in OpenSearch", `{"id":"foreign"}`, []string{"POST /docs/_search/template?typed_keys=true ", "POST /_render/template ", first}, true},
		{"stored, without a reranker", `{"id":"other"}`, []string{"POST /docs/_search/template?typed_keys=true "}, false},
		{"without a reranker", inline(`{"query":{"match_all":{}}}`), []string{"POST /docs/_search/template?typed_keys=true "}, false},
		{"the mere word", inline(`{"query":{"match":{"t":"text_similarity_reranker"}}}`), []string{"POST /_render/template ", "POST /docs/_search/template?typed_keys=true "}, false},
		{"not rendered", `{"source":"text_similarity_reranker","params":{"broken":"1"}}`, []string{"POST /_render/template ", "POST /docs/_search/template?typed_keys=true "}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.take()
			a := send(t, http.MethodPost, b.url+"/docs/_search/template?typed_keys=true", tc.body)
			if a.Status != 200 {
				t.Fatalf("status %d: %s", a.Status, a.Body)
			}
			asked := c.take()
			if len(asked) != len(tc.asked) {
				t.Fatalf("the cluster was asked %q", asked)
			}
			for i, begin := range tc.asked {
				if !strings.HasPrefix(asked[i], begin) {
					t.Errorf("request %d is %q, want %q", i, asked[i], begin)
				}
			}
			if !tc.reranked {
				if string(a.Body) != `{"plain":true}` || !strings.HasSuffix(asked[len(asked)-1], " "+tc.body) {
					t.Errorf("answer %s to %q", a.Body, asked)
				}
				return
			}
			if d := cmp.Diff(order, ids(t, a.Body)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestARefusalOfAStoredTemplateThatIsNoRerankersIsTheClustersOwn(t *testing.T) {
	for _, size := range []int{10, refusalLimit + 10} {
		refusal := `{"error":{"type":"x","reason":"` + strings.Repeat("x", size) + `"},"status":404}`
		node := cluster(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Own", "1")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, refusal)
		})
		b := start(t, []string{node.URL}, nil)
		a := send(t, http.MethodPost, b.url+"/docs/_search/template", `{"id":"absent"}`)
		if a.Status != 404 || string(a.Body) != refusal || a.Header.Get("X-Own") != "1" {
			t.Errorf("status %d, %d bytes, headers %v", a.Status, len(a.Body), a.Header)
		}
	}
}

func TestSearchesOfAMultiTemplateAreRenderedEachOnItsOwn(t *testing.T) {
	c := newTemplating(t)
	b := start(t, []string{c.URL}, nil)
	order := []string{"b 4.0", "d 3.0", "a 2.0"}
	plain := inline(`{}`)
	broken := inline(`{"retriever":{"text_similarity_reranker":{}}}`)
	lines := strings.Join([]string{
		`{"index":"docs"}`, plain,
		`{"index":"docs"}`, inline(rerankBody),
		`{"index":"docs"}`, `{"id":"reranked"}`,
		`{"index":"docs"}`, broken,
		`{"index":"docs"}`, `{"id":"other"}`, "",
	}, "\n")
	a := send(t, http.MethodPost, b.url+"/_msearch/template", lines, "Content-Type", "application/x-ndjson")
	if a.Status != 200 {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	list := responses(t, a.Body)
	if len(list) != 5 || string(list[0]) != `{"plain":0,"status":200}` || string(list[4]) != `{"plain":2,"status":200}` {
		t.Fatalf("answers %s", a.Body)
	}
	for _, i := range []int{1, 2} {
		if d := cmp.Diff(order, ids(t, list[i])); d != "" {
			t.Errorf("answer %d: %s", i, d)
		}
	}
	if !strings.Contains(string(list[3]), "Required [retriever, inference_text, field]") {
		t.Errorf("a faulty search: %s", list[3])
	}
	t.Run("stored alone", func(t *testing.T) {
		c.take()
		a := send(t, http.MethodPost, b.url+"/docs/_msearch/template", "{}\n{\"id\":\"other\"}\n{}\n{\"id\":\"reranked\"}\n", "Content-Type", "application/json")
		list := responses(t, a.Body)
		if d := cmp.Diff(order, ids(t, list[1])); len(list) != 2 || d != "" || string(list[0]) != `{"plain":0,"status":200}` {
			t.Errorf("answers %s\n%s", a.Body, d)
		}
		if asked := c.take(); len(asked) != 3 {
			t.Errorf("the cluster was asked %q", asked)
		}
	})
	for _, body := range []string{"{}\n" + plain + "\n", "{}\n{\"id\":\"other\"}\n"} {
		c.take()
		a := send(t, http.MethodPost, b.url+"/_msearch/template?x=%2f", body, "Content-Type", "application/x-ndjson")
		if asked := c.take(); len(asked) != 1 || asked[0] != "POST /_msearch/template?x=%2f "+body || string(a.Body) != `{"took":1,"responses":[{"plain":0,"status":200}]}` {
			t.Errorf("answer %s to %q", a.Body, asked)
		}
	}
}

func TestAnAsynchronousSearchIsAnsweredCompleteAndWithoutAnID(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, nil)
	before := time.Now().UnixMilli()
	a := send(t, http.MethodPost, b.url+"/docs/_async_search?wait_for_completion_timeout=1ms&keep_alive=2h&keep_on_completion=false&typed_keys=true", rerankBody)
	var got struct {
		ID         *string         `json:"id"`
		IsPartial  *bool           `json:"is_partial"`
		IsRunning  *bool           `json:"is_running"`
		Start      int64           `json:"start_time_in_millis"`
		Expiration int64           `json:"expiration_time_in_millis"`
		Completion int64           `json:"completion_time_in_millis"`
		Response   json.RawMessage `json:"response"`
	}
	if err := json.Unmarshal(a.Body, &got); err != nil || a.Status != 200 {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	if got.ID != nil || got.IsPartial == nil || *got.IsPartial || got.IsRunning == nil || *got.IsRunning {
		t.Errorf("answer %s", a.Body)
	}
	if got.Start < before || got.Completion < got.Start || got.Expiration != got.Start+2*60*60*1000 || a.Header.Get(asyncHeader) != "?0" {
		t.Errorf("times %+v, header %v", got, a.Header)
	}
	if d := cmp.Diff([]string{"b 4.0", "d 3.0", "a 2.0"}, ids(t, got.Response)); d != "" {
		t.Error(d)
	}
	if seen.URI != "/docs/_search?allow_partial_search_results=false&typed_keys=true" {
		t.Errorf("the cluster was asked %s", seen.URI)
	}
	a = send(t, http.MethodPost, b.url+"/docs/_async_search?filter_path=is_running,response.hits.hits._id", rerankBody)
	if want := `{"is_running":false,"response":{"hits":{"hits":[{"_id":"b"},{"_id":"d"},{"_id":"a"}]}}}`; string(a.Body) != want {
		t.Errorf("filtered: %s, want %s", a.Body, want)
	}
	for _, tc := range []struct{ method, target, body string }{
		{http.MethodPost, "/docs/_async_search?keep_on_completion=true&keep_alive=x", plainBody},
		{http.MethodGet, "/_async_search/abc?wait_for_completion_timeout=1s", ""},
		{http.MethodGet, "/docs/_async_search", rerankBody}, // no route of Elasticsearch
	} {
		if send(t, tc.method, b.url+tc.target, tc.body); seen.URI != tc.target || string(seen.Body) != tc.body {
			t.Errorf("%s became %s %s", tc.target, seen.URI, seen.Body)
		}
	}
	a = send(t, http.MethodPost, b.url+"/docs/_async_search?keep_alive=5y", rerankBody)
	wantError(t, a, http.StatusBadRequest, "failed to parse setting [keep_alive] with value [5y]")
}

func TestTimesAreReadInTheSpellingOfElasticsearch(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5d": 120 * time.Hour, "2h": 2 * time.Hour, "3m": 3 * time.Minute, "30s": 30 * time.Second, " 7MS ": 7 * time.Millisecond,
		"8micros": 8 * time.Microsecond, "9nanos": 9, "0": 0, "-1": 0, "9999999999999d": 100 * 365 * 24 * time.Hour,
	} {
		if got, ok := timeValue(text); !ok || got != want {
			t.Errorf("timeValue(%q) = %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "5", "d", "1.5h", "-2m", "5 weeks", "99999999999999999999s"} {
		if got, ok := timeValue(text); ok {
			t.Errorf("timeValue(%q) = %v", text, got)
		}
	}
}

func TestASearchInTheURLIsRerankedLikeOneInTheBody(t *testing.T) {
	var seen arrived
	b := start(t, []string{searched(t, &seen).URL}, nil)
	source := "source=" + url.QueryEscape(rerankBody) + "&source_content_type=application%2Fjson"
	a := send(t, http.MethodGet, b.url+"/docs/_search?routing=r&"+source, "", "Content-Type", "")
	if d := cmp.Diff([]string{"b 4.0", "d 3.0", "a 2.0"}, ids(t, a.Body)); d != "" {
		t.Errorf("status %d: %s", a.Status, d)
	}
	if seen.URI != "/docs/_search?allow_partial_search_results=false&routing=r" || seen.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the cluster was asked %s as %v", seen.URI, seen.Header)
	}
	lines := url.QueryEscape("{\"index\":\"docs\"}\n" + rerankBody + "\n")
	a = send(t, http.MethodGet, b.url+"/_msearch?source_content_type=application/x-ndjson&source="+lines, "", "Content-Type", "")
	list := responses(t, a.Body)
	if len(list) != 1 {
		t.Fatalf("answer %s", a.Body)
	}
	if d := cmp.Diff([]string{"b 4.0", "d 3.0", "a 2.0"}, ids(t, list[0])); d != "" {
		t.Error(d)
	}
	for _, target := range []string{
		"/docs/_search?source=" + url.QueryEscape(plainBody) + "&source_content_type=application%2Fjson",
		"/docs/_search?source=" + url.QueryEscape(rerankBody), // no type: the cluster refuses it
		"/docs/_search?source_content_type=application/yaml&source=a",
		"/docs/_search?q=x",
	} {
		if send(t, http.MethodGet, b.url+target, "", "Content-Type", ""); seen.URI != target {
			t.Errorf("%s became %s", target, seen.URI)
		}
	}
}

func TestAPathOfASearchKeepsItsSpelling(t *testing.T) {
	for _, path := range []string{"/%3Clogs-%7Bnow%2Fd%7D%3E/_search/template/", "/a,b*/_search/template", "/_search/template"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path+"?x=%2f", nil)
		got := asSearch(r, templateTail)
		want := strings.TrimSuffix(strings.TrimSuffix(path, "/"), "/template")
		if got.RequestURI != want || got.URL.EscapedPath() != want || rawPath(got) != want {
			t.Errorf("%s became %s, %s", path, got.RequestURI, got.URL.EscapedPath())
		}
		if fmt.Sprint(got.URL.RawQuery) != "x=%2f" {
			t.Errorf("query %s", got.URL.RawQuery)
		}
	}
}
