package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/scorer"
	"github.com/rerankd/rerankd/scorer/builtin"
	"github.com/rerankd/rerankd/scorer/onnx"
	"github.com/rerankd/rerankd/scorer/overlap"
)

// articles are the documents of the index e2e-articles, for questions that word
// matching alone gets wrong.
var articles = []string{
	"A mutex is locked and unlocked. Only one goroutine at a time holds it.",
	"The lock of the garden gate rusts in winter and is oiled in spring.",
	"Bread dough rests for an hour before it is baked.",
	"Goroutines are lightweight threads that the runtime schedules onto threads of the system.",
	"How to lock a door: turn the key twice and pull the handle.",
	"To protect shared memory from concurrent access, take a mutual exclusion lock first.",
	"The thread count of a sheet tells how dense the fabric is.",
	"A channel hands values from one goroutine to another and can replace a lock.",
	"Memory of the war was kept alive by the songs of the village.",
	"Access to the concurrent sessions of the congress is free for members.",
	"The scheduler parks a goroutine that waits for a lock and runs another one.",
	"An hour of sleep before midnight is worth two after it, they say.",
}

// questions are asked about the articles.
var questions = []string{
	"how do I keep two goroutines from changing the same memory at once",
	"lock a door",
	"what is a goroutine",
	"baking bread",
	"zebra",
}

func articleIndex(tb testing.TB) {
	tb.Helper()
	documents := make([]document, len(articles))
	for i, text := range articles {
		vector := []float64{float64(i), float64(len(text) % 7)}
		documents[i] = document{strconv.Itoa(i), encode(tb, map[string]any{
			"text": text, "n": i, "v": vector, "tag": []string{"even", "odd"}[i%2], "short": strings.Fields(text)[0],
			"many": []string{text, "second value"}, "sub": map[string]string{"in": text},
		})}
	}
	index(tb, "e2e-articles", `{"mappings":{"properties":{"text":{"type":"text"},"n":{"type":"integer"},"tag":{"type":"keyword"},
		"v":{"type":"dense_vector","dims":2,"index":true,"similarity":"l2_norm"},"short":{"type":"keyword"},"many":{"type":"text"}}}}`, documents...)
}

// shown is what Elasticsearch shows for a raw score, written down apart from the
// program: max(s, 0) + min(exp(s), 1).
func shown(raw float32) float32 {
	if raw < 0 {
		return float32(math.Exp(float64(raw)))
	}
	return raw + 1
}

// reranker puts a child retriever under a reranker on text.
func reranker(endpoint, query, field, child, more string) string {
	return fmt.Sprintf(`{"text_similarity_reranker":{"inference_id":%q,"inference_text":%q,"field":%q,"retriever":%s%s}}`,
		endpoint, query, field, child, more)
}

// model is a scorer with the configuration of the endpoint that uses it.
type model struct {
	name     string
	endpoint configs.Endpoint
	scorer   scorer.Scorer
}

// referenceModel is a small real cross-encoder with random weights, in fp32.
const referenceModel = "../scorer/onnx/testdata/reference/model"

// models are the scorers to compare with, loaded apart from the program.
func models(t *testing.T) []model {
	t.Helper()
	list := []model{
		{"overlap", configs.Endpoint{ID: "m", Model: configs.ModelOverlap}, overlap.Words{}},
		{"reference cross-encoder", configs.Endpoint{ID: "m", Model: referenceModel}, load(t, onnxFolder(t))},
	}
	files, err := onnx.Open(builtin.Model())
	if err != nil {
		t.Fatal(err)
	}
	return append(list, model{"built-in", configs.Endpoint{ID: "m", Model: configs.ModelBuiltin}, load(t, files)})
}

func onnxFolder(tb testing.TB) onnx.Files {
	tb.Helper()
	files, err := onnx.OpenFolder(referenceModel)
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// load loads a model with the program's own defaults.
func load(tb testing.TB, files onnx.Files) *onnx.Engine {
	tb.Helper()
	library, err := native.Library("")
	if err != nil {
		tb.Fatal(err)
	}
	if err := onnx.Init(library); err != nil {
		tb.Fatal(err)
	}
	engine, err := onnx.Load(files, onnx.Options{BatchTokens: configs.Default().Engine.BatchTokens})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := engine.Close(); err != nil {
			tb.Error(err)
		}
	})
	return engine
}

