package retriever_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

func plain(t *testing.T, body, rawQuery string, o retriever.PlainOptions) (*retriever.Plain, error) {
	t.Helper()
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		t.Fatal(err)
	}
	return retriever.ParsePlain(retriever.Request{Body: []byte(body), Query: query, Indexed: true}, o)
}

func TestTheTextOfAnOrdinarySearchIsFoundInItsQuery(t *testing.T) {
	for _, tc := range []struct{ name, body, query, want string }{
		{"match", `{"query":{"match":{"title":"red fox"}}}`, "", "red fox"},
		{"match with options", `{"query":{"match":{"title":{"operator":"and","query":"red fox"}}}}`, "", "red fox"},
		{"match of a number", `{"query":{"match":{"year":1984}}}`, "", "1984"},
		{"match_phrase_prefix", `{"query":{"match_phrase_prefix":{"title":"re"}}}`, "", "re"},
		{"multi_match", `{"query":{"multi_match":{"fields":["a","b"],"query":"fox"}}}`, "", "fox"},
		{"query_string as it stands", `{"query":{"query_string":{"query":"title:fox AND red"}}}`, "", "title:fox AND red"},
		{"escapes", `{"query":{"match":{"t":"caf\u00e9 \"x\""}}}`, "", `café "x"`},
		{"must before should", `{"query":{"bool":{"should":[{"match":{"t":"later"}}],"must":{"match":{"t":"first"}}}}}`, "", "first"},
		{"should alone", `{"query":{"bool":{"filter":[{"match":{"t":"no"}}],"should":[{"term":{"a":"b"}},{"match":{"t":"yes"}}]}}}`, "", "yes"},
		{"around", `{"query":{"function_score":{"functions":[],"query":{"dis_max":{"queries":[{"boosting":{"negative":{"match":{"t":"no"}},"positive":{"match":{"t":"deep"}}}}]}}}}}`, "", "deep"},
		{"q in the URL before the body", `{"query":{"match":{"t":"body"}}}`, "q=url", "url"},
		{"q without a body", ``, "q=url", "url"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := plain(t, tc.body, tc.query, retriever.PlainOptions{Field: "text", Window: 5, FromBody: true})
			if err != nil {
				t.Fatal(err)
			}
			if p.Query != tc.want {
				t.Errorf("text %q, want %q", p.Query, tc.want)
			}
		})
	}
}

func TestSearchesThatCannotBeReorderedAreLeftAlone(t *testing.T) {
	const match = `"query":{"match":{"t":"fox"}}`
	deep := strings.Repeat(`{"bool":{"must":`, 200) + `{"match":{"t":"fox"}}` + strings.Repeat(`}}`, 200)
	for _, tc := range []struct{ name, body, query string }{
		{"an order of its own", `{` + match + `,"sort":["n"]}`, ""},
		{"an order in the URL", `{` + match + `}`, "sort=n"},
		{"a scroll", `{` + match + `}`, "scroll=1m"},
		{"a point in time", `{` + match + `,"pit":{"id":"x"}}`, ""},
		{"a way behind the last hit", `{` + match + `,"search_after":[1]}`, ""},
		{"a slice", `{` + match + `,"slice":{"id":0,"max":2}}`, ""},
		{"an early end", `{` + match + `,"terminate_after":5}`, ""},
		{"a retriever", `{"retriever":{"standard":{` + match + `}}}`, ""},
		{"no hits wanted", `{` + match + `,"size":0}`, ""},
		{"no hits wanted in the URL", `{` + match + `}`, "size=0"},
		{"a page behind the window", `{` + match + `,"from":5}`, ""},
		{"a page behind the window in the URL", `{` + match + `}`, "from=5"},
		{"a bad page", `{` + match + `,"from":-1}`, ""},
		{"no text in the query", `{"query":{"term":{"t":"fox"}}}`, ""},
		{"a blank text", `{"query":{"match":{"t":" "}}}`, ""},
		{"no query", `{}`, ""},
		{"a query too deep", `{"query":` + deep + `}`, ""},
		{"the field in another form", `{` + match + `,"docvalue_fields":["text"]}`, ""},
		{"a name twice", `{` + match + `,"size":1,"size":2}`, ""},
		{"an answer that is not JSON", `{` + match + `}`, "format=yaml"},
		{"a list", `[]`, ""},
		{"no JSON", `{"query":`, ""},
		{"a bad filter path", `{` + match + `}`, "filter_path=" + strings.Repeat("a,", 200)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p, err := plain(t, tc.body, tc.query, retriever.PlainOptions{Field: "text", Window: 5, FromBody: true}); !errors.Is(err, retriever.ErrNotOurs) {
				t.Errorf("parsed as %+v, error %v", p, err)
			}
		})
	}
	if _, err := plain(t, `{`+match+`}`, "", retriever.PlainOptions{Field: "text", Window: 5}); !errors.Is(err, retriever.ErrNotOurs) {
		t.Errorf("the text was taken from the body without leave: %v", err)
	}
}

