package retriever_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheClusterIsAskedForTheChildAndTheWindow(t *testing.T) {
	with := func(more string) string { return reranker(matchAll, more) }
	beside := func(more string) string { return strings.TrimSuffix(reranker(matchAll, ""), "}") + ", " + more + "}" }
	for _, tc := range []struct{ name, body, query, want, wantQuery string }{
		{"defaults", with(""), "", `{"retriever": ` + matchAll + `, "size": 30, "fields": ["text"]}`, "allow_partial_search_results=false"},
		{"a window", with(`, "rank_window_size": "50"`), "size=20&from=5&routing=r", `{"retriever": ` + matchAll + `, "size": 50, "fields": ["text"]}`, "allow_partial_search_results=false&routing=r"},
		{"a page", `{"from": 5, "retriever": ` + with("")[len(`{"retriever": `):len(with(""))-1] + `, "size": 3, "track_total_hits": true}`, "", `{"retriever": ` + matchAll + `, "track_total_hits": true, "size": 30, "fields": ["text"]}`, ""},
		{"members that mean the reranked scores", beside(`"min_score": 1, "explain": false, "profile": false, "indices_boost": []`), "", `{"retriever": ` + matchAll + `, "size": 30, "fields": ["text"]}`, ""},
		{"the caller's own fields", beside(`"fields": ["n", "d*" ]`), "", `{"retriever": ` + matchAll + `, "size": 30, "fields": ["n", "d*", "text"]}`, ""},
		{"an empty list of fields", beside(`"fields": [ ]`), "", `{"retriever": ` + matchAll + `, "size": 30, "fields": ["text"]}`, ""},
		{"the field among them", beside(`"fields": ["te*"]`), "", `{"retriever": ` + matchAll + `, "size": 30, "fields": ["te*"]}`, ""},
		{"a field that is a pattern", strings.Replace(with(""), `"text"`, `"*"`, 1), "", `{"retriever": ` + matchAll + `, "size": 30}`, ""},
		{"a field with quotes in its name", strings.Replace(with(""), `"text"`, `"a\"b<"`, 1), "", `{"retriever": ` + matchAll + `, "size": 30, "fields": ["a\"b<"]}`, ""},
		{"a filter", with(`, "filter": {"term": {"a": 1}}`), "", `{"retriever": {"standard": {"query": {"match_all": {}}, "filter": {"term": {"a": 1}}}}, "size": 30, "fields": ["text"]}`, ""},
		{"a filter before the child", `{"retriever": {"text_similarity_reranker": {"filter": {"term": {"a": 1}}, "field": "text", "inference_text": "q", "retriever": ` + matchAll + `}}}`, "", `{"retriever": {"standard": {"query": {"match_all": {}}, "filter": [{"term": {"a": 1}}]}}, "size": 30, "fields": ["text"]}`, ""},
		{"filters on both", reranker(`{"knn": {"filter": {"term": {"b": 2}}, "k": 3}}`, `, "filter": [{"term": {"a": 1}}, {"term": {"c": 3}}]`), "", `{"retriever": {"knn": {"filter": [{"term": {"b": 2}}, {"term": {"a": 1}}, {"term": {"c": 3}}], "k": 3}}, "size": 30, "fields": ["text"]}`, ""},
		{"a list of filters on the child", reranker(`{"standard": {"filter": [{"term": {"b": 2}}]}}`, `, "filter": {"term": {"a": 1}}`), "", `{"retriever": {"standard": {"filter": [{"term": {"b": 2}}, {"term": {"a": 1}}]}}, "size": 30, "fields": ["text"]}`, ""},
		{"empty lists of filters", reranker(`{"standard": {"filter": []}}`, `, "filter": []`), "", `{"retriever": {"standard": {"filter": []}}, "size": 30, "fields": ["text"]}`, ""},
		{"a filter for an empty child", reranker(`{"standard": {}}`, `, "filter": {"term": {"a": 1}}`), "", `{"retriever": {"standard": {"filter": {"term": {"a": 1}}}}, "size": 30, "fields": ["text"]}`, ""},
		{"a compound child's own window", reranker(`{"rescorer": {"retriever": `+matchAll+`, "rescore": {"window_size": 20}}}`, ""), "", `{"retriever": {"rescorer": {"retriever": ` + matchAll + `, "rescore": {"window_size": 20}}}, "size": 20, "fields": ["text"]}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := parse(t, tc.body, tc.query)
			if err != nil {
				t.Fatal(err)
			}
			query, body := s.Upstream()
			if d := cmp.Diff(decoded(t, []byte(tc.want)), decoded(t, body)); d != "" {
				t.Errorf("sent %s\n%s", body, d)
			}
			if tc.wantQuery != "" && query.Encode() != tc.wantQuery {
				t.Errorf("URL parameters %q, want %q", query.Encode(), tc.wantQuery)
			}
		})
	}
}

// decoded keeps numbers as they are spelt.
func decoded(tb testing.TB, doc []byte) any {
	tb.Helper()
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		tb.Fatalf("decode %s: %v", doc, err)
	}
	return v
}

func TestWhatTheClusterReadsStandsWhereTheCallerPutIt(t *testing.T) {
	body := "{\n  \"size\": 3,\n  \"retriever\": { \"text_similarity_reranker\": {\n    \"inference_text\": \"q\",\n" +
		"    \"retriever\": {\"standard\": {\"query\": {\"mtach\": {}}}},\n    \"field\": \"text\"\n  }},\n  \"aggs\": {\"a\": {}}\n}"
	s, err := parse(t, body, "")
	if err != nil {
		t.Fatal(err)
	}
	_, sent := s.Upstream()
	for _, mark := range []string{`"mtach"`, `"aggs"`} {
		if got, want := lineAndColumn(string(sent), mark), lineAndColumn(body, mark); got != want {
			t.Errorf("%s stands at %v, want %v, in\n%s", mark, got, want, sent)
		}
	}
}

func TestAPushedFilterTakesItsRoomFromTheBlanksBehind(t *testing.T) {
	body := strings.TrimSuffix(reranker(matchAll, `, "filter": {"term": {"a": 1}}`), "}") + `, "aggs": {"a": {}}}`
	s, err := parse(t, body, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, sent := s.Upstream(); lineAndColumn(string(sent), `"aggs"`) != lineAndColumn(body, `"aggs"`) {
		t.Errorf("aggs moved:\n%s\n%s", body, sent)
	}
}

func lineAndColumn(doc, mark string) [2]int {
	before := doc[:strings.Index(doc, mark)]
	return [2]int{strings.Count(before, "\n"), len(before) - strings.LastIndex(before, "\n")}
}

func TestUnknownKeysNumbersAndTheCallersBytesSurvive(t *testing.T) {
	body := strings.TrimSuffix(reranker(`{"future": {"big": 12345678901234567890123, "tiny": 1.50e-7, "é": "\u00e9"}}`, ""), "}") +
		`, "unknown": [1.0, 0], "size": 5}`
	before := strings.Clone(body)
	s, err := parse(t, body, "")
	if err != nil {
		t.Fatal(err)
	}
	_, sent := s.Upstream()
	for _, part := range []string{`{"future": {"big": 12345678901234567890123, "tiny": 1.50e-7, "é": "\u00e9"}}`, `"unknown": [1.0, 0]`} {
		if !bytes.Contains(sent, []byte(part)) {
			t.Errorf("lost %s in %s", part, sent)
		}
	}
	if body != before {
		t.Error("the caller's bytes were edited")
	}
}
