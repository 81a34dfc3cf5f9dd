package retriever_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

// onPoint is a first-stage answer on a point in time.
func onPoint(hits ...string) string {
	return strings.Replace(firstStage(hits...), `{"took"`, `{"pit_id":"NEWER","took"`, 1)
}

// beside puts members next to a reranker over match_all.
func beside(more string) string {
	return strings.TrimSuffix(reranker(matchAll, ""), "}") + ", " + more + "}"
}

func TestWhatSeesTheRerankedOrderOrScoresTakesTwoPhases(t *testing.T) {
	for _, tc := range []struct {
		body, query string
		want        bool
	}{
		{reranker(matchAll, ""), "", false},
		{beside(`"explain": false, "profile": "false"`), "explain=false", false},
		{beside(`"aggs": {"a": {"terms": {"field": "n"}}}`), "", false},
		{beside(`"fields": ["text"], "_source": false, "highlight": {}`), "", false},
		{reranker(matchAll, `, "min_score": 1`), "", false},
		{beside(`"collapse": {"field": "x"}`), "", true},
		{beside(`"post_filter": {"term": {"x": 1}}`), "", true},
		{beside(`"explain": true`), "", true},
		{beside(`"profile": true`), "", true},
		{beside(`"script_fields": {}`), "", true},
		{beside(`"stored_fields": "_none_"`), "", true},
		{beside(`"runtime_mappings": {}`), "", true},
		{reranker(matchAll, ""), "explain=true", true},
		{reranker(matchAll, ""), "stored_fields=x", true},
		{beside(`"aggs": {"a": {"top_hits": {}}}`), "", true},
		{beside(`"aggs": {"a": {"max": {"script": "_score"}}}`), "", true},
		{strings.TrimSuffix(reranker(matchAll, `, "min_score": 1`), "}") + `, "aggs": {"a": {}}}`, "", true},
		{beside(`"fields": [{"field": "te*", "format": "x"}]`), "", true},
		{beside(`"docvalue_fields": ["text"]`), "", true},
		{reranker(matchAll, ""), "docvalue_fields=n,text", true},
		{reranker(matchAll, `, "_name": "r"`), "", true},
	} {
		s, err := parse(t, tc.body, tc.query)
		if err != nil {
			t.Errorf("%s: %v", tc.body, err)
			continue
		}
		if s.TwoPhase() != tc.want {
			t.Errorf("%s?%s: two phases: %v, want %v", tc.body, tc.query, s.TwoPhase(), tc.want)
		}
	}
}

const phasesBody = `{"from":1,"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":{"match":{"t":"x"}},"filter":{"term":{"a":1}}}},` +
	`"field":"text","inference_text":"q","rank_window_size":5,"filter":{"term":{"b":2}},"_name":"r"}},"size":2,"collapse":{"field":"g"},"_source":["t"]}`

func TestTheFirstPhaseFindsTheWindowAndNothingElse(t *testing.T) {
	s, err := parse(t, phasesBody, "routing=r&preference=p&size=2&_source_includes=t")
	if err != nil {
		t.Fatal(err)
	}
	id, open := s.PointInTime()
	if want := (url.Values{"keep_alive": {"1m"}, "routing": {"r"}, "preference": {"p"}}); id != "" || !cmp.Equal(open, want) {
		t.Errorf("point in time %q, opened with %v, want %v", id, open, want)
	}
	query, body := s.FirstPhase("PIT")
	if want := "allow_partial_search_results=false"; query.Encode() != want {
		t.Errorf("URL parameters %q, want %q", query.Encode(), want)
	}
	want := `{"retriever":{"standard":{"query":{"match":{"t":"x"}},"filter":[{"term":{"a":1}},{"term":{"b":2}}]}},` +
		`"pit":{"id":"PIT","keep_alive":"1m"},"size":5,"_source":false,"track_total_hits":false,"fields":["text"]}`
	if d := cmp.Diff(decoded(t, []byte(want)), decoded(t, body)); d != "" {
		t.Errorf("sent %s\n%s", body, d)
	}
}