func TestThePlainSearchIsSentFromItsFirstHitOnWithTheFieldBesideIt(t *testing.T) {
	o := retriever.PlainOptions{Field: "text", Window: 5, Query: "fox"}
	for _, tc := range []struct{ name, body, query, wantBody, wantQuery string }{
		{"no body", "", "q=fox", `{"size":10,"fields":["text"]}`, "q=fox"},
		{"a page inside the window", `{"from":1,"size":2, "query":{"x":1.50}}`, "pretty", `{"size":5,"fields":["text"],"query":{"x":1.50}}`, ""},
		{"a page over its end", `{"query":{},"size":4,"from":3}`, "", `{"size":7,"fields":["text"],"query":{}}`, ""},
		{"the page in the URL", `{"query":{}}`, "from=2&size=8&routing=r&filter_path=hits", `{"size":10,"fields":["text"],"query":{}}`, "routing=r"},
		{"fields of the caller", `{"fields":["n"]}`, "", `{"size":10,"fields":["n","text"]}`, ""},
		{"the field itself is asked for", `{"fields":["te*"]}`, "", `{"size":10,"fields":["te*"]}`, ""},
		{"nothing but the page", `{"size":3}`, "", `{"size":5,"fields":["text"]}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := plain(t, tc.body, tc.query, o)
			if err != nil {
				t.Fatal(err)
			}
			query, body := p.Upstream()
			if d := cmp.Diff([]string{tc.wantBody, tc.wantQuery}, []string{string(body), query.Encode()}); d != "" {
				t.Error(d)
			}
		})
	}
}

// corpus answers a plain search as a cluster does: hits falling in score, every
// third without the field.
func corpus(n int, body []byte) string {
	var asked struct{ From, Size int }
	if err := json.Unmarshal(body, &asked); err != nil {
		return err.Error()
	}
	var hits []string
	for i := asked.From; i < min(n, asked.From+asked.Size); i++ {
		fields := fmt.Sprintf(`,"fields":{"text":["%d"]}`, i)
		if i%3 == 2 {
			fields = ""
		}
		hits = append(hits, fmt.Sprintf(`{"_id":"%d","_score":%.1f%s}`, i, 50-float64(i)/2, fields))
	}
	return fmt.Sprintf(`{"took":1,"hits":{"total":{"value":%d,"relation":"eq"},"max_score":50.0,"hits":[%s]}}`, n, strings.Join(hits, ","))
}

// Whatever the window and the size of the pages, paging through a plain search
// shows every document once: the reranked window, then the rest as it was, with
// scores that never rise.
func TestPagingThroughAPlainSearchLosesAndRepeatsNothing(t *testing.T) {
	for _, n := range []int{0, 1, 4, 7, 23} {
		for _, window := range []int{1, 3, 5, 10, 40} {
			for _, size := range []int{1, 2, 3, 7, 50} {
				got, scores := pageThrough(t, n, window, size)
				if d := cmp.Diff(wantOrder(n, window), got); d != "" {
					t.Fatalf("%d documents, window %d, pages of %d:\n%s", n, window, size, d)
				}
				for i := 1; i < len(scores); i++ {
					if scores[i] > scores[i-1] {
						t.Fatalf("%d documents, window %d, pages of %d: scores %v", n, window, size, scores)
					}
				}
			}
		}
	}
}

// wantOrder is the window by falling number, those without a text, and the rest.
func wantOrder(n, window int) []string {
	list := []string{}
	for i := min(n, window) - 1; i >= 0; i-- {
		if i%3 != 2 {
			list = append(list, fmt.Sprint(i))
		}
	}
	for i := range n {
		if i >= window || i%3 == 2 {
			list = append(list, fmt.Sprint(i))
		}
	}
	return list
}

func pageThrough(t *testing.T, n, window, size int) (ids []string, scores []float64) {
	t.Helper()
	ids = []string{}
	for from := 0; from < n; from += size {
		body := fmt.Sprintf(`{"from":%d,"size":%d,"query":{"match":{"t":"x"}}}`, from, size)
		p, err := plain(t, body, "", retriever.PlainOptions{Field: "text", Window: window, FromBody: true})
		answer := corpus(n, []byte(body))
		if from < window {
			if err != nil {
				t.Fatal(err)
			}
			_, sent := p.Upstream()
			page, err := p.Read([]byte(corpus(n, sent)))
			if err != nil {
				t.Fatal(err)
			}
			texts := page.Texts()
			ranked := make([]retriever.Ranked, len(texts))
			for i := range ranked {
				ranked[i] = retriever.Ranked{Text: len(texts) - 1 - i, Score: float32(math.Exp(-float64(i)))}
			}
			answer = string(page.Answer(ranked, time.Second))
		} else if !errors.Is(err, retriever.ErrNotOurs) {
			t.Fatalf("page from %d behind the window %d is ours: %v", from, window, err)
		}
		var got struct {
			Hits struct {
				Hits []struct {
					ID    string  `json:"_id"`
					Score float64 `json:"_score"`
				}
			}
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		for _, h := range got.Hits.Hits {
			ids, scores = append(ids, h.ID), append(scores, h.Score)
		}
	}
	return ids, scores
}

func TestThePlainAnswerShowsTheRerankedScoreOverTheLeastOfTheWindow(t *testing.T) {
	p, err := plain(t, `{"size":4,"query":{"match":{"t":"x"}}}`, "", retriever.PlainOptions{Field: "text", Window: 3, FromBody: true})
	if err != nil {
		t.Fatal(err)
	}
	answer := firstStage(
		`{"_id":"a","_score":7.5,"fields":{"text":["alpha"]}}`, hitN,
		`{"_id":"b","_score":1.25,"fields":{"text":["beta"]}}`, `{"_id":"c","_score":1,"fields":{"text":["gamma"]}}`,
	)
	page, err := p.Read([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"alpha", "beta"}, page.Texts()); d != "" {
		t.Fatal(d)
	}
	got := string(page.Answer([]retriever.Ranked{{Text: 1, Score: 2}, {Text: 0, Score: 0.5}}, 9*time.Millisecond))
	want := `{"took":9,"timed_out":false,"hits":{"total":{"value":40,"relation":"eq"},"max_score":3.25,"hits":[` +
		`{"_id":"b","_score":3.25},{"_id":"a","_score":1.75},{"_index":"i","_id":"none","_score":1.25},{"_id":"c","_score":1}]},"aggregations":{"n":{"value":40}}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(page.Answer(nil, 0)); !strings.Contains(got, `"max_score":7.5,"hits":[{"_id":"a","_score":7.5}`) {
		t.Errorf("without a ranking: %s", got)
	}
}

// Whatever the bytes, a plain search is left alone or stays JSON on its way to
// the cluster and back.
func FuzzPlain(f *testing.F) {
	f.Add([]byte(`{"size":3,"from":1,"query":{"bool":{"must":[{"match":{"t":"x"}}]}},"fields":["n"]}`), "q=a", []byte(firstStage(hitA, hitN, hitB)))
	f.Add([]byte(``), "size=2&q=x", []byte(firstStage()))
	f.Add([]byte(`{"query":{"multi_match":{"query":"\ud800"}}}`), "", []byte(`{"hits":{"hits":[{"_score":"x"}]}}`))
	f.Fuzz(func(t *testing.T, body []byte, rawQuery string, answer []byte) {
		query, err := url.ParseQuery(rawQuery)
		if err != nil {
			return
		}
		p, err := retriever.ParsePlain(retriever.Request{Body: body, Query: query}, retriever.PlainOptions{Field: "text", Window: 2, FromBody: true})
		if err != nil {
			if !errors.Is(err, retriever.ErrNotOurs) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		if _, sent := p.Upstream(); !json.Valid(sent) {
			t.Fatalf("sent %s for %s", sent, body)
		}
		page, err := p.Read(answer)
		if err != nil {
			return
		}
		ranked := make([]retriever.Ranked, len(page.Texts()))
		for i := range ranked {
			ranked[i] = retriever.Ranked{Text: len(ranked) - 1 - i, Score: 1}
		}
		if out := page.Answer(ranked, 0); json.Valid(answer) && !json.Valid(out) {
			t.Fatalf("answer %s\nbecame %s", answer, out)
		}
	})
}

// Each level of a query is read anew.
func TestATextBelowManyBytesOnManyLevelsIsNotLookedFor(t *testing.T) {
	for levels, found := range map[int]bool{10: true, 40: false} {
		query := `{"bool":{"must":{"match":{"t":"wanted"}},"filter":{"match":{"t":"` + strings.Repeat("x", 1<<20) + `"}}}}`
		for range levels {
			query = `{"bool":{"must":` + query + `}}`
		}
		_, err := retriever.ParsePlain(retriever.Request{Body: []byte(`{"query":` + query + `}`)},
			retriever.PlainOptions{Field: "t", Window: 10, FromBody: true})
		if (err == nil) != found {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
}
