package retriever_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/retriever"
)

const rated = `{"requests": [
  {"id":"plain","request":{"query":{"match_all":{}}},"ratings":[]},
  {"id":"ours","request":{"retriever":{"text_similarity_reranker":{}},"aggs":{"n":{}},"size":3},"ratings":[{"_index":"i","_id":"a","rating":1.50}]},
  {"id":"gone","request":{"retriever":{"text_similarity_reranker":{}}},"ratings":[]}
], "metric":{"precision":{"k":"7"}}, "max_concurrent_searches":1.0}`

func TestAnEvaluationIsReplayedInTheOrderThatItsSearchesHaveFound(t *testing.T) {
	e, err := retriever.ParseEvaluation([]byte(rated))
	if err != nil {
		t.Fatal(err)
	}
	if e.Cutoff != 7 || len(e.Requests) != 3 || e.Requests[0].Body != nil || e.Requests[1].ID != "ours" {
		t.Fatalf("read %+v", e)
	}
	if at := strings.Index(rated, `{"retriever"`); !bytes.HasSuffix(e.Requests[1].Body[:at], []byte("   ")) || e.Requests[1].Body[at] != '{' ||
		bytes.Count(e.Requests[1].Body, []byte{'\n'}) != strings.Count(rated[:at], "\n") {
		t.Errorf("body %q is not where the whole has it", e.Requests[1].Body)
	}
	hits, err := retriever.ReadHits([]byte(`{"hits":{"hits":[{"_index":"i","_id":"b","_score":5.0},{"_index":"j","_id":"a","_score":0.5}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]retriever.Hits{1: hits}
	failed := map[int][]byte{2: []byte(`{"error":{}}`)}
	body, left := e.Replay(found, failed)
	want := strings.NewReplacer(
		`{"retriever":{"text_similarity_reranker":{}},"aggs":{"n":{}},"size":3}`,
		`{"query":{"bool":{"should":[{"constant_score":{"boost":2,"filter":{"bool":{"filter":[{"term":{"_index":"i"}},{"ids":{"values":["b"]}}]}}}},`+
			`{"constant_score":{"boost":1,"filter":{"bool":{"filter":[{"term":{"_index":"j"}},{"ids":{"values":["a"]}}]}}}}]}},"aggs":{"n":{}}}`,
		"[\n  {\"id\":\"plain", `[{"id":"plain`, ",\n  {\"id\":\"ours", `,{"id":"ours`,
		",\n  {\"id\":\"gone\",\"request\":{\"retriever\":{\"text_similarity_reranker\":{}}},\"ratings\":[]}\n", "",
	).Replace(rated)
	if string(body) != want || left != 2 {
		t.Errorf("%d left in\n%s\nwant\n%s", left, body, want)
	}
	answer := `{"metric_score":0.5,"details":{"plain":{"hits":[]},"ours":{"hits":[{"hit":{"_index":"i","_id":"b","_score":2.0},"rating":null},{"hit":{"_index":"j","_id":"a","_score":1.0}}]}},"failures":{"plain":{}}}`
	got, err := e.Answer([]byte(answer), found, failed)
	if want := strings.NewReplacer("2.0", "5.0", "1.0", "0.5", `"failures":{`, `"failures":{"gone":{"error":{}},`).Replace(answer); err != nil || string(got) != want {
		t.Errorf("answer %s, %v, want %s", got, err, want)
	}
	if got := string(e.NoneLeft(failed)); got != `{"metric_score":"NaN","details":{},"failures":{"gone":{"error":{}}}}` {
		t.Errorf("none left: %s", got)
	}
}

func TestManyRequestsTakeNoMoreMemoryThanTheirBodyAndABound(t *testing.T) {
	one := `{"id":"q","request":{"retriever":{"text_similarity_reranker":{}}},"ratings":[]}`
	body := `{"requests":[` + one + strings.Repeat(","+one, 9_999) + `],"metric":{"dcg":{}}}`
	e, err := retriever.ParseEvaluation([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, r := range e.Requests {
		held += len(r.Body)
	}
	if most := len(body) + 8<<20; held > most {
		t.Errorf("%d requests hold %d bytes of a body of %d, want at most %d", len(e.Requests), held, len(body), most)
	}
	if last := e.Requests[len(e.Requests)-1].Body; string(last) != `{"retriever":{"text_similarity_reranker":{}}}` {
		t.Errorf("the last one has the body %.100q", last)
	}
}

// Elasticsearch takes several requests with one id, and tells of one of them.
func TestRequestsOfOneIDHaveTheirScoresRestoredOnce(t *testing.T) {
	one := `{"id":"q","request":{"retriever":{"text_similarity_reranker":{}}},"ratings":[]}`
	e, err := retriever.ParseEvaluation([]byte(`{"requests":[` + one + `,` + one + `],"metric":{"dcg":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	hits, err := retriever.ReadHits([]byte(`{"hits":{"hits":[{"_index":"i","_id":"b","_score":5.0}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	answer := `{"metric_score":1.0,"details":{"q":{"hits":[{"hit":{"_index":"i","_id":"b","_score":1.5},"rating":null}]}},"failures":{}}`
	got, err := e.Answer([]byte(answer), map[int]retriever.Hits{0: hits, 1: hits}, nil)
	if want := strings.Replace(answer, "1.5", "5.0", 1); err != nil || string(got) != want {
		t.Errorf("answer %s, %v, want %s", got, err, want)
	}
}

func TestEvaluationsWithoutARerankerAreTheClusters(t *testing.T) {
	for _, body := range []string{
		``, `[]`, `{"requests":{}}`, `{"requests":[1]}`, `{"requests":[{"request":{"query":{"match":{"t":"x"}}}}],"metric":{"dcg":{}}}`,
		strings.Replace(rated, `"k":"7"`, `"k":0`, 1), strings.Replace(rated, `"metric"`, `"requests"`, 1), strings.Replace(rated, `{"k":"7"}`, `[]`, 1),
	} {
		if e, err := retriever.ParseEvaluation([]byte(body)); !errors.Is(err, retriever.ErrNotOurs) {
			t.Errorf("%s: read %+v, %v", body, e, err)
		}
	}
	template := strings.Replace(rated, `"metric"`, `"templates":[{"id":"t","template":{"source":"{\"retriever\":{\"text_similarity_reranker\": {}}}"}}],"metric"`, 1)
	if _, err := retriever.ParseEvaluation([]byte(template)); err == nil || !strings.Contains(err.Error(), "[templates] of [_rank_eval]") {
		t.Errorf("a template: %v", err)
	}
}

// Whatever the bytes, an evaluation that is ours is JSON when it is replayed, and
// an answer that is JSON stays it.
func FuzzEvaluation(f *testing.F) {
	f.Add([]byte(rated), []byte(`{"hits":{"hits":[{"_index":"i","_id":"b","_score":5.0}]}}`), []byte(`{"details":{"ours":{"hits":[{"hit":{"_index":"i","_id":"b","_score":1}}]}},"failures":{}}`))
	f.Fuzz(func(t *testing.T, body, search, answer []byte) {
		e, err := retriever.ParseEvaluation(body)
		if err != nil {
			return
		}
		hits, err := retriever.ReadHits(search)
		if err != nil || !json.Valid(search) {
			return
		}
		found, failed := map[int]retriever.Hits{}, map[int][]byte{}
		for i, r := range e.Requests {
			switch {
			case r.Body != nil && i%2 == 0:
				found[i] = hits
			case r.Body != nil:
				failed[i] = []byte(`{"error":{}}`)
			}
		}
		if sent, _ := e.Replay(found, failed); !json.Valid(sent) {
			t.Fatalf("%s is sent as %s", body, sent)
		}
		if out, err := e.Answer(answer, found, failed); err == nil && json.Valid(answer) && !json.Valid(out) {
			t.Fatalf("%s became %s", answer, out)
		}
	})
}
