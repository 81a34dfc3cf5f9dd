package inference_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/internal/inference"
	"github.com/rerankd/rerankd/retriever"
)

// mostTexts is the limit of the tests.
const mostTexts = 4

func TestAnInferenceCallIsReadWithAllItsForms(t *testing.T) {
	yes, no, two, one := true, false, 2, 1
	for _, tc := range []struct {
		name, body string
		want       inference.Rerank
	}{
		{"a list", `{"query":"q","input":["a","b"]}`, inference.Rerank{Query: "q", Input: []string{"a", "b"}}},
		{"one text", `{"query":"q","input":"a"}`, inference.Rerank{Query: "q", Input: []string{"a"}}},
		{"numbers as texts", `{"query":"q","input":[1,2.50,true]}`, inference.Rerank{Query: "q", Input: []string{"1", "2.50", "true"}}},
		{"escapes", `{"qu\u0065ry":"a\"\u00e9","input":["\ud83d\ude42"]}`, inference.Rerank{Query: `a"é`, Input: []string{"🙂"}}},
		{"its own wishes", `{"query":"q","input":"a","return_documents":"true","top_n":"2"}`, inference.Rerank{Query: "q", Input: []string{"a"}, ReturnDocuments: &yes, TopN: &two}},
		{"task settings", `{"query":"q","input":"a","task_settings":{"return_documents":false,"top_n":2}}`, inference.Rerank{Query: "q", Input: []string{"a"}, ReturnDocuments: &no, TopN: &two}},
		{"both, where its own win", `{"query":"q","input":"a","task_settings":{"return_documents":false,"top_n":2},"return_documents":true,"top_n":1.9}`, inference.Rerank{Query: "q", Input: []string{"a"}, ReturnDocuments: &yes, TopN: &one}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := inference.ParseRerank([]byte(tc.body), mostTexts)
			if err != nil {
				t.Fatal(err)
			}
			if g, w := text(t, got), text(t, tc.want); g != w {
				t.Errorf("got %s, want %s", g, w)
			}
		})
	}
}

// text is a value with its pointers followed.
func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestAFaultyInferenceCallIsRefusedInElasticsearchsWords(t *testing.T) {
	for _, tc := range []struct{ name, body, typ, reason string }{
		{"nothing", ``, "parse_exception", "request body is required"},
		{"blanks", " \n", "parse_exception", "request body is required"},
		{"no JSON", `{"query":`, "x_content_parse_exception", "[1:9] malformed JSON"},
		{"no object", `[]`, "x_content_parse_exception", "[1:1] expected an object, got START_ARRAY"},
		{"no query", `{"input":["1"]}`, "action_request_validation_exception", "Validation Failed: 1: Field [query] cannot be null for task type [rerank];"},
		{"an empty query", `{"query":"","input":["1"]}`, "action_request_validation_exception", "Validation Failed: 1: Field [query] cannot be empty for task type [rerank];"},
		{"no input", `{"query":"q"}`, "action_request_validation_exception", "Validation Failed: 1: Field [input] cannot be null;"},
		{"an empty input", `{"query":"q","input":[]}`, "action_request_validation_exception", "Validation Failed: 1: Field [input] cannot be an empty array;"},
		{"an empty object", `{}`, "action_request_validation_exception", "Validation Failed: 1: Field [input] cannot be null;2: Field [query] cannot be null for task type [rerank];"},
		{"an input type", `{"query":"q","input":"a","input_type":"search"}`, "action_request_validation_exception", "Validation Failed: 1: Field [input_type] cannot be specified for task type [rerank];"},
		{"no documents wanted", `{"query":"q","input":"a","top_n":0}`, "action_request_validation_exception", "Validation Failed: 1: Field [top_n] must be a positive integer, got [0];"},
		{"an unknown key", `{"query": "q", "input": ["1"], "zzz": 1}`, "x_content_parse_exception", "[1:32] [cluster:internal/xpack/inference] unknown field [zzz]"},
		{"an unknown key on another line", "{\"query\": \"q\",\n  \"zzz\": 1}", "x_content_parse_exception", "[2:3] [cluster:internal/xpack/inference] unknown field [zzz]"},
		{"a key twice", `{"query":"q","query":"r","input":"a"}`, "x_content_parse_exception", "[1:14] Duplicate field 'query'"},
		{"a query of another type", `{"query": 5,"input":"a"}`, "x_content_parse_exception", "[1:11] [cluster:internal/xpack/inference] query doesn't support values of type: VALUE_NUMBER"},
		{"an input of another type", `{"query":"q","input":{}}`, "x_content_parse_exception", "[1:22] [cluster:internal/xpack/inference] input doesn't support values of type: START_OBJECT"},
		{"an object as a text", `{"query":"q","input":[{}]}`, "x_content_parse_exception", "[1:22] [cluster:internal/xpack/inference] failed to parse field [input]"},
		{"null as a text", `{"query":"q","input":["a",null]}`, "x_content_parse_exception", "[1:22] [cluster:internal/xpack/inference] failed to parse field [input]"},
		{"too many texts", `{"query":"q","input":["1","2","3","4","5"]}`, "illegal_argument_exception", "Field [input] may hold at most [4] texts; rerankd is configured so by [limits.window]"},
		{"a word as a number", `{"query":"q","input":"a","top_n":"x"}`, "x_content_parse_exception", "[1:34] [cluster:internal/xpack/inference] failed to parse field [top_n]"},
		{"a number beyond", `{"query":"q","input":"a","top_n":1e99}`, "x_content_parse_exception", "[1:34] [cluster:internal/xpack/inference] failed to parse field [top_n]"},
		{"a number as a boolean", `{"query":"q","input":"a","return_documents":1}`, "x_content_parse_exception", "[1:45] [cluster:internal/xpack/inference] return_documents doesn't support values of type: VALUE_NUMBER"},
		{"unknown task settings", `{"query":"q","input":"a","task_settings":{"foo":1}}`, "status_exception", "Configuration contains settings [{foo=1}] unknown to the [elasticsearch] service"},
		{"task settings of another type", `{"query":"q","input":"a","task_settings":[]}`, "x_content_parse_exception", "[1:42] [cluster:internal/xpack/inference] task_settings doesn't support values of type: START_ARRAY"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := inference.ParseRerank([]byte(tc.body), mostTexts)
			wantError(t, err, 400, tc.typ, tc.reason)
		})
	}
}

