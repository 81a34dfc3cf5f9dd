package retriever_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/retriever"
)

// Whatever the bytes, Parse gives an error of its own, or a search whose upstream
// body is JSON with the child in it, and leaves the bytes as they were.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		reranker(matchAll, ""), reranker(matchAll, `, "filter": [{"a": 1}], "rank_window_size": "5", "min_score": -1.5`),
		reranker(`{"rrf": {"retrievers": [{"standard": {}}]}}`, `, "allow_rerank_failures": "true"`),
		`{"size":1,"from":2,"retriever":{"text_similarity_reranker":{"retriever":{"knn":{}},"field":"f","inference_text":"q"}},"fields":[ ],"aggs":{}}`,
		reranker(`{"linear": {"retrievers": [{"retriever": {"standard": {"sort": "n", "collapse": {}}}, "weight": 2, "normalizer": "minmax"}], "filter": {"a": 1}}}`, `, "_name": "n"`),
		`{"retriever":{"pinned":{"ids":["a"],"retriever":{"rescorer":{"rescore":{},"retriever":` + strings.TrimSuffix(strings.TrimPrefix(reranker(matchAll, ""), `{"retriever": `), "}") + `}}}}}`,
		chunked(`{"size": 2, "chunking_settings": {"strategy": "recursive", "max_chunk_size": 10, "separators": ["a"]}}`), chunked(`{"size": 0, "chunking_settings": null}`),
		`{"retriever":{"rrf":{"retrievers":[{"retriever":{"text_similarity_reranker":{}}}]}}}`, `{"retriever":{"text\u005fsimilarity_reranker":{}}}`, `{`, `[]`,
	} {
		f.Add([]byte(seed), "size=3&from=1")
	}
	f.Fuzz(func(t *testing.T, body []byte, rawQuery string) {
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			return
		}
		before := bytes.Clone(body)
		o := options
		o.FieldTemplates = len(rawQuery)%2 == 0
		s, err := retriever.Parse(retriever.Request{Body: body, Query: query, Indexed: true}, o)
		if !bytes.Equal(before, body) {
			t.Fatal("the body was edited")
		}
		if bad, ok := errors.AsType[*retriever.RequestError](err); ok {
			if !json.Valid(bad.Body()) {
				t.Fatalf("error body %s", bad.Body())
			}
			return
		}
		if err != nil {
			if !errors.Is(err, retriever.ErrNotOurs) {
				t.Fatalf("%s: error of no known kind: %v", body, err)
			}
			return
		}
		if !retriever.MayHold(body) {
			t.Fatalf("%s: parsed, but MayHold says no", body)
		}
		if tree := s.Tree(); tree != nil {
			for line := range bytes.Lines(tree.Leaves("PIT")) {
				if !json.Valid(line) {
					t.Fatalf("sent %s for %s", line, body)
				}
			}
			return
		}
		_, sent := s.Upstream()
		if s.TwoPhase() {
			_, sent = s.FirstPhase("PIT")
		}
		var got struct {
			Retriever map[string]json.RawMessage
			Size      int
		}
		if err := json.Unmarshal(sent, &got); err != nil || len(got.Retriever) != 1 || got.Size != s.Window {
			t.Fatalf("sent %s for %s: %v", sent, body, err)
		}
	})
}

