package retriever_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

// templated parses a search whose reranker has the field given, with more beside
// the retriever.
func templated(field, beside string) (*retriever.Search, error) {
	o := options
	o.FieldTemplates = true
	body := strings.Replace(reranker(matchAll, ""), `"field": "text"`, `"field": "`+field+`"`, 1)
	return retriever.Parse(retriever.Request{Body: []byte(strings.TrimSuffix(body, "}") + beside + "}"), Indexed: true}, o)
}

func TestATemplateFetchesItsFieldsOnceEach(t *testing.T) {
	for _, tc := range []struct{ field, beside, want string }{
		{"{{title}}. {{ body }} {{title}}", "", `"fields":["title","body"]`},
		{"{{title}}. {{body}}", `, "fields": ["n", "t*"]`, `"fields": ["n", "t*","body"]`},
		{"{{title}}", `, "fields": ["*"]`, `"fields": ["*"]`},
		{"plain", "", `"fields":["plain"]`},
	} {
		s, err := templated(tc.field, tc.beside)
		if err != nil {
			t.Fatal(err)
		}
		if _, body := s.Upstream(); strings.Count(string(body), `"fields"`) != 1 || !strings.Contains(string(body), tc.want) {
			t.Errorf("%s%s: sent %s, want %s", tc.field, tc.beside, body, tc.want)
		}
		if tc.beside == "" {
			if _, body := s.FirstPhase("PIT"); !strings.Contains(string(body), tc.want) {
				t.Errorf("%s: first phase %s, want %s", tc.field, body, tc.want)
			}
		}
	}
}

func TestATemplateIsFilledWithWhatADocumentHas(t *testing.T) {
	s, err := templated("<{{title}}|{{n}}> {{title}}", `, "fields": ["n"]`)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Read([]byte(firstStage(
		`{"_id":"both","_score":1.0,"fields":{"title":["a","b"],"n":[7]}}`,
		`{"_id":"one","_score":1.0,"fields":{"n":[8]}}`,
		`{"_id":"none","_score":1.0,"fields":{"other":["x"]}}`,
		`{"_id":"nothing","_score":1.0}`,
	)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"<a|7> a", "<|8> "}, first.Texts()); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	answer := string(first.Answer(first.RankedOrder([]retriever.Ranked{{Text: 1, Score: 2}, {Text: 0, Score: 1}}), 0))
	for _, want := range []string{`{"_id":"one","_score":2.0,"fields":{"n":[8]}}`, `{"_id":"both","_score":1.0,"fields":{"n":[7]}}`} {
		if !strings.Contains(answer, want) {
			t.Errorf("answer %s lacks %s: what was fetched for the template alone must go, the caller's own stay", answer, want)
		}
	}
}

func TestATemplateThatCannotBeReadIsRefused(t *testing.T) {
	for _, field := range []string{"{{", "{{}}", "{{ }}", "{{a", "{{a*}}", "{{a{{b}}", "{{a}} {{", "x {{{a}}}"} {
		if _, err := templated(field, ""); err == nil || !strings.Contains(err.Error(), "illegal_argument_exception: [field] must be a name or a template") {
			t.Errorf("%s: got %v, want a refusal", field, err)
		}
	}
	many := ""
	for c := 'a'; c < 'a'+17; c++ {
		many += "{{" + string(c) + "}}"
	}
	for _, field := range []string{many, "{{a}}" + strings.Repeat("x", 1000)} {
		if _, err := templated(field, ""); err == nil || !strings.Contains(err.Error(), "at most [16] fields and [1000] bytes") {
			t.Errorf("%.40s: got %v, want a refusal", field, err)
		}
	}
}

func TestBracesAreANameUnlessTemplatesAreAllowed(t *testing.T) {
	s, err := parse(t, strings.Replace(reranker(matchAll, ""), `"field": "text"`, `"field": "{{title}}"`, 1), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, body := s.Upstream(); !strings.Contains(string(body), `"fields":["{{title}}"]`) {
		t.Errorf("sent %s", body)
	}
}