func wantError(t *testing.T, err error, status int, typ, reason string) {
	t.Helper()
	var e *retriever.RequestError
	if !errors.As(err, &e) {
		t.Fatalf("err = %v, want %s: %s", err, typ, reason)
	}
	if e.Status != status || e.Cause.Type != typ || !strings.HasPrefix(e.Cause.Reason, reason) {
		t.Errorf("got %d %s: %s\nwant %d %s: %s", e.Status, e.Cause.Type, e.Cause.Reason, status, typ, reason)
	}
}

// Whatever comes, the readers answer with a call in its limits or with an error
// that can be rendered, and a call means what encoding/json reads out of the body.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"query":"q","input":["a","b"],"return_documents":true,"top_n":2,"task_settings":{"top_n":1}}`,
		`{"query":"\ud800","input":"\u0000"}`, `{"service":"elasticsearch","service_settings":{"model_id":"m","num_threads":1,"num_allocations":1}}`,
		`{"service_settings":{"adaptive_allocations":{"enabled":true,"min_number_of_allocations":0,"max_number_of_allocations":4}}}`,
		`{"service":"elasticsearch","service":1}`, `[[[[`, "{\"a\":\n1}", `{"query":"q","input":[1e400]}`, ``, `null`, `{"service_settings":null,"service":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		call, err := inference.ParseRerank(body, mostTexts)
		checkError(t, err)
		if err == nil {
			var loose struct{ Query string }
			if jsonErr := json.Unmarshal(body, &loose); jsonErr != nil || len(call.Input) == 0 || len(call.Input) > mostTexts || call.Query == "" {
				t.Errorf("a call of %d texts out of %q (%v)", len(call.Input), body, jsonErr)
			}
			if !slices.Contains(caseVariants(body), "query") && loose.Query != call.Query {
				t.Errorf("query %q, want %q", call.Query, loose.Query)
			}
		}
		_, err = inference.ParseCreation(body)
		checkError(t, err)
		_, err = inference.ParseUpdate(body)
		checkError(t, err)
	})
}

// caseVariants are the names of the body that differ from a known one in case
// alone, which encoding/json takes for it.
func caseVariants(body []byte) []string {
	var names map[string]json.RawMessage
	if json.Unmarshal(body, &names) != nil {
		return nil
	}
	var list []string
	for name := range names {
		if name != "query" && strings.EqualFold(name, "query") {
			list = append(list, "query")
		}
	}
	return list
}

func checkError(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *retriever.RequestError
	if !errors.As(err, &e) {
		t.Fatalf("error of another type: %v", err)
	}
	if !json.Valid(e.Body()) {
		t.Errorf("the error is no JSON: %s", e.Body())
	}
}
