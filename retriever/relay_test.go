package retriever_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestARefusalOfTheChildComesInsideTheLevelsAroundIt(t *testing.T) {
	body := reranker(`{"standard": {"query": {"mtach": {}}}}`, `, "filter": {"trem": {}}`)
	inner := `{"type":"parsing_exception","reason":"unknown query [mtach] did you mean [match]?","line":1,"col":85,"caused_by":{"type":"named_object_not_found_exception","reason":"[1:85] unknown field [mtach]"}}`
	col := strconv.Itoa(strings.Index(body, `"trem"`) + 1)
	filter := `{"type":"parsing_exception","reason":"unknown query [trem]","line":1,"col":` + col + `}`
	for _, tc := range []struct{ name, upstream, want string }{
		{
			"a query of the child",
			`{"error":{"root_cause":[{"type":"parsing_exception"}],"type":"x_content_parse_exception","reason":"[1:85] [standard] failed to parse field [query]","caused_by":` + inner + `},"status":400}`,
			`{"error":{"root_cause":[{"type":"parsing_exception"}],"type":"x_content_parse_exception","reason":"[1:85] [text_similarity_reranker] failed to parse field [retriever]",` +
				`"caused_by":{"type":"x_content_parse_exception","reason":"[1:85] [retriever] failed to parse field [standard]",` +
				`"caused_by":{"type":"x_content_parse_exception","reason":"[1:85] [standard] failed to parse field [query]","caused_by":` + inner + `}}},"status":400}`,
		},
		{
			"the reranker's own filter",
			`{"error":{"root_cause":[],"type":"x_content_parse_exception","reason":"[1:` + col + `] [standard] failed to parse field [filter]","caused_by":` + filter + `},"status":400}`,
			`{"error":{"root_cause":[],"type":"x_content_parse_exception","reason":"[1:` + col + `] [text_similarity_reranker] failed to parse field [filter]","caused_by":` + filter + `},"status":400}`,
		},
		{
			"a child that the cluster doesn't know",
			`{"error":{"root_cause":[],"type":"parsing_exception","reason":"unknown retriever [standard] did you mean [x]?","line":1,"col":71},"status":400}`,
			`{"error":{"root_cause":[{"type":"named_object_not_found_exception","reason":"[1:59] unknown field [standard]"}],` +
				`"type":"x_content_parse_exception","reason":"[1:59] [text_similarity_reranker] failed to parse field [retriever]",` +
				`"caused_by":{"type":"x_content_parse_exception","reason":"[1:59] [retriever] failed to parse field [standard]",` +
				`"caused_by":{"type":"named_object_not_found_exception","reason":"[1:59] unknown field [standard]"}}},"status":400}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := parse(t, body, "")
			if err != nil {
				t.Fatal(err)
			}
			got := s.Refusal([]byte(tc.upstream))
			if d := cmp.Diff(decoded(t, []byte(tc.want)), decoded(t, got)); d != "" {
				t.Errorf("got %s\n%s", got, d)
			}
		})
	}
}

func TestOtherRefusalsComeAsTheyAre(t *testing.T) {
	s, err := parse(t, reranker(matchAll, ""), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{"error":{"type":"index_not_found_exception","reason":"no such index [x]"},"status":404}`,
		`{"error":{"type":"parsing_exception","reason":"elsewhere","line":1,"col":2},"status":400}`,
		`{"error":{"type":"parsing_exception","reason":"nowhere","line":9,"col":2},"status":400}`,
		`{"error":{"type":"parsing_exception","reason":"beyond","line":1,"col":99999},"status":400}`,
		`{"error":{"type":"x_content_parse_exception","reason":"no position"},"status":400}`,
		`<html>`, ``, `{"error":"text"}`,
	} {
		if got := string(s.Refusal([]byte(body))); got != body {
			t.Errorf("%s became %s", body, got)
		}
	}
}
