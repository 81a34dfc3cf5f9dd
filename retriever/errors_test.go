package retriever_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

var options = retriever.Options{DefaultWindow: 30, MaxWindow: 1000, DefaultEndpoint: ".rerank-v1-elasticsearch"}

// reranker wraps a child and further members into a body.
func reranker(child, more string) string {
	return `{"retriever": {"text_similarity_reranker": {"retriever": ` + child + `, "field": "text", "inference_text": "q"` + more + `}}}`
}

const matchAll = `{"standard": {"query": {"match_all": {}}}}`

// parse reads a body that came to /index/_search?query.
func parse(t *testing.T, body, query string) (*retriever.Search, error) {
	t.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return retriever.Parse(retriever.Request{Body: []byte(body), Query: q, Indexed: true}, options)
}

func TestABadRequestGetsElasticsearchsErrorNamingTheFault(t *testing.T) {
	with := func(more string) string { return reranker(matchAll, more) }
	beside := func(more string) string { return strings.TrimSuffix(reranker(matchAll, ""), "}") + ", " + more + "}" }
	for _, tc := range []struct{ name, body, query, typ, reason string }{
		{"nothing in it", `{"retriever": {"text_similarity_reranker": {}}}`, "", "illegal_argument_exception", "Required [retriever, inference_text, field]"},
		{"a text only", `{"retriever": {"text_similarity_reranker": {"inference_text": "q"}}}`, "", "illegal_argument_exception", "Required [retriever, field]"},
		{"a string for the body", `{"retriever": {"text_similarity_reranker": "x"}}`, "", "parsing_exception", "[text_similarity_reranker] retriever malformed, no [START_OBJECT] after retriever name"},
		{"two retrievers", `{"retriever": {"text_similarity_reranker": {}, "standard": {}}}`, "", "parsing_exception", "[text_similarity_reranker] malformed retriever, expected [END_OBJECT] but found [FIELD_NAME]"},
		{"an unknown key", with(`, "rank_windw_size": 5`), "", "x_content_parse_exception", "[1:142] [text_similarity_reranker] unknown field [rank_windw_size] did you mean [rank_window_size]?"},
		{"an unknown key like nothing", with(`, "zzz": 5`), "", "x_content_parse_exception", "[1:142] [text_similarity_reranker] unknown field [zzz]"},
		{"a number for the text", `{"retriever": {"text_similarity_reranker": {"inference_text": 5}}}`, "", "x_content_parse_exception", "[1:63] [text_similarity_reranker] inference_text doesn't support values of type: VALUE_NUMBER"},
		{"null for the field", `{"retriever": {"text_similarity_reranker": {"field": null}}}`, "", "x_content_parse_exception", "[1:54] [text_similarity_reranker] field doesn't support values of type: VALUE_NULL"},
		{"an array for the endpoint", with(`, "inference_id": []`), "", "x_content_parse_exception", "[1:158] [text_similarity_reranker] inference_id doesn't support values of type: START_ARRAY"},
		{"a word for the window", with(`, "rank_window_size": "abc"`), "", "x_content_parse_exception", "[1:162] [text_similarity_reranker] failed to parse field [rank_window_size]"},
		{"a window beyond an int", with(`, "rank_window_size": 1e12`), "", "x_content_parse_exception", "[1:162] [text_similarity_reranker] failed to parse field [rank_window_size]"},
		{"an object for the least score", with(`, "min_score": {}`), "", "x_content_parse_exception", "[1:155] [text_similarity_reranker] min_score doesn't support values of type: START_OBJECT"},
		{"a number for a switch", with(`, "allow_rerank_failures": 1`), "", "x_content_parse_exception", "[1:167] [text_similarity_reranker] allow_rerank_failures doesn't support values of type: VALUE_NUMBER"},
		{"a word for a switch", with(`, "allow_rerank_failures": "yes"`), "", "x_content_parse_exception", "[1:167] [text_similarity_reranker] failed to parse field [allow_rerank_failures]"},
		{"a string for the filter", with(`, "filter": "x"`), "", "x_content_parse_exception", "[1:152] [text_similarity_reranker] filter doesn't support values of type: VALUE_STRING"},
		{"a string for the child", reranker(`"x"`, ""), "", "x_content_parse_exception", "[1:58] [text_similarity_reranker] retriever doesn't support values of type: VALUE_STRING"},
		{"a child with a scalar body", reranker(`{"x": 1}`, ""), "", "x_content_parse_exception", "[1:59] [text_similarity_reranker] failed to parse field [retriever]"},
		{"two children", reranker(`{"standard": {}, "knn": {}}`, ""), "", "illegal_state_exception", "parser for [retriever] did not end on END_OBJECT"},
		{"a key twice", with(`, "field": "text"`), "", "x_content_parse_exception", "[1:149] Duplicate field 'field'"},
		{"a top-level key twice", beside(`"size": 1, "size": 2`), "", "x_content_parse_exception", "[1:161] Duplicate field 'size'"},
		{"half a body", `{"retriever": {"text_similarity_reranker": {"field`, "", "x_content_e_o_f_exception", "[1:51] Unexpected end of file"},
		{"a missing comma, on line 2", "{\"retriever\":\n {\"text_similarity_reranker\" {}}}", "", "x_content_parse_exception", "[2:30] Unexpected character ('{' (code 123)): was expecting a colon to separate field name and value"},
		{"a page over the window", strings.Replace(with(`, "rank_window_size": 5`), `{"retriever"`, `{"size": 10, "retriever"`, 1), "", "action_request_validation_exception", "Validation Failed: 1: [text_similarity_reranker] requires [rank_window_size: 5] be greater than or equal to [size: 10];"},
		{"the same by the URL", with(`, "rank_window_size": 5`), "size=10", "action_request_validation_exception", "Validation Failed: 1: [text_similarity_reranker] requires [rank_window_size: 5] be greater than or equal to [size: 10];"},
		{"a negative window", with(`, "rank_window_size": -1`), "", "action_request_validation_exception", "Validation Failed: 1: [rank_window_size] parameter cannot be negative, found [-1];"},
		{"a window of nothing", with(`, "rank_window_size": 0`), "", "action_request_validation_exception", "Validation Failed: 1: [rank] requires [size] greater than [0];"},
		{"a window over the proxy's limit", with(`, "rank_window_size": 1001`), "", "action_request_validation_exception", "Validation Failed: 1: [rank_window_size: 1001] exceeds the limit of this proxy [limits.window: 1000];"},
		{"a child with a smaller window", reranker(`{"rrf": {"retrievers": [`+matchAll+`]}}`, `, "rank_window_size": 100`), "", "action_request_validation_exception", "Validation Failed: 1: [text_similarity_reranker] requires [rank_window_size: 100] to be smaller than or equal to its sub retriever's rrf [rank_window_size: 10];"},
		{"a rescorer with a smaller window", reranker(`{"rescorer": {"retriever": `+matchAll+`, "rescore": [{"window_size": 50}, {"window_size": 20}]}}`, `, "rank_window_size": 30`), "", "action_request_validation_exception", "Validation Failed: 1: [text_similarity_reranker] requires [rank_window_size: 30] to be smaller than or equal to its sub retriever's rescorer [window_size: 20];"},
		{"scroll and partial results", with(""), "scroll=1m&allow_partial_search_results=true", "action_request_validation_exception", "Validation Failed: 1: cannot specify [text_similarity_reranker] and [allow_partial_search_results];2: cannot specify [text_similarity_reranker] and [scroll];"},
		{"a query and a sort beside", beside(`"sort": ["n"], "query": {}`), "", "action_request_validation_exception", "Validation Failed: 1: cannot specify [retriever] and [query, sort];"},
		{"a query in the URL", with(""), "q=x", "action_request_validation_exception", "Validation Failed: 1: cannot specify [retriever] and [query];"},
		{"search_after in the child", reranker(`{"standard": {"search_after": [3]}}`, ""), "", "illegal_argument_exception", "[search_after] cannot be used in children of compound retrievers"},
		{"terminate_after below a rescorer", reranker(`{"rescorer": {"retriever": {"standard": {"terminate_after": 3}}, "rescore": {}}}`, ""), "", "illegal_argument_exception", "[terminate_after] cannot be used in children of compound retrievers"},
		{"a negative from", beside(`"from": -1`), "", "illegal_argument_exception", "[from] parameter cannot be negative but was [-1]"},
		{"a size that is no number", with(""), "size=ten", "illegal_argument_exception", "Failed to parse int parameter [size] with value [ten]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse(t, tc.body, tc.query)
			var bad *retriever.RequestError
			if !errors.As(err, &bad) {
				t.Fatalf("%s\ngot error %v, want a RequestError", tc.body, err)
			}
			if bad.Cause.Type != tc.typ || unquoted(bad.Cause.Reason) != tc.reason {
				t.Errorf("%s\n got %s: %s\nwant %s: %s", tc.body, bad.Cause.Type, bad.Cause.Reason, tc.typ, tc.reason)
			}
			var form struct {
				Error  struct{ Type, Reason string }
				Status int
			}
			if err := json.Unmarshal(bad.Body(), &form); err != nil || unquoted(form.Error.Reason) != tc.reason || form.Status != bad.Status {
				t.Errorf("body %s: %v", bad.Body(), err)
			}
		})
	}
}