func TestTheSecondPhaseScoresTheRankedAndKeepsTheRestAtZero(t *testing.T) {
	s, err := parse(t, phasesBody, "routing=r&filter_path=hits&version=true")
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Read([]byte(onPoint(hitA, hitN, hitB, hitC)))
	if err != nil {
		t.Fatal(err)
	}
	query, body := f.SecondPhase(f.RankedOrder([]retriever.Ranked{{Text: 2, Score: 3}, {Text: 0, Score: 0.5}, {Text: 1, Score: 0.5}}))
	if want := "allow_partial_search_results=false&version=true"; query.Encode() != want {
		t.Errorf("URL parameters %q, want %q", query.Encode(), want)
	}
	ranked := func(score, ids string) string {
		return `{"constant_score":{"boost":` + score + `,"filter":{"bool":{"filter":[{"term":{"_index":"i"}},{"ids":{"values":[` + ids + `]}}]}}}}`
	}
	want := `{"query":{"bool":{"minimum_should_match":1,"should":[` +
		`{"bool":{"_name":"r","should":[` + ranked("3.0", `"c"`) + `,` + ranked("0.5", `"a","b"`) + `]}},` +
		`{"bool":{"boost":0,"must":[{"bool":{"must":[{"match":{"t":"x"}}],"filter":[{"term":{"a":1}},{"term":{"b":2}}]}}]}}]}},` +
		`"pit":{"id":"NEWER","keep_alive":"1m"},"from":1,"size":2,"collapse":{"field":"g"},"_source":["t"]}`
	if d := cmp.Diff(decoded(t, []byte(want)), decoded(t, body)); d != "" {
		t.Errorf("sent %s\n%s", body, d)
	}
}

func TestTheTailIsLeftOutWhereNobodyCanSeeIt(t *testing.T) {
	for more, want := range map[string]bool{
		`"track_total_hits": false`:                  false,
		`"track_total_hits": 1`:                      false,
		`"track_total_hits": 2`:                      true,
		`"track_total_hits": true`:                   true,
		`"track_total_hits": false, "explain": true`: true,
		`"track_total_hits": false, "aggs": {}`:      true,
		`"track_total_hits": false, "size": 3`:       false,
	} {
		f := read(t, beside(`"post_filter": {}, `+more), "", onPoint(hitA, hitB))
		_, body := f.SecondPhase(f.RankedOrder([]retriever.Ranked{{Text: 0, Score: 3}}))
		if got := strings.Contains(string(body), `"match_all"`); got != want {
			t.Errorf("%s: tail in the query: %v, want %v", more, got, want)
		}
	}
	f := read(t, beside(`"post_filter": {}, "track_total_hits": false`), "", onPoint())
	if _, body := f.SecondPhase(f.RankedOrder(nil)); !strings.Contains(string(body), `"query":{"match_none":{}}`) || !strings.Contains(string(body), `"size":0`) {
		t.Errorf("nothing ranked and nothing else to see: %s", body)
	}
}

func TestTheScoreFloorOfTheSecondPhaseIsTheHigherOne(t *testing.T) {
	body := strings.TrimSuffix(reranker(matchAll, `, "min_score": -2`), "}") + `, "min_score": 0.5, "explain": true}`
	f := read(t, body, "", onPoint(hitA))
	if _, sent := f.SecondPhase(f.RankedOrder(nil)); !strings.Contains(string(sent), `"min_score":0.5`) {
		t.Errorf("sent %s", sent)
	}
	if _, sent := f.SecondPhase(f.FirstStageOrder(false)); strings.Contains(string(sent), `min_score`) {
		t.Errorf("a degraded search has a floor: %s", sent)
	}
}