// children are first stages of every kind that the cluster runs.
func children(query string) map[string]string {
	match := fmt.Sprintf(`{"match":{"text":%q}}`, query)
	return map[string]string{
		"standard": `{"standard":{"query":` + match + `}}`,
		"all":      `{"standard":{"query":{"match_all":{}}}}`,
		"knn":      `{"knn":{"field":"v","query_vector":[5,3],"k":8,"num_candidates":12}}`,
		"rescorer": `{"rescorer":{"retriever":{"standard":{"query":{"match_all":{}}}},"rescore":{"window_size":9,"query":{"rescore_query":` + match + `}}}}`,
	}
}

// ranked is a document with the score that it should be shown with.
type ranked struct {
	ID    string
	Score float32
}

// rankApart runs a first stage on the cluster itself, scores its texts with s,
// and orders them: what the program should answer, got without it.
func rankApart(t *testing.T, s scorer.Scorer, query, child string, window int) []ranked {
	t.Helper()
	first, _ := search(t, cluster(t).URL+"/e2e-articles/_search",
		fmt.Sprintf(`{"retriever":%s,"size":%d,"fields":["text"],"_source":false}`, child, window))
	texts := make([]string, len(first.Hits.Hits))
	for i, h := range first.Hits.Hits {
		texts[i] = decode[struct{ Text []string }](t, h.Fields).Text[0]
	}
	scores, err := s.Score(t.Context(), query, texts)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]ranked, len(texts))
	for i, h := range first.Hits.Hits {
		list[i] = ranked{h.ID, shown(scores[i])}
	}
	number := func(r ranked) int {
		n, err := strconv.Atoi(r.ID)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	slices.SortFunc(list, func(a, b ranked) int { // equal scores: as the documents stand in their only shard
		switch {
		case a.Score > b.Score:
			return -1
		case a.Score < b.Score:
			return 1
		}
		return number(a) - number(b)
	})
	return list
}

func TestOrderAndScoresAreThoseComputedApart(t *testing.T) {
	articleIndex(t)
	for _, m := range models(t) {
		p := startProxy(t, func(c *configs.Config) {
			c.Endpoints, c.Rerank.DefaultEndpoint = []configs.Endpoint{m.endpoint}, m.endpoint.ID
		})
		for _, query := range questions {
			for kind, child := range children(query) {
				t.Run(m.name+", "+kind+", "+query, func(t *testing.T) {
					window := len(articles)
					if kind == "rescorer" {
						window = 9
					}
					want := rankApart(t, m.scorer, query, child, window)
					got, a := search(t, p.url+"/e2e-articles/_search", fmt.Sprintf(`{"size":%d,"retriever":%s}`, window,
						reranker(m.endpoint.ID, query, "text", child, fmt.Sprintf(`,"rank_window_size":%d`, window))))
					if outcome := a.Header.Get("X-Rerankd-Outcome"); outcome != "reranked" {
						t.Errorf("X-Rerankd-Outcome = %q", outcome)
					}
					compareRanking(t, want, got)
				})
			}
		}
	}
}

func compareRanking(t *testing.T, want []ranked, got found) {
	t.Helper()
	ids := make([]string, len(want))
	for i, w := range want {
		ids[i] = w.ID
	}
	if d := cmp.Diff(ids, got.ids()); d != "" {
		t.Fatalf("order (-want +got):\n%s", d)
	}
	for i, score := range got.scores(t) {
		if w := float64(want[i].Score); math.Abs(float64(score)-w) > 1e-4*w+1e-12 {
			t.Errorf("score of %s is %v, want %v", ids[i], score, w)
		}
	}
	if len(want) > 0 && (got.Hits.MaxScore == nil || *got.Hits.MaxScore != *got.Hits.Hits[0].Score) {
		t.Errorf("max_score = %v, want the best hit's", got.Hits.MaxScore)
	}
}

