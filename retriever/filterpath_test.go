package retriever_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/retriever"
)

// What Elasticsearch 8.19 gives for the same paths over the same answer.
func TestFilterPathKeepsWhatElasticsearchKeeps(t *testing.T) {
	const answer = `{"took":1,"_shards":{"total":2},"hits":{"total":{"value":2},"max_score":null,"hits":[` +
		`{"_id":"a","_score":1.50,"_source":{"n":1,"o":{"n":2},"empty":{},"none":[]}},{"_id":"b","sort":[1,[2]]}]}}`
	for path, want := range map[string]string{
		"took":                `{"took":1}`,
		"took,hits.total":     `{"took":1,"hits":{"total":{"value":2}}}`,
		"hits.hits._id":       `{"hits":{"hits":[{"_id":"a"},{"_id":"b"}]}}`,
		"hits.hits._source":   `{"hits":{"hits":[{"_source":{"n":1,"o":{"n":2},"empty":{},"none":[]}}]}}`,
		"hits.hits._source.n": `{"hits":{"hits":[{"_source":{"n":1}}]}}`,
		"**.n":                `{"hits":{"hits":[{"_source":{"n":1,"o":{"n":2}}}]}}`,
		"hits.**.n":           `{"hits":{"hits":[{"_source":{"n":1,"o":{"n":2}}}]}}`,
		"h*.h*._s*re":         `{"hits":{"hits":[{"_score":1.50}]}}`,
		"hits.hits.sort":      `{"hits":{"hits":[{"sort":[1,[2]]}]}}`,
		"hits.max_score":      `{"hits":{"max_score":null}}`,
		"nothing":             `{}`,
		"took.deeper":         `{}`,
		"-hits":               `{"took":1,"_shards":{"total":2}}`,
		"-hits.hits,-_shards": `{"took":1,"hits":{"total":{"value":2},"max_score":null}}`,
		"hits.hits,-hits.hits._id,-**.o,-**.sort": `{"hits":{"hits":[{"_score":1.50,"_source":{"n":1,"empty":{},"none":[]}}]}}`,
		"*":        answer,
		"**":       answer,
		" took , ": `{"took":1}`,
	} {
		f, err := retriever.ParseFilterPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Apply([]byte(answer)); err != nil || string(got) != want {
			t.Errorf("%s:\n got %s, %v\nwant %s", path, got, err, want)
		}
	}
	f, err := retriever.ParseFilterPath(`a\.b.c`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Apply([]byte(`{"a":{"b":{"c":1}},"a.b":{"c":2}}`)); err != nil || string(got) != `{"a.b":{"c":2}}` {
		t.Errorf("an escaped dot: got %s, %v", got, err)
	}
}

func TestFilterPathIsAppliedToTheFinalAnswerOnly(t *testing.T) {
	s, err := parse(t, reranker(matchAll, ""), "filter_path=hits.hits._score,hits.hits.fields")
	if err != nil {
		t.Fatal(err)
	}
	if query, _ := s.Upstream(); query.Has("filter_path") {
		t.Error("the cluster would filter out what the rerank needs")
	}
	f, err := s.Read([]byte(firstStage(hitA, hitB)))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(f.Answer(f.RankedOrder([]retriever.Ranked{{Text: 1, Score: 3}}), 0)); got != `{"hits":{"hits":[{"_score":3.0}]}}` {
		t.Errorf("got %s", got)
	}
}

func TestAFilterPathOfHostileSizeIsRefused(t *testing.T) {
	for _, path := range []string{strings.Repeat("a,", 200), strings.Repeat("a.", 200)} {
		_, err := parse(t, reranker(matchAll, ""), "filter_path="+path)
		var bad *retriever.RequestError
		if !errors.As(err, &bad) || bad.Status != 400 {
			t.Errorf("%.20s…: got %v, want a 400", path, err)
		}
	}
}

// Whatever the paths, what is left of an answer is JSON.
func FuzzFilterPath(f *testing.F) {
	for _, path := range []string{"took", "hits.hits._id", "**.n,-**.o", "-hits", `a\.b`, "**.**.x", "*"} {
		f.Add(path, []byte(firstStage(hitA, hitN, hitB)))
	}
	f.Fuzz(func(t *testing.T, path string, answer []byte) {
		paths, err := retriever.ParseFilterPath(path)
		if err != nil || !json.Valid(answer) {
			return
		}
		if got, err := paths.Apply(answer); err == nil && !json.Valid(got) {
			t.Fatalf("%s of %s is %s", path, answer, got)
		}
	})
}