func TestTheTailOfEachKindOfChildMatchesWhatItMatches(t *testing.T) {
	for child, want := range map[string]string{
		`{"standard": {}}`: `{"match_all":{}}`,
		`{"standard": {"query": {"term": {"a": 1}}, "sort": ["n"], "_name": "c"}}`:                                                 `{"term":{"a":1}}`,
		`{"standard": {"query": {"term": {"a": 1}}, "min_score": "0.3"}}`:                                                          `{"function_score":{"query":{"term":{"a":1}},"functions":[],"min_score":0.3}}`,
		`{"knn": {"field": "v", "k": 3, "filter": {"term": {"a": 1}}, "_name": "c"}}`:                                              `{"knn":{"field":"v","k":3,"filter":[{"term":{"a":1}}]}}`,
		`{"rescorer": {"filter": {"term": {"b": 2}}, "rescore": {}, "retriever": {"standard": {"filter": [{"term": {"a": 1}}]}}}}`: `{"bool":{"must":[{"match_all":{}}],"filter":[{"term":{"a":1}},{"term":{"b":2}}]}}`,
	} {
		body := strings.TrimSuffix(reranker(child, ""), "}") + `, "explain": true}`
		f := read(t, body, "", onPoint(hitA))
		_, sent := f.SecondPhase(f.RankedOrder(nil))
		got := decoded(t, sent).(map[string]any)["query"].(map[string]any)["bool"].(map[string]any)["should"].([]any)[0]
		tail := map[string]any{"bool": map[string]any{"boost": decoded(t, []byte("0")), "must": []any{decoded(t, []byte(want))}}}
		if d := cmp.Diff(any(tail), got); d != "" {
			t.Errorf("%s\n%s", child, d)
		}
	}
}

func TestTheFinalAnswerExplainsEachScoreAndHidesThePointInTime(t *testing.T) {
	body := strings.TrimSuffix(reranker(`{"standard": {"_name": "c"}}`, `, "inference_id": "e"`), "}") + `, "explain": true}`
	f := read(t, body, "filter_path=-hits.hits._index", onPoint(`{"_index":"i","_id":"a","_score":7,"_explanation":{"value":7},"fields":{"text":["x"]}}`))
	answer := `{"pit_id":"P","took":1,"hits":{"hits":[{"_index":"i","_id":"a","_score":2.0,"_explanation":{}},{"_index":"i","_id":"b","_score":0.0,"_explanation":{}}]}}`
	got, err := f.Finish([]byte(answer), f.RankedOrder([]retriever.Ranked{{Text: 0, Score: 2}}), 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"took":5,"hits":{"hits":[{"_id":"a","_score":2.0,"_explanation":{"value":2.0,"description":"text_similarity_reranker match using inference endpoint: [e] ` +
		`on document field: [text] matching on source query [c]","details":[{"value":7}]}},` +
		`{"_id":"b","_score":0.0,"_explanation":{"value":0.0,"description":"doc not found in top 30 rank docs","details":[]}}]}}`
	if string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestACallersPointInTimeIsUsedAndKept(t *testing.T) {
	body := []byte(beside(`"pit": {"id": "MINE", "keep_alive": "9m"}`))
	s, err := retriever.Parse(retriever.Request{Body: body}, options)
	if err != nil {
		t.Fatal(err)
	}
	if id, open := s.PointInTime(); id != "MINE" || open != nil {
		t.Errorf("point in time %q, opened with %v", id, open)
	}
	f, err := s.Read([]byte(strings.Replace(firstStage(hitA), `{"took"`, `{"pit_id":"MINE","took"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Finish([]byte(`{"pit_id":"MINE","took":1,"hits":{"hits":[]}}`), f.RankedOrder(nil), 0); err != nil || string(got) != `{"pit_id":"MINE","took":0,"hits":{"hits":[]}}` {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := parse(t, string(body), ""); err == nil || !strings.Contains(err.Error(), "[indices] cannot be used with point in time") {
		t.Errorf("beside an index: %v", err)
	}
}

func TestAPrettyAnswerIsIndented(t *testing.T) {
	f := read(t, reranker(matchAll, ""), "pretty", `{"took":1,"hits":{"max_score":1,"hits":[]}}`)
	want := "{\n  \"took\": 0,\n  \"hits\": {\n    \"max_score\": null,\n    \"hits\": []\n  }\n}\n"
	if got := string(f.Answer(f.RankedOrder(nil), 0)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