// The trained model must be worth its cost: it finds what a search for the words
// puts below documents that merely share some.
func TestTheBuiltInModelLiftsTheAnswerOverDocumentsThatShareWords(t *testing.T) {
	articleIndex(t)
	p := startProxy(t, builtIn)
	const query, answer = "going to bed early", "11"
	plain, _ := search(t, p.url+"/e2e-articles/_search", fmt.Sprintf(`{"query":{"match":{"text":%q}}}`, query))
	reordered, _ := search(t, p.url+"/e2e-articles/_search",
		`{"retriever":`+reranker(builtInEndpoint, query, "text", children(query)["all"], "")+`}`)
	t.Logf("by words %v, reranked %v", plain.ids(), reordered.ids())
	if best := reordered.ids()[0]; best != answer {
		t.Errorf("best document is %s %q", best, articles[decode[int](t, []byte(best))])
	}
}

// builtInEndpoint is the id that requests without one mean.
const builtInEndpoint = ".rerank-v1-elasticsearch"

// builtIn configures the program as it is shipped.
func builtIn(c *configs.Config) {
	d := configs.Default()
	c.Endpoints, c.Rerank = d.Endpoints, d.Rerank
}

// The cluster has no such retriever, or one with a model of its own: whatever
// arrives there must not speak of it.
func TestTheClusterNeverSeesTheReranker(t *testing.T) {
	articleIndex(t)
	r := startRelay(t, cluster(t).URL)
	p := startProxyAt(t, r.url(), nil)
	r.take()
	for kind, child := range children("lock") {
		body := `{"retriever":` + reranker(words, "lock", "text", child, `,"filter":{"term":{"tag":"odd"}}`) + `}`
		if kind == "rescorer" {
			body = `{"retriever":` + reranker(words, "lock", "text", child, "") + `}`
		}
		search(t, p.url+"/e2e-articles/_search?size=3", body)
	}
	passed := r.take()
	if len(passed) == 0 {
		t.Fatal("nothing reached the cluster")
	}
	for _, e := range passed {
		for _, word := range []string{"text_similarity_reranker", "inference", "rank_window_size"} {
			if bytes.Contains(e.request, []byte(word)) {
				t.Errorf("the cluster was sent %q in %s", word, e.request)
			}
		}
		if bytes.Contains(e.answer, []byte(`"error"`)) {
			t.Errorf("the cluster answered %s", e.answer)
		}
	}
	// The same body without the proxy shows why.
	a := send(t, http.MethodPost, cluster(t).URL+"/e2e-articles/_search",
		`{"retriever":`+reranker(words, "lock", "text", children("lock")["all"], "")+`}`)
	t.Logf("the cluster itself answers %.200s", a)
	if a.Status == http.StatusOK {
		t.Error("the cluster reranks by itself: this test shows nothing")
	}
}

func TestManyClientsGetTheirOwnAnswers(t *testing.T) {
	articleIndex(t)
	p := startProxy(t, func(c *configs.Config) { c.Engine.Waiting = 1000 })
	want := map[string][]ranked{}
	for _, q := range questions {
		want[q] = rankApart(t, overlap.Words{}, q, children(q)["all"], len(articles))
	}
	var clients sync.WaitGroup
	for i := range 24 {
		q := questions[i%len(questions)]
		clients.Go(func() {
			body := fmt.Sprintf(`{"size":12,"retriever":%s}`, reranker(words, q, "text", children(q)["all"], `,"rank_window_size":12`))
			a, err := try(t, http.MethodPost, p.url+"/e2e-articles/_search", body)
			if err != nil || a.Status != http.StatusOK {
				t.Errorf("client %d: %v, %s", i, err, a)
				return
			}
			var got found
			if err := json.Unmarshal(a.Body, &got); err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			for place, w := range want[q] {
				if got.Hits.Hits[place].ID != w.ID {
					t.Errorf("client %d, place %d: %s, want %s", i, place, got.Hits.Hits[place].ID, w.ID)
				}
			}
		})
	}
	clients.Wait()
}
