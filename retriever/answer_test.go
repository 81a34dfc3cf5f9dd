package retriever_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

// firstStage is an answer with one hit for each text; an empty entry is a hit
// without the field.
func firstStage(hits ...string) string {
	return `{"took":3,"timed_out":false,"hits":{"total":{"value":40,"relation":"eq"},"max_score":7.5,"hits":[` +
		strings.Join(hits, ",") + `]},"aggregations":{"n":{"value":40}}}`
}

const (
	hitA = `{"_index":"i","_id":"a","_score":7.5,"_source":{"text":"ä","n":1.50},"fields":{"text":["alpha","x"]}}`
	hitB = `{"_index":"i","_id":"b","_score":6,"sort":[6,2],"fields":{"text":[7]}}`
	hitC = `{"_index":"i","_id":"c","_score":null,"fields":{"text":[true]},"highlight":{"text":["<em>"]}}`
	hitN = `{"_index":"i","_id":"none","_score":1.5}`
)

func read(t *testing.T, body, query, answer string) *retriever.FirstStage {
	t.Helper()
	s, err := parse(t, body, query)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Read([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheAnswerHoldsTheRankedPageAndNothingTheCallerDidNotAskFor(t *testing.T) {
	ranked := []retriever.Ranked{{Text: 2, Score: 5}, {Text: 0, Score: 1}, {Text: 1, Score: 0.36787945}}
	beside := func(more string) string { return strings.TrimSuffix(reranker(matchAll, ""), "}") + ", " + more + "}" }
	all := `{"_index":"i","_id":"c","_score":5.0,"highlight":{"text":["<em>"]}},` +
		`{"_index":"i","_id":"a","_score":1.0,"_source":{"text":"ä","n":1.50}},` +
		`{"_index":"i","_id":"b","_score":0.36787945}`
	for _, tc := range []struct{ name, body, query, total, max, hits string }{
		{"a whole window", reranker(matchAll, ""), "", `{"value":40,"relation":"eq"}`, "5.0", all},
		{"a page of one", beside(`"size": 1, "from": 1`), "", `{"value":40,"relation":"eq"}`, "5.0", `{"_index":"i","_id":"a","_score":1.0,"_source":{"text":"ä","n":1.50}}`},
		{"a page by the URL", reranker(matchAll, ""), "size=1&from=2", `{"value":40,"relation":"eq"}`, "5.0", `{"_index":"i","_id":"b","_score":0.36787945}`},
		{"a page beyond the window", beside(`"from": 3`), "", `{"value":40,"relation":"eq"}`, "null", ""},
		{"no page at all", beside(`"size": 0`), "", `{"value":40,"relation":"eq"}`, "null", ""},
		{"fields that the caller wants", beside(`"fields": ["text"], "size": 1`), "", `{"value":40,"relation":"eq"}`, "5.0", `{"_index":"i","_id":"c","_score":5.0,"fields":{"text":[true]},"highlight":{"text":["<em>"]}}`},
		{"a least score counts what is left", beside(`"min_score": 1`), "", `{"value":2,"relation":"eq"}`, "5.0", all[:strings.LastIndex(all, `,{"_index"`)]},
		{"a least score that all reach", beside(`"min_score": -1`), "", `{"value":40,"relation":"eq"}`, "5.0", all},
		{"counting up to a limit", beside(`"min_score": 1, "track_total_hits": 1`), "", `{"value":1,"relation":"gte"}`, "5.0", all[:strings.LastIndex(all, `,{"_index"`)]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := read(t, tc.body, tc.query, firstStage(hitA, hitN, hitB, hitC))
			if d := cmp.Diff([]string{"alpha", "7", "true"}, f.Texts()); d != "" {
				t.Fatal(d)
			}
			got := string(f.Answer(f.RankedOrder(ranked), 12*time.Millisecond))
			want := `{"took":12,"timed_out":false,"hits":{"total":` + tc.total + `,"max_score":` + tc.max +
				`,"hits":[` + tc.hits + `]},"aggregations":{"n":{"value":40}}}`
			if got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestFieldsOfTheCallerStayWhenTheTextIsTakenOut(t *testing.T) {
	body := strings.TrimSuffix(reranker(matchAll, ""), "}") + `, "fields": ["n"], "docvalue_fields": ["m"]}`
	for fields, want := range map[string]string{
		`{"text":["x"],"n":[1]}`:            `{"n":[1]}`,
		`{"n":[1],"text":["x"]}`:            `{"n":[1]}`,
		`{"m":[2], "text":["x"] , "n":[1]}`: `{"m":[2] , "n":[1]}`,
	} {
		f := read(t, body, "", firstStage(`{"_id":"a","_score":1,"fields":`+fields+`}`))
		got := string(f.Answer(f.RankedOrder([]retriever.Ranked{{Text: 0, Score: 2}}), 0))
		if !strings.Contains(got, `"hits":[{"_id":"a","_score":2.0,"fields":`+want+`}]`) {
			t.Errorf("fields %s: got %s", fields, got)
		}
	}
}

func TestAValueOfANestedFieldIsNoText(t *testing.T) {
	body := strings.Replace(reranker(matchAll, ""), `"text"`, `"comments.text"`, 1)
	f := read(t, body, "", firstStage(`{"_id":"a","_score":1,"fields":{"comments":[{"text":["x"]}]}}`))
	if got := f.Texts(); len(got) != 0 {
		t.Errorf("texts %q, want none", got)
	}
	if got := string(f.Answer(f.FirstStageOrder(false), 0)); !strings.Contains(got, `"hits":[{"_id":"a","_score":1.0}]`) {
		t.Errorf("the nested value stayed: %s", got)
	}
}

func TestAFailedRerankAnswersInFirstStageOrder(t *testing.T) {
	f := read(t, reranker(matchAll, `, "min_score": 0.4`), "", firstStage(hitA, hitN, hitB))
	scores := func(answer []byte) []string {
		var out []string
		for _, part := range strings.Split(string(answer), `"_score":`)[1:] {
			out = append(out, part[:strings.IndexAny(part, ",}")])
		}
		return out
	}
	if got := scores(f.Answer(f.FirstStageOrder(false), 0)); !slices.Equal(got, []string{"1.0", "0.5", "0.33333334"}) {
		t.Errorf("by the proxy's own policy: scores %v", got)
	}
	strict := f.Answer(f.FirstStageOrder(true), 0)
	if got := scores(strict); !slices.Equal(got, []string{"1.0", "0.5"}) {
		t.Errorf("by allow_rerank_failures: scores %v", got)
	}
	if !strings.Contains(string(strict), `"total":{"value":2,"relation":"eq"}`) {
		t.Errorf("the total is not that of the hits left: %s", strict)
	}
}

// empty is the answer in which nothing is ranked.
func empty(f *retriever.FirstStage) []byte { return f.Answer(f.RankedOrder(nil), 0) }

func TestATotalOfAnotherFormKeepsItsForm(t *testing.T) {
	body := reranker(matchAll, `, "min_score": 1`)
	asInt := strings.Replace(firstStage(hitA), `{"value":40,"relation":"eq"}`, "40", 1)
	if got := string(empty(read(t, body, "", asInt))); !strings.Contains(got, `"total":0,"max_score":null,"hits":[]`) {
		t.Errorf("got %s", got)
	}
	without := strings.Replace(firstStage(hitA), `"total":{"value":40,"relation":"eq"},`, "", 1)
	if got := string(empty(read(t, body, "", without))); !strings.Contains(got, `"hits":{"max_score":null,"hits":[]}`) {
		t.Errorf("got %s", got)
	}
}

func TestAnAnswerThatIsNoSearchIsAnError(t *testing.T) {
	s, err := parse(t, reranker(matchAll, ""), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{"", "[]", "{}", `{"hits":1}`, `{"hits":{}}`, `{"hits":{"hits":{}}}`, `{"hits":{"hits":[1]}}`, `{"hits":{"hits":[{"fields":1}]}}`, `{"hits":{"hits":[`} {
		if _, err := s.Read([]byte(answer)); !errors.Is(err, retriever.ErrAnswer) {
			t.Errorf("%q: got error %v, want ErrAnswer", answer, err)
		}
	}
}