// unquoted is a reason without the text that the reader of the body quotes.
func unquoted(reason string) string {
	reason, _, _ = strings.Cut(reason, "\n at [Source: ")
	return reason
}

func TestWhatCannotBeAnsweredRightIsRefusedByName(t *testing.T) {
	beside := func(child, more string) string {
		return strings.TrimSuffix(reranker(child, ""), "}") + ", " + more + "}"
	}
	opaque := `{"rule": {"retriever": {"rrf": {"retrievers": []}}}}`
	for _, tc := range []struct{ want, body, query string }{
		{"[slice] beside", beside(matchAll, `"slice": {"id": 0, "max": 2}`), ""},
		{"[format] beside", reranker(matchAll, ""), "format=yaml"},
		{"[source] beside", reranker(matchAll, ""), "source={}"},
		{"[collapse] in", reranker(`{"rule": {"retriever": {"standard": {"collapse": {"field": "x"}}}}}`, ""), ""},
		{"a [rule] in one tree", `{"retriever": {"rrf": {"retrievers": [` + inside(matchAll, "") + `, {"rule": {}}]}}}`, ""},
		{"a [diversify] in one tree", reranker(reranker(`{"diversify": {}}`, "")[len(`{"retriever": `):len(reranker(`{"diversify": {}}`, ""))-1], ""), ""},
		{"[collapse] beside a [text_similarity_reranker] over a [rule]", beside(opaque, `"collapse": {"field": "x"}`), ""},
		{"scores in [aggs] beside a [text_similarity_reranker] over a [rule]", beside(opaque, `"aggs": {"a": {"top_hits": {}}}`), ""},
		{"inside [rule]", `{"retriever": {"rule": {"retriever": {"text_similarity_reranker": {}}}}}`, ""},
		{"inside [pinned] inside [rule]", `{"retriever": {"pinned": {"retriever": {"rule": {"retriever": {"text_similarity_reranker": {}}}}}}}`, ""},
		{"[fields] that is not an array", beside(matchAll, `"fields": "text"`), ""},
	} {
		t.Run(tc.want, func(t *testing.T) {
			_, err := parse(t, tc.body, tc.query)
			var bad *retriever.RequestError
			if !errors.As(err, &bad) || bad.Status != 400 {
				t.Fatalf("%s\ngot error %v, want a 400", tc.body, err)
			}
			if !strings.HasPrefix(bad.Cause.Reason, "rerankd does not support ") || !strings.Contains(bad.Cause.Reason, tc.want) {
				t.Errorf("reason %q, want it to say %q", bad.Cause.Reason, tc.want)
			}
		})
	}
}

