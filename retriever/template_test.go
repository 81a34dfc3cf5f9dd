package retriever_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/rerankd/rerankd/retriever"
)

func TestARenderedTemplateIsTheSearchItGives(t *testing.T) {
	for _, tc := range []struct{ name, answer, request, want string }{
		{"as it stands", `{"template_output": {"size" : 1.50, "query":{}} }`, `{"id":"x"}`, `{"size" : 1.50, "query":{}}`},
		{"explained", `{"template_output":{"size":1}}`, `{"id":"x","explain":true}`, `{"explain":true,"size":1}`},
		{"both switches over its own", `{"template_output":{"explain":false,"size":1,"profile":false}}`, `{"profile":"true","explain":true}`, `{"explain":true,"profile":true,"size":1}`},
		{"switches that are off", `{"template_output":{"size":1}}`, `{"explain":false}`, `{"size":1}`},
		{"an empty search", `{"template_output":{}}`, `{"explain":true}`, `{"explain":true}`},
		{"a request that is no JSON", `{"template_output":{}}`, `{"explain":`, `{}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := retriever.Rendered([]byte(tc.answer), []byte(tc.request))
			if err != nil || string(got) != tc.want {
				t.Errorf("got %s, %v, want %s", got, err, tc.want)
			}
		})
	}
	for _, answer := range []string{``, `[]`, `{}`, `{"template_output":"x"}`, `{"template_output":{`} {
		if got, err := retriever.Rendered([]byte(answer), nil); !errors.Is(err, retriever.ErrAnswer) {
			t.Errorf("%s: got %s, %v", answer, got, err)
		}
	}
}

// Whatever the bytes, a rendering that is JSON gives JSON.
func FuzzRendered(f *testing.F) {
	f.Add([]byte(`{"template_output":{"explain":false,"size":1}}`), []byte(`{"explain":true,"profile":true}`))
	f.Fuzz(func(t *testing.T, answer, request []byte) {
		got, err := retriever.Rendered(answer, request)
		if err == nil && json.Valid(answer) && !json.Valid(got) {
			t.Fatalf("%s became %s", answer, got)
		}
	})
}
