package retriever_test

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rerankd/rerankd/retriever"
)

// The words are those of Elasticsearch 8.19, which the end-to-end tests compare
// with a real one.
func TestBytesThatAreNotJSONAreRefusedInTheWordsOfJackson(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":1,`:               "[1:8] Unexpected end-of-input within/between Object entries",
		`{"a"`:                  "[1:5] Unexpected end of file",
		`{"a":[`:                "[1:7] Unexpected end of file",
		`{"a" 1}`:               "[1:6] Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
		`{a:1}`:                 "[1:2] Unexpected character ('a' (code 97)): was expecting double-quote to start field name",
		`{"a":[1 2]}`:           "[1:9] Unexpected character ('2' (code 50)): was expecting comma to separate Array entries",
		`{"a":.5}`:              "[1:6] Unexpected character ('.' (code 46)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
		`{"a":1.}`:              "[1:8] Unexpected character ('}' (code 125)) in numeric value: Decimal point not followed by a digit",
		`{"a":01}`:              "[1:7] Invalid numeric value: Leading zeroes not allowed",
		`{"a":tru}`:             "[1:10] Unrecognized token 'tru': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
		`{"a":"b`:               "[1:8] Unexpected end-of-input in VALUE_STRING",
		`{"a":"\q"}`:            "[1:8] Unrecognized character escape 'q' (code 113)",
		"{\n\"a\":\"\x01\"}":    "[2:6] Illegal unquoted character ((CTRL-CHAR, code 1)): has to be escaped using backslash to be included in string value",
		`{"a":1} {`:             "Unexpected token [START_OBJECT] found after the main object.",
		`{"a":1}}`:              "[1:8] Unexpected close marker '}': expected ']' (for root starting at [Source: (byte[])\"{\"a\":1}}\"; line: 1, column: 0])",
		"{\"a\":\"\xff\xfe\"}x": "[1:12] Unrecognized token 'x': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')",
	} {
		_, err := retriever.Parse(retriever.Request{Body: []byte(body)}, retriever.Options{})
		var bad *retriever.RequestError
		if !errors.As(err, &bad) {
			t.Errorf("%q: got %v, want %s", body, err, want)
			continue
		}
		got, _, _ := strings.Cut(bad.Cause.Reason, "\n at [")
		if got != want || !json.Valid(bad.Body()) {
			t.Errorf("%q:\n got %s\nwant %s", body, got, want)
		}
	}
}

// Elasticsearch reads over comments.
func TestCommentsAreBlanks(t *testing.T) {
	const plain = `{"retriever":{"text_similarity_reranker":{"retriever":{"standard":{"query":{"match":{"t":"http://x /* y */"}}}},"field":"f","inference_text":"q"}}}`
	body := strings.Replace(plain, `{"retriever"`, "{ // \"a\n/* two \"\nlines */ \"retriever\"", 1)
	s, err := retriever.Parse(retriever.Request{Body: []byte(body), Indexed: true}, retriever.Options{DefaultWindow: 10, MaxWindow: 100})
	if err != nil {
		t.Fatal(err)
	}
	_, upstream := s.Upstream()
	if !json.Valid(upstream) || !strings.Contains(string(upstream), `"http://x /* y */"`) {
		t.Errorf("upstream %s", upstream)
	}
	for _, broken := range []string{`{/* "a":1}`, `{/ "a":1}`, `{"a":1}/`, "/"} {
		if _, err := retriever.Parse(retriever.Request{Body: []byte(broken)}, retriever.Options{}); err == nil || errors.Is(err, retriever.ErrNotOurs) {
			t.Errorf("%q: got %v, want a refusal", broken, err)
		}
	}
}

func FuzzWhatIsNotJSONIsRefused(f *testing.F) {
	for _, seed := range []string{`{"a":1,`, `{"a":[1 2]}`, `{"a":"\u00`, `-`, `{"a":1e+`, "{/* */", `[[[[`, `{"a":tru`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, err := retriever.Parse(retriever.Request{Body: body}, retriever.Options{DefaultWindow: 10, MaxWindow: 100})
		if json.Valid(body) || errors.Is(err, retriever.ErrNotOurs) {
			return
		}
		var bad *retriever.RequestError
		if errors.As(err, &bad) && bad.Status == 400 && json.Valid(bad.Body()) {
			return
		}
		if err == nil { // with comments
			return
		}
		t.Fatalf("%q: got %v, want a 400", body, err)
	})
}

// A search for its end from each of them would take hours.
func TestManyCommentsThatDoNotEndAreReadOnce(t *testing.T) {
	body := `{"retriever":{"text_similarity_reranker":{` + strings.Repeat("/*x", 1<<21)
	begin := processorTime(t)
	_, err := retriever.Parse(retriever.Request{Body: []byte(body), Indexed: true}, retriever.Options{DefaultWindow: 10, MaxWindow: 100})
	if _, ok := errors.AsType[*retriever.RequestError](err); !ok {
		t.Errorf("got %v, want a fault of the request", err)
	}
	if took := processorTime(t) - begin; took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// processorTime is what this process has had so far: a busy machine doesn't add to
// it.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
