package proxy

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/scorer"
)

// sentence has twenty words, the first of which is given.
func sentence(first string) string {
	return first + " one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen end. "
}

// chunkedBody is a search with a chunk_rescorer.
func chunkedBody(rescorer, more string) string {
	return `{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":{"match_all":{}}}},"field":"t",` +
		`"inference_text":"apple","chunk_rescorer":` + rescorer + more + `}}}`
}

// texts is a cluster whose documents a, b, … have the texts given.
func texts(t *testing.T, list ...string) *httptest.Server {
	t.Helper()
	var hits []string
	for i, text := range list {
		value, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		hits = append(hits, `{"_index":"docs","_id":"`+string(rune('a'+i))+`","_score":1.0,"fields":{"t":[`+string(value)+`]}}`)
	}
	return cluster(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"took":1,"hits":{"total":{"value":9,"relation":"eq"},"max_score":1.0,"hits":[`+strings.Join(hits, ",")+`]}}`)
	})
}

// rating keeps the passages of each call and rates them by their first words.
type rating struct {
	scores map[string]float32
	calls  [][]string
}

func (r *rating) Score(_ context.Context, _ string, passages []string) ([]float32, error) {
	var first []string
	var scores []float32
	for _, p := range passages {
		word, _, _ := strings.Cut(strings.TrimSpace(p), " ")
		first, scores = append(first, word), append(scores, r.scores[word])
	}
	r.calls = append(r.calls, first)
	return scores, nil
}

func startRated(t *testing.T, r *rating, docs ...string) *bench {
	t.Helper()
	return start(t, []string{texts(t, docs...).URL}, func(o *Options) {
		o.Endpoint = func(string) (scorer.Scorer, bool) { return r, true }
	})
}

func TestDocumentsAreRatedByTheirBestPassages(t *testing.T) {
	docs := []string{
		sentence("Apple1") + sentence("Pear") + sentence("Apple"), // the third speaks of it
		sentence("Plum"), // none does: the first one
		sentence("Kiwi") + sentence("An apple a") + sentence("Apple2"), // the middle one does
	}
	r := &rating{scores: map[string]float32{"Apple": 2, "Plum": 1, "An": 3}}
	b := startRated(t, r, docs...)
	a := send(t, http.MethodPost, b.url+"/docs/_search", chunkedBody(`{"chunking_settings":{"max_chunk_size":22}}`, ""))
	if diff := cmp.Diff([]string{"c 4.0", "a 3.0", "b 2.0"}, ids(t, a.Body)); diff != "" {
		t.Errorf("hits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"Apple", "Plum", "An"}}, r.calls); diff != "" {
		t.Errorf("passages by call (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{3}, b.seen.passages); diff != "" {
		t.Errorf("passages counted (-want +got):\n%s", diff)
	}
}

func TestOfSeveralPassagesTheBestCounts(t *testing.T) {
	r := &rating{scores: map[string]float32{"Apple": -1, "Apples,": 7, "apple": 5}}
	b := startRated(t, r, sentence("Apple")+sentence("Apples, an apple"), sentence("apple"))
	a := send(t, http.MethodPost, b.url+"/docs/_search", chunkedBody(`{"size":2,"chunking_settings":{"max_chunk_size":24}}`, `,"min_score":6`))
	if diff := cmp.Diff([]string{"a 8.0"}, ids(t, a.Body)); diff != "" {
		t.Errorf("hits (-want +got):\n%s", diff)
	}
	if len(r.calls) != 1 || len(r.calls[0]) != 3 {
		t.Errorf("calls %v, want one of three passages", r.calls)
	}
}

func TestABlankQueryWithChunksScoresNothing(t *testing.T) {
	r := &rating{}
	b := startRated(t, r, sentence("Apple"))
	a := send(t, http.MethodPost, b.url+"/docs/_search", strings.Replace(chunkedBody(`{}`, ""), `"apple"`, `"  "`, 1))
	if a.Status != http.StatusOK || len(ids(t, a.Body)) != 0 || len(r.calls) != 0 || !strings.Contains(string(a.Body), `"value":9`) {
		t.Errorf("status %d, calls %v: %s", a.Status, r.calls, a.Body)
	}
}

func TestASeparatorThatReadsTooMuchIsTheClientsFault(t *testing.T) {
	r := &rating{}
	b := startRated(t, r, strings.Repeat("a ", 20_000))
	settings := `{"chunking_settings":{"strategy":"recursive","max_chunk_size":10,"separators":["(?s)a.*b|a"]}}`
	a := send(t, http.MethodPost, b.url+"/docs/_search", chunkedBody(settings, ""))
	e := wantError(t, a, http.StatusBadRequest, "search failed")
	if len(e.Error.Suppressed) != 1 || e.Error.Suppressed[0].CausedBy.Type != "illegal_argument_exception" ||
		e.Error.Suppressed[0].CausedBy.Reason != "Chunk separator regex [(?s)a.*b|a] has exceeded the character read limit" {
		t.Errorf("suppressed: %+v", e.Error.Suppressed)
	}
	a = send(t, http.MethodPost, b.url+"/docs/_search", chunkedBody(settings, `,"allow_rerank_failures":true`))
	if diff := cmp.Diff([]string{"a 1.0"}, ids(t, a.Body)); diff != "" {
		t.Errorf("hits of a search that allows the failure (-want +got):\n%s", diff)
	}
}

func TestTheBestPassageComesWithTheHitOnRequest(t *testing.T) {
	r := &rating{scores: map[string]float32{"Äpfel,": 2, "Plum": 0.5}}
	b := startRated(t, r, sentence("💡 Pear")+sentence("Äpfel, an apple"), sentence("Plum"))
	body := chunkedBody(`{"chunking_settings":{"max_chunk_size":23}}`, "")
	passage := sentence("Äpfel, an apple")
	want := map[string]string{
		"a": `{"_rerankd.passage":[{"text":"` + passage + `","start_offset":129,"end_offset":266,"relevance_score":2.0}]}`,
		"b": `{"_rerankd.passage":[{"text":"` + sentence("Plum") + `","start_offset":0,"end_offset":126,"relevance_score":0.5}]}`,
	}
	a := send(t, http.MethodPost, b.url+"/docs/_search", body, "X-Rerankd-Passages", "true")
	if diff := cmp.Diff(want, hitFields(t, a.Body)); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	a = send(t, http.MethodPost, b.url+"/docs/_search", strings.Replace(body, `{"retriever"`, `{"fields":["t"],"retriever"`, 1), "X-Rerankd-Passages", "true")
	for id, fields := range hitFields(t, a.Body) {
		if !strings.HasPrefix(fields, `{"t":[`) || !strings.HasSuffix(fields, `],`+want[id][1:]) {
			t.Errorf("fields of %s beside the caller's own: %s", id, fields)
		}
	}
	a = send(t, http.MethodPost, b.url+"/docs/_search", body)
	if got := hitFields(t, a.Body); len(got) != 0 {
		t.Errorf("fields without the header: %v", got)
	}
	a = send(t, http.MethodPost, b.url+"/docs/_search", strings.Replace(body, `"chunk_rescorer"`, `"x":0,"chunk_rescorer"`, 1), "X-Rerankd-Passages", "true")
	wantError(t, a, http.StatusBadRequest, "unknown field [x]")
}

// hitFields are the fields of each hit as they stand.
func hitFields(t *testing.T, body []byte) map[string]string {
	t.Helper()
	var a struct {
		Hits struct {
			Hits []struct {
				ID     string          `json:"_id"`
				Fields json.RawMessage `json:"fields"`
			} `json:"hits"`
		} `json:"hits"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("answer %q: %v", body, err)
	}
	fields := map[string]string{}
	for _, h := range a.Hits.Hits {
		if h.Fields != nil {
			fields[h.ID] = string(h.Fields)
		}
	}
	return fields
}
