package retriever_test

import (
	"encoding/json"
	"testing"

	"github.com/rerankd/rerankd/retriever"
)

func TestAnAnswerCarriesItsStatusInAMultiSearch(t *testing.T) {
	for answer, want := range map[string]string{
		`{"took":1}`:                `{"took":1,"status":200}`,
		" {\n \"took\" : 1\n}\n":    " {\n \"took\" : 1,\"status\":200\n}",
		`{"error":{},"status":404}`: `{"error":{},"status":404}`,
		`{}`:                        `{}`,
		`no JSON`:                   `no JSON`,
	} {
		if got := string(retriever.WithStatus([]byte(answer), 200)); got != want {
			t.Errorf("%q became %q, want %q", answer, got, want)
		}
	}
}

func TestTheHeaderLineOfAMultiSearchIsItsTarget(t *testing.T) {
	for header, want := range map[string]string{
		``:                         " ",
		` {} `:                     " ",
		`{"index": null}`:          " ",
		`{"index": "a"}`:           "a ",
		`{"indices": ["a", "b*"]}`: "a,b* ",
		`{"index": "a", "preference": "p", "ignore_unavailable": true, "expand_wildcards": ["open", "closed"]}`: "a expand_wildcards=open%2Cclosed&ignore_unavailable=true&preference=p",
	} {
		index, query, err := retriever.MultiItem{Header: []byte(header)}.Target()
		if got := index + " " + query.Encode(); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", header, got, err, want)
		}
	}
}

// Whatever the lines, they come back in pairs as they were, and an answer with a
// status stays JSON.
func FuzzMulti(f *testing.F) {
	f.Add([]byte("{}\n"+reranker(matchAll, "")+"\n"), 200)
	f.Add([]byte("\n{\"query\":{}}\n{\"index\":[\"a\"]}\n{}"), 404)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		items, err := retriever.SplitMulti(body)
		if err != nil {
			return
		}
		for _, item := range items {
			if _, query, err := item.Target(); err == nil && query == nil {
				t.Fatal("no URL parameters and no error")
			}
			if with := retriever.WithStatus(item.Body, status); json.Valid(item.Body) && !json.Valid(with) {
				t.Fatalf("%s became %s", item.Body, with)
			}
		}
	})
}