// Whatever the cluster answers, reading and writing it does not panic; an answer
// that is JSON stays JSON, and its page holds no hit twice.
func FuzzSplice(f *testing.F) {
	for _, seed := range []string{firstStage(hitA, hitN, hitB, hitC), onPoint(hitA, hitN, hitB), firstStage(), `{"hits":{"hits":[{"_id":"a","fields":{}}]}}`, `{"hits":{"hits":[{"fields":{"text":["a"]}}]}}`, `{"hits":{"total":3,"hits":[{}]}}`} {
		f.Add([]byte(seed), `"size": 2, "from": 1`)
		f.Add([]byte(seed), `"fields": ["text", "n"], "min_score": 2`)
		f.Add([]byte(seed), `"explain": true, "from": 1, "collapse": {"field": "g"}`)
	}
	f.Fuzz(func(t *testing.T, answer []byte, more string) {
		body := strings.TrimSuffix(reranker(matchAll, ""), "}") + ", " + more + "}"
		s, err := retriever.Parse(retriever.Request{Body: []byte(body), Indexed: true, Passages: len(more)%2 == 0}, options)
		if err != nil {
			return
		}
		first, err := s.Read(answer)
		if err != nil {
			if !errors.Is(err, retriever.ErrAnswer) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		ranked := make([]retriever.Ranked, len(first.Texts()))
		for i := range ranked {
			text := len(ranked) - 1 - i
			ranked[i] = retriever.Ranked{
				Text: text, Score: float32(math.Exp(-float64(i))),
				Passage: &retriever.Passage{Start: len(first.Texts()[text]) / 2, End: len(first.Texts()[text])},
			}
		}
		for _, o := range []retriever.Order{first.RankedOrder(ranked), first.FirstStageOrder(true), first.FirstStageOrder(false)} {
			out := first.Answer(o, 0)
			if s.TwoPhase() {
				_, out = first.SecondPhase(o)
			}
			if json.Valid(answer) && !json.Valid(out) {
				t.Fatalf("answer %s\nbecame %s", answer, out)
			}
			if final, err := first.Finish(answer, o, 0); err == nil && json.Valid(answer) && !json.Valid(final) {
				t.Fatalf("answer %s\nbecame %s", answer, final)
			}
		}
	})
}

// giveUp is a model that fails, and a cluster that answers with what it is given.
type giveUp struct{ answer []byte }

func (giveUp) Rerank(_ *retriever.Search, texts []string) ([]retriever.Ranked, bool, error) {
	if len(texts)%2 == 1 {
		return nil, true, nil
	}
	ranked := make([]retriever.Ranked, len(texts))
	for i := range ranked {
		ranked[i] = retriever.Ranked{Text: i, Score: float32(i)}
	}
	return ranked, false, nil
}

func (g giveUp) Search(url.Values, []byte) ([]byte, error) { return g.answer, nil }

// Whatever the cluster answers to the searches of a tree, reading it and ranking
// by it does not panic, and what is written is JSON.
func FuzzTree(f *testing.F) {
	one := `{"pit_id":"P","hits":{"hits":[{"_index":"i","_id":"a","_score":2.5,"sort":[2.5,7],"fields":{"text":["x"]},"_explanation":{}}]},"status":200}`
	failed := `{"error":{"root_cause":[],"type":"x","caused_by":{}},"status":503}`
	for _, answer := range []string{one, failed, `{"hits":{}}`, `{"pit_id":"P","hits":{"hits":[{"_index":"i","_id":1}]}}`} {
		f.Add([]byte(`{"responses":[`+answer+`,`+one+`]}`), []byte(one))
	}
	body := `{"retriever": {"pinned": {"ids": ["a"], "retriever": {"rescorer": {"rescore": {}, "retriever": {"linear": {"retrievers": [{"retriever": ` +
		inside(matchAll, "") + `, "normalizer": "l2_norm"}]}}}}}}, "explain": true}`
	f.Fuzz(func(t *testing.T, leaves, answer []byte) {
		s, err := parse(t, body, "")
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.Tree().Read(leaves)
		if bad, ok := errors.AsType[*retriever.RequestError](err); ok && json.Valid(leaves) && !json.Valid(bad.Body()) {
			t.Fatalf("error body %s", bad.Body())
		}
		if err != nil {
			return
		}
		standing, err := found.Evaluate(giveUp{answer})
		if err != nil {
			if !errors.Is(err, retriever.ErrAnswer) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		if _, final := standing.FinalSearch(); json.Valid(leaves) && !json.Valid(final) {
			t.Fatalf("answer %s\ngave %s", leaves, final)
		}
		out, err := standing.Finish(answer, 0)
		if err == nil && json.Valid(leaves) && json.Valid(answer) && !json.Valid(out) {
			t.Fatalf("answer %s\nbecame %s", answer, out)
		}
		s.Tree().Refusal(answer)
	})
}
