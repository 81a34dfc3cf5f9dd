package proxy

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rerankd/rerankd/internal/inference"
	"github.com/rerankd/rerankd/scorer"
)

// guarded is a cluster that plays one kind of security, with an inference API or
// without one.
type guarded struct {
	security string // see answerSecurity
	lacksAPI bool
	licence  bool // the API is there, but not by the licence
	own      map[string]string

	mu   sync.Mutex
	seen []string // method, path and body of what is not about privileges
	asks []http.Header
}

// Kinds of security.
const (
	none      = "none"       // nobody asks: there is no such API
	granted   = "granted"    // the caller has every privilege
	denied    = "denied"     // the caller is known and has none
	unknown   = "unknown"    // the caller is not known
	foreign   = "foreign"    // a security of another make that lets the caller look only
	brokenNow = "broken now" // the cluster fails
)

const noHandler = `{"error":"no handler found for uri [/x] and method [POST]","status":400}`

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	say := func(status int, body string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	body, _ := io.ReadAll(r.Body)
	if !strings.HasPrefix(r.URL.Path, "/_inference") {
		g.mu.Lock()
		g.asks = append(g.asks, r.Header.Clone())
		g.mu.Unlock()
		g.answerSecurity(r, string(body), say)
		return
	}
	g.mu.Lock()
	g.seen = append(g.seen, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	g.mu.Unlock()
	id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch {
	case g.security == unknown:
		say(http.StatusUnauthorized, `{"error":{"type":"security_exception"},"status":401}`)
	case g.lacksAPI:
		say(http.StatusBadRequest, noHandler)
	case g.licence:
		say(http.StatusForbidden, `{"error":{"type":"security_exception","license.expired.feature":"inference"},"status":403}`)
	case g.security == denied:
		say(http.StatusForbidden, `{"error":{"type":"security_exception"},"status":403}`)
	case r.Method != http.MethodGet:
		say(http.StatusOK, `{"from":"the cluster"}`)
	case g.own[id] != "":
		say(http.StatusOK, `{"endpoints":[`+g.own[id]+`]}`)
	case id == "_all":
		var list []string
		for _, text := range g.own {
			list = append(list, text)
		}
		slices.Sort(list)
		say(http.StatusOK, `{"endpoints":[`+strings.Join(list, ",")+`]}`)
	default:
		say(http.StatusNotFound, `{"error":{"type":"resource_not_found_exception"},"status":404}`)
	}
}

func (g *guarded) answerSecurity(r *http.Request, body string, say func(int, string)) {
	asked := r.Method + " " + r.URL.RequestURI()
	const privileges = "POST /_security/user/_has_privileges"
	const look, manage = "GET /_cluster/health?filter_path=status", "POST /_cluster/reroute?dry_run=true&filter_path=acknowledged"
	switch {
	case g.security == brokenNow:
		say(http.StatusServiceUnavailable, `{"error":{"type":"master_not_discovered_exception"},"status":503}`)
	case g.security == unknown:
		say(http.StatusUnauthorized, `{"error":{"type":"security_exception"},"status":401}`)
	case asked == privileges && g.security == granted && strings.HasPrefix(body, `{"cluster":["m`):
		say(http.StatusOK, `{"username":"ada","has_all_requested":true}`)
	case asked == privileges && g.security == denied:
		say(http.StatusOK, `{"username":"bob","has_all_requested":false}`)
	case asked == privileges:
		say(http.StatusBadRequest, noHandler)
	case g.security == none && (asked == look || asked == manage), g.security == foreign && asked == look:
		say(http.StatusOK, `{}`)
	default:
		say(http.StatusForbidden, `{"error":{"type":"security_exception","reason":"no permissions"},"status":403}`)
	}
}

func (g *guarded) requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// startInference runs a proxy with the reserved endpoint "fixed" and the endpoint
// "made" before a cluster.
func startInference(t *testing.T, g *guarded, change func(*Options)) *bench {
	t.Helper()
	node := cluster(t, g.ServeHTTP)
	registry, err := inference.New(inference.Options{
		Models: []inference.Model{{ID: "lengths", Workers: 2, Open: func(_ int, counted inference.Counted) inference.Way {
			return inference.Way{Scorer: counted(scoreFunc(byLength)), Resize: func(int) {}, SetWorkers: func(int) {}, Close: func() error { return nil }}
		}}},
		Default:      "lengths",
		Reserved:     []inference.Reserved{{ID: "fixed", Model: "lengths", Scorer: scoreFunc(byLength), Workers: 2, TopN: 2}},
		MaxEndpoints: 10, ScaleDown: time.Minute, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := inference.ParseCreation([]byte(definition))
	if err == nil {
		_, err = registry.Create("made", c)
	}
	if err != nil {
		t.Fatal(err)
	}
	return start(t, []string{node.URL}, func(o *Options) {
		o.Inference, o.ManageEndpoints = registry, true
		o.Endpoint = func(id string) (scorer.Scorer, bool) { return registry.Lookup(id) }
		if change != nil {
			change(o)
		}
	})
}

const definition = `{"service":"elasticsearch","service_settings":{"model_id":".rerank-v1","num_threads":1,"num_allocations":1}}`

// inferenceRequests are one of each kind about endpoints of the program.
var inferenceRequests = []struct {
	name, method, path, body string
	manages                  bool
}{
	{"a call", http.MethodPost, "/_inference/rerank/made", `{"query":"q","input":["a","bb"]}`, false},
	{"a look", http.MethodGet, "/_inference/rerank/made", ``, false},
	{"a list", http.MethodGet, "/_inference/_all", ``, false},
	{"a creation", http.MethodPut, "/_inference/rerank/another", definition, true},
	{"an update", http.MethodPut, "/_inference/rerank/made/_update", `{"service_settings":{"num_allocations":2}}`, true},
	{"a trial of a deletion", http.MethodDelete, "/_inference/rerank/made?dry_run", ``, true},
	{"a deletion", http.MethodDelete, "/_inference/made", ``, true},
}

func TestNobodyMayDoWithEndpointsWhatTheClusterWouldNotLetThemDo(t *testing.T) {
	for _, tc := range []struct {
		security           string
		look, manage, list int // the status of each kind
		reason             string
	}{
		{none, 200, 200, 200, ""},
		{granted, 200, 200, 200, ""},
		{denied, 403, 403, 403, "security_exception"},
		{unknown, 401, 401, 401, "security_exception"},
		{foreign, 200, 403, 200, "no permissions"},
		{brokenNow, 503, 503, 200, "master_not_discovered_exception"}, // the list is the cluster's own answer
	} {
		for _, req := range inferenceRequests {
			t.Run(tc.security+" "+req.name, func(t *testing.T) {
				g := &guarded{security: tc.security}
				p := startInference(t, g, nil)
				want := tc.look
				switch {
				case req.manages:
					want = tc.manage
				case req.name == "a list":
					want = tc.list
				}
				a := send(t, req.method, p.url+req.path, req.body, "Authorization", "ApiKey planted", "Es-Security-Runas-User", "eve")
				if a.Status != want {
					t.Fatalf("status %d, want %d: %s", a.Status, want, a.Body)
				}
				if want != http.StatusOK && !strings.Contains(string(a.Body), tc.reason) {
					t.Errorf("answer %s does not tell %q", a.Body, tc.reason)
				}
				g.mu.Lock()
				defer g.mu.Unlock()
				if len(g.asks) == 0 && req.name != "a list" {
					t.Error("the cluster was not asked")
				}
				for _, h := range g.asks {
					if h.Get("Authorization") != "ApiKey planted" || h.Get("Es-Security-Runas-User") != "eve" {
						t.Errorf("the cluster was asked as %v, want the caller", h)
					}
				}
			})
		}
	}
}

func TestAForbiddenDeletionDeletesNothing(t *testing.T) {
	p := startInference(t, &guarded{security: denied}, nil)
	a := send(t, http.MethodDelete, p.url+"/_inference/made", "")
	e := wantError(t, a, http.StatusForbidden, "is unauthorized for user [bob], this action is granted by the cluster privileges [manage_inference,manage,all]")
	if e.Error.Type != "security_exception" {
		t.Errorf("type %s", e.Error.Type)
	}
	if _, there := p.handler.o.Inference.Lookup("made"); !there {
		t.Error("the endpoint is gone")
	}
}

func TestEndpointsCanBeFixedByTheConfiguration(t *testing.T) {
	for _, req := range inferenceRequests {
		g := &guarded{security: granted, own: map[string]string{}}
		p := startInference(t, g, func(o *Options) { o.ManageEndpoints = false })
		a := send(t, req.method, p.url+req.path, req.body)
		switch {
		case req.name == "a creation": // the cluster may make it
			if string(a.Body) != `{"from":"the cluster"}` {
				t.Errorf("%s: %s, want the cluster's answer", req.name, a.Body)
			}
		case req.manages:
			wantError(t, a, http.StatusForbidden, "[inference.manage]")
		case a.Status != http.StatusOK:
			t.Errorf("%s: status %d", req.name, a.Status)
		}
	}
}

func TestWhatIsNotAboutOwnEndpointsReachesTheClusterAsItIs(t *testing.T) {
	for _, req := range []struct{ method, path, body string }{
		{http.MethodPost, "/_inference/rerank/theirs?timeout=1s", `{ "query": "q", "input": ["1"] }`},
		{http.MethodPost, "/_inference/theirs", `{"input":"x"}`},
		{http.MethodPost, "/_inference/completion/fixed/_stream", `{"input":"x"}`},
		{http.MethodPut, "/_inference/sparse_embedding/theirs", `{"service":"elasticsearch","service_settings":{"model_id":".elser"}}`},
		{http.MethodPut, "/_inference/rerank/theirs", `{"service":"cohere", "service_settings":{"model_id":"lengths"}}`},
		{http.MethodPut, "/_inference/rerank/theirs", `{"service":"elasticsearch","service_settings":{"model_id":"my-eland-model","num_threads":1,"num_allocations":1}}`},
		{http.MethodPut, "/_inference/theirs", definition}, // no task: the cluster says what is missing
		{http.MethodPut, "/_inference/theirs", `{"task_type":"completion","service":"elasticsearch"}`},
		{http.MethodPut, "/_inference/rerank/theirs", `{"service":"elastic`},
		{http.MethodPut, "/_inference/rerank/theirs", strings.Repeat(" ", definitionLimit) + definition},
		{http.MethodPut, "/_inference/rerank/theirs/_update", `{"task_settings":{}}`},
		{http.MethodDelete, "/_inference/rerank/theirs?force=true", ``},
		{http.MethodGet, "/_inference/rerank/theirs", ``},
		{http.MethodGet, "/_inference/sparse_embedding/_all", ``},
	} {
		g := &guarded{security: granted, own: map[string]string{"theirs": `{"inference_id":"theirs"}`}}
		p := startInference(t, g, nil)
		a := send(t, req.method, p.url+req.path, req.body)
		if a.Status != http.StatusOK {
			t.Errorf("%s %s: status %d: %s", req.method, req.path, a.Status, a.Body)
		}
		want := strings.TrimSpace(req.method + " " + req.path + " " + req.body)
		if got := g.requests(); len(got) != 1 || got[0] != want {
			t.Errorf("the cluster got %.200q, want %.200q", got, want)
		}
	}
}

func TestAClusterWithoutTheAPIIsAnsweredForInItsWords(t *testing.T) {
	for _, tc := range []struct {
		method, path, body string
		status             int
		typ, reason        string
	}{
		{http.MethodPost, "/_inference/rerank/nope", `{"query":"q","input":["1"]}`, 404, "resource_not_found_exception", "Inference endpoint not found [nope]"},
		{http.MethodGet, "/_inference/rerank/nope", ``, 404, "resource_not_found_exception", "Inference endpoint not found [nope]"},
		{http.MethodDelete, "/_inference/nope", ``, 404, "resource_not_found_exception", "Inference endpoint not found [nope]"},
		{http.MethodPut, "/_inference/nope/_update", `{}`, 404, "resource_not_found_exception", "Inference endpoint not found [nope]"},
		{http.MethodPut, "/_inference/rerank/p", `{"service_settings":{}}`, 400, "status_exception", "Inference endpoint configuration is missing the [service] setting"},
		{http.MethodPut, "/_inference/rerank/p", `{"service":"zzz"}`, 400, "status_exception", "Unknown service [zzz]"},
		{http.MethodPut, "/_inference/rerank/p", `{"service":"elasticsearch","service_settings":{"model_id":"../../etc"}}`, 404, "resource_not_found_exception", "No known trained model with model_id [../../etc]"},
	} {
		p := startInference(t, &guarded{security: none, lacksAPI: true}, nil)
		for _, encoding := range []string{"identity", "gzip"} {
			e := wantError(t, send(t, tc.method, p.url+tc.path, tc.body, "Accept-Encoding", encoding), tc.status, tc.reason)
			if e.Error.Type != tc.typ {
				t.Errorf("%s %s: type %s, want %s", tc.method, tc.path, e.Error.Type, tc.typ)
			}
		}
	}
}

func TestAListHoldsTheClustersEndpointsAndTheProgramsOwn(t *testing.T) {
	theirs := map[string]string{
		"a-theirs": `{"inference_id":"a-theirs","task_type":"sparse_embedding","more":[1.0]}`,
		"z-theirs": `{"inference_id":"z-theirs","task_type":"rerank"}`,
		"fixed":    `{"inference_id":"fixed","task_type":"rerank","service":"hidden"}`,
	}
	ids := func(t *testing.T, a answer) string {
		t.Helper()
		var list struct {
			Endpoints []struct {
				ID      string `json:"inference_id"`
				Service string
			}
		}
		if err := json.Unmarshal(a.Body, &list); err != nil {
			t.Fatalf("%v in %s", err, a.Body)
		}
		var names []string
		for _, e := range list.Endpoints {
			if e.Service == "hidden" {
				t.Errorf("an endpoint of the cluster is shown that is not called: %s", a.Body)
			}
			names = append(names, e.ID)
		}
		return strings.Join(names, " ")
	}
	for _, tc := range []struct {
		name string
		g    *guarded
		want string
	}{
		{"a cluster with endpoints", &guarded{security: granted, own: theirs}, "a-theirs fixed made z-theirs"},
		{"a cluster without the API", &guarded{security: none, lacksAPI: true}, "fixed made"},
		{"a cluster without the licence", &guarded{security: granted, licence: true, own: theirs}, "fixed made"},
	} {
		for _, path := range []string{"/_inference", "/_inference/", "/_inference/_all", "/_inference/rerank/_all", "/_inference/rerank/*", "/_inference/*"} {
			p := startInference(t, tc.g, nil)
			a := send(t, http.MethodGet, p.url+path, "")
			if a.Status != http.StatusOK || ids(t, a) != tc.want {
				t.Errorf("%s, %s: status %d, %q, want %q", tc.name, path, a.Status, ids(t, a), tc.want)
			}
			if tc.g.own != nil && !tc.g.licence && !strings.Contains(string(a.Body), theirs["a-theirs"]) {
				t.Errorf("the cluster's endpoint is not shown as it is: %s", a.Body)
			}
		}
	}
	t.Run("a cluster without the licence, to a caller without a right", func(t *testing.T) {
		p := startInference(t, &guarded{security: denied, lacksAPI: true}, nil)
		wantError(t, send(t, http.MethodGet, p.url+"/_inference", ""), http.StatusForbidden, "monitor_inference")
	})
}

func TestAnEndpointOfTheClusterIsNotHiddenByANewOne(t *testing.T) {
	g := &guarded{security: granted, own: map[string]string{"theirs": `{"inference_id":"theirs"}`}}
	p := startInference(t, g, nil)
	wantError(t, send(t, http.MethodPut, p.url+"/_inference/rerank/theirs", definition), http.StatusBadRequest, "Inference endpoint [theirs] already exists")
	if a := send(t, http.MethodPut, p.url+"/_inference/rerank/free", definition); a.Status != http.StatusOK {
		t.Errorf("a free id: status %d: %s", a.Status, a.Body)
	}
}

func TestACallIsAnsweredAsElasticsearchDoes(t *testing.T) {
	for _, tc := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"a ranking", "/_inference/rerank/made", `{"query":"q","input":["a","ccc","bb"]}`, 200, `{"rerank":[{"index":1,"relevance_score":3.0,"text":"ccc"},{"index":2,"relevance_score":2.0,"text":"bb"},{"index":0,"relevance_score":1.0,"text":"a"}]}`},
		{"the best two of an endpoint", "/_inference/fixed", `{"query":"q","input":["a","ccc","bb"],"return_documents":false}`, 200, `{"rerank":[{"index":1,"relevance_score":3.0},{"index":2,"relevance_score":2.0}]}`},
		{"an escaped id", "/_inference/rerank/m%61de", `{"query":"q","input":"a"}`, 200, `{"rerank":[{"index":0,"relevance_score":1.0,"text":"a"}]}`},
		{"a slash at the end", "/_inference/any/made/", `{"query":"q","input":"a"}`, 200, `{"rerank":[{"index":0,"relevance_score":1.0,"text":"a"}]}`},
		{"a part of the answer", "/_inference/made?filter_path=rerank.index", `{"query":"q","input":["a","bb"]}`, 200, `{"rerank":[{"index":1},{"index":0}]}`},
		{"another task", "/_inference/sparse_embedding/made", `{"query":"q","input":"a"}`, 400, "Incompatible task_type, the requested type [sparse_embedding] does not match the model type [rerank]"},
		{"an unknown parameter", "/_inference/made?foo=1", `{"query":"q","input":"a"}`, 400, "contains unrecognized parameter: [foo]"},
		{"a faulty time", "/_inference/made?timeout=5x", `{"query":"q","input":"a"}`, 400, "failed to parse setting [timeout] with value [5x] as a time value: unit is missing or unrecognized"},
		{"no time", "/_inference/made?timeout=0ms", `{"query":"q","input":"a"}`, 408, "timeout waiting for inference result"},
		{"no body", "/_inference/made", ``, 400, "request body is required"},
		{"a large body", "/_inference/made", `{"query":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "may have at most [1048576] bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := startInference(t, &guarded{security: granted}, func(o *Options) {
				o.Retriever.MaxWindow = 5
			})
			a := send(t, http.MethodPost, p.url+tc.path, tc.body)
			if tc.status != http.StatusOK {
				wantError(t, a, tc.status, tc.want)
				return
			}
			if a.Status != http.StatusOK || string(a.Body) != tc.want {
				t.Errorf("status %d\ngot  %s\nwant %s", a.Status, a.Body, tc.want)
			}
			if got := a.Header.Get("X-Elastic-Product"); got != "Elasticsearch" {
				t.Errorf("X-Elastic-Product %q", got)
			}
			p.seen.mu.Lock()
			defer p.seen.mu.Unlock()
			if !slices.Contains(p.seen.requests, "inference ok") {
				t.Errorf("counted as %v", p.seen.requests)
			}
		})
	}
	t.Run("no JSON", func(t *testing.T) {
		p := startInference(t, &guarded{security: granted}, nil)
		wantError(t, send(t, http.MethodPost, p.url+"/_inference/made", "query: q", "Content-Type", "application/yaml"), 400, "rerankd does not support a body of type [application/yaml]")
	})
}

func TestAModelThatFailsIsAnErrorOfTheCall(t *testing.T) {
	g := &guarded{security: granted}
	p := startInference(t, g, nil)
	for _, tc := range []struct {
		err    error
		status int
		reason string
	}{{scorer.ErrOverloaded, 429, "rerankd is overloaded"}, {io.ErrUnexpectedEOF, 400, "rerankd could not score the documents"}} {
		registry, err := inference.New(inference.Options{
			Reserved: []inference.Reserved{{ID: "failing", Workers: 1, Scorer: scoreFunc(func(context.Context, string, []string) ([]float32, error) {
				return nil, tc.err
			})}},
			ScaleDown: time.Minute, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		p.handler.o.Inference = registry
		wantError(t, send(t, http.MethodPost, p.url+"/_inference/failing", `{"query":"q","input":"a"}`), tc.status, tc.reason)
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestASearchOnAnEndpointThatReturnsFewerThanItsWindowFails(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"hits":{"total":{"value":0,"relation":"eq"},"max_score":null,"hits":[]}}`)
	}))
	t.Cleanup(node.Close)
	p := startInference(t, &guarded{security: granted}, nil)
	q := start(t, []string{node.URL}, func(o *Options) { o.Endpoint = p.handler.o.Endpoint })
	search := func(window string) answer {
		return send(t, http.MethodPost, q.url+"/i/_search",
			`{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{}},"field":"t","inference_text":"q","inference_id":"fixed","rank_window_size":`+window+`}}}`)
	}
	wantError(t, search("3"), http.StatusBadRequest, "Inference endpoint [fixed] is configured to return the top [2] results, but rank_window_size is [3]. "+
		"Reduce rank_window_size to be less than or equal to the configured top N value.")
	if a := search("2"); a.Status != http.StatusOK {
		t.Errorf("a window of 2: status %d: %s", a.Status, a.Body)
	}
}

func TestTimeValuesAreReadAsElasticsearchWritesThem(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": time.Minute, "-1": time.Minute, "1h": time.Minute, "999999999999d": time.Minute, "10s": 10 * time.Second,
		"500ms": 500 * time.Millisecond, "7micros": 7 * time.Microsecond, "9nanos": 9, "0s": 0, "0": 0,
	} {
		if got, err := timeLimit(value, time.Minute); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", value, got, err, want)
		}
	}
	for _, value := range []string{"5", "s", "-2s", "1.5s", "5y", "99999999999999999999s"} {
		if got, err := timeLimit(value, time.Minute); err == nil {
			t.Errorf("%q: %v, want an error", value, got)
		}
	}
}