func TestSearchesWithoutARerankerAreNotOurs(t *testing.T) {
	for _, body := range []string{
		`{"query": {"match": {"text": "text_similarity_reranker"}}}`,
		`{"query": {"match": {"text_similarity_reranker": "x"}}}`,
		`{"retriever": {"standard": {"query": {"match": {"text_similarity_reranker": "x"}}}}}`,
		`{"retriever": {"standard": {}, "text_similarity_reranker": {}}}`,
		`{"retriever": {}, "x": "text_similarity_reranker"}`,
		`{"retriever": "text_similarity_reranker"}`,
		`["text_similarity_reranker"]`,
		`"text_similarity_reranker"`,
	} {
		if _, err := parse(t, body, ""); !errors.Is(err, retriever.ErrNotOurs) {
			t.Errorf("%s: got error %v, want ErrNotOurs", body, err)
		}
	}
}

func TestMayHoldIsCertainWhenItSaysNo(t *testing.T) {
	for body, want := range map[string]bool{
		`{"query": {"match_all": {}}}`:                                   false,
		`{"query": {"match": {"text": "caf\u00e9"}}}`:                    false,
		`{"query": {"match": {"t\u0065xt": "x"}}}`:                       true,
		`{"retriever": {"text_similarity_reranker": {}}}`:                true,
		`{"retriever": {"text\u005fsimilarity_reranker": {}}}`:           true,
		`{"retriever": {"\u0074ext_similarity_reranker"` + "\n" + `:{}}`: true,
		``: false,
	} {
		if got := retriever.MayHold([]byte(body)); got != want {
			t.Errorf("MayHold(%s) = %v, want %v", body, got, want)
		}
	}
}

func TestAnEscapedNameIsTheSameRetriever(t *testing.T) {
	body := strings.Replace(reranker(matchAll, ""), "text_similarity", `text\u005fsimilarity`, 1)
	s, err := parse(t, body, "")
	if err != nil || s.Field != "text" {
		t.Fatalf("got %+v, %v", s, err)
	}
}

func TestARerankFailureHidesItsCauseAsElasticsearchDoes(t *testing.T) {
	s, err := parse(t, reranker(`{"standard": {"_name": "first"}}`, `, "inference_id": "gone"`), "")
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(s.UnknownEndpoint().Body(), &got); err != nil {
		t.Fatal(err)
	}
	reason := `"[text_similarity_reranker] search failed - retrievers '[first]' returned errors. All failures are attached as suppressed exceptions."`
	phase := `{"type":"search_phase_execution_exception","reason":"Computing updated ranks for results failed","phase":"rank-feature","grouped":true,"failed_shards":[]`
	if err := json.Unmarshal([]byte(`{"error":{"root_cause":[{"type":"status_exception","reason":`+reason+`,"suppressed":[`+phase+`}]}],
		"type":"status_exception","reason":`+reason+`,"suppressed":[`+phase+`,
		"caused_by":{"type":"resource_not_found_exception","reason":"Inference endpoint not found [gone]"}}]},"status":404}`), &want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
