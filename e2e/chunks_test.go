package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	typed "github.com/elastic/go-elasticsearch/v8/typedapi/core/search"
	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/chunking"
	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/rerank"
)

// What passages are chosen by are the terms of the cluster's own analyser.
func TestTermsAreThoseOfTheClustersAnalyser(t *testing.T) {
	c := cluster(t)
	for _, text := range []string{
		"The QUICK brown-fox isn’t here: it's at http://example.com/a_b?c=1,000.5 or me@x.org!",
		"U.S. e.g. 3.14 1,024 50% C++ foo_bar __init__ _ __ node.js 10:30 a:b v2.7.0-rc1 O'Neil x²",
		"Straße ÜBER naïve ΣΊΣΥΦΟΣ İstanbul Каждая МОДЕЛЬ т.е. كل نموذج שָׁלוֹם ש\"ס",
		"今日は良い天気です。カタカナ東京タワー 中华人民共和国 한국어.텍스트입니다 한국a",
		"ภาษาไทยเป็นภาษา ลาว၁၂ ខ្មែរ မြန်မာစာ ไทย123",
		strings.Repeat("x", 254) + " " + strings.Repeat("Y", 255) + " " + strings.Repeat("z", 600) + " " + strings.Repeat("𝒳", 200),
		"re\u0301sume\u0301 x\u200dy soft\u00adhyphen Ⅳ № ½ ㋐ ー ゛ ﬁ ①",
	} {
		a := send(t, http.MethodPost, c.URL+"/_analyze", string(encode(t, map[string]string{"analyzer": "standard", "text": text})))
		if a.Status != http.StatusOK {
			t.Fatal(a)
		}
		var want []string
		for _, token := range decode[struct{ Tokens []struct{ Token string } }](t, a.Body).Tokens {
			want = append(want, token.Token)
		}
		if diff := cmp.Diff(want, slices.Collect(chunking.Terms(text))); diff != "" {
			t.Errorf("%s\nterms of the cluster (-) and of the program (+):\n%s", text, diff)
		}
	}
}

// A document's best passages are those that the cluster finds first in an index
// of its passages.
func TestBestPassagesAreThoseThatTheClusterFindsFirst(t *testing.T) {
	const size = 5
	random := rand.New(rand.NewPCG(1, 2))
	settings, err := chunking.Parse([]byte(`{"strategy":"sentence","max_chunk_size":60,"sentence_overlap":1}`), chunking.DefaultWords)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		text := prose(random, 60*(n+1))
		all, err := settings.Split(text)
		if err != nil {
			t.Fatal(err)
		}
		var documents []document
		for i, r := range all {
			documents = append(documents, document{fmt.Sprint(i), encode(t, map[string]string{"content": r.Of(text)})})
		}
		name := fmt.Sprintf("e2e-passages-%d", n)
		index(t, name, `{"mappings":{"properties":{"content":{"type":"text"}}}}`, documents...)
		for _, query := range []string{"w1", "w1 w2 w3", "w9 w9 w20 W21!", "w30 w31 w32 w33 w34 w35", "w2 nothing"} {
			body := fmt.Sprintf(`{"size":%d,"_source":false,"query":{"match":{"content":%q}}}`, size, query)
			found, a := search(t, cluster(t).URL+"/"+name+"/_search", body)
			if a.Status != http.StatusOK {
				t.Fatal(a)
			}
			best, err := rerank.Best(query, settings, size)(text)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range best {
				got = append(got, fmt.Sprint(slices.Index(all, r)))
			}
			if diff := cmp.Diff(found.ids(), got); diff != "" {
				t.Errorf("%d passages, %q: found by the cluster (-) and by the program (+):\n%s%s", len(all), query, diff, a)
			}
		}
	}
}

// prose is so many sentences of words w0, w1, …, of which the first are frequent.
func prose(random *rand.Rand, sentences int) string {
	var b strings.Builder
	for range sentences {
		b.WriteString("So")
		for range 2 + random.IntN(30) {
			fmt.Fprintf(&b, " w%d", int(random.ExpFloat64()*15))
		}
		b.WriteString(". ")
	}
	return b.String()
}

// chunkIndex has long texts, in which one sentence answers.
func chunkIndex(t *testing.T) {
	t.Helper()
	filler := strings.Repeat("Nothing in this long sentence has to do with what anybody might want to know about it at all. ", 40)
	text := func(id, answer string) document {
		return document{id, encode(t, map[string]string{"text": filler + answer + ". " + filler, "tag": "t"})}
	}
	index(t, "e2e-chunks", `{"mappings":{"properties":{"text":{"type":"text"},"tag":{"type":"keyword"}}}}`,
		text("one", "The motor of the boat is red"), text("two", "The motor is loud"),
		text("none", "The sail is white"), document{"without", encode(t, map[string]string{"tag": "t"})})
}

func TestDocumentsAreScoredByPassagesInEveryPlan(t *testing.T) {
	chunkIndex(t)
	p := startProxy(t, nil)
	leaf := func(chunks string) string {
		return reranker(words, "red motor boat", "text", all, chunks)
	}
	best := `,"chunk_rescorer":{"size":2,"chunking_settings":{"strategy":"sentence","max_chunk_size":20,"sentence_overlap":0}}`
	for _, tc := range []struct {
		name, retriever, beside string
		order                   []string
	}{
		{"in one search", leaf(best), "", []string{"one", "two", "none"}},
		{"in two phases", leaf(best), `,"explain":true`, []string{"one", "two", "none"}},
		{"in a tree", `{"rrf":{"retrievers":[` + leaf(best) + `],"rank_window_size":30}}`, "", []string{"one", "two", "none"}},
		{"below another", reranker(words, "boat", "text", leaf(best), best), "", []string{"one", "two", "none"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found, a := search(t, p.url+"/e2e-chunks/_search", `{"retriever":`+tc.retriever+tc.beside+`,"_source":false}`)
			if a.Status != http.StatusOK || a.Header.Get("X-Rerankd-Outcome") != "reranked" {
				t.Fatal(a)
			}
			if diff := cmp.Diff(tc.order, found.ids()); diff != "" {
				t.Errorf("order (-want +got):\n%s%s", diff, a)
			}
		})
	}
	// Scores reach the cache only after the answer.
	eventually(t, "the same passages are known", func() (bool, string) {
		_, a := search(t, p.url+"/e2e-chunks/_search", `{"retriever":`+leaf(best)+`}`)
		got := a.Header.Get("X-Rerankd-Cache")
		return strings.HasSuffix(got, "misses=0") && !strings.HasPrefix(got, "hits=0"), got
	})
}

// The passage comes in the same form whichever way the search was answered, and a
// strict client reads it.
func TestThePassageComesWithTheHitInEveryPlan(t *testing.T) {
	chunkIndex(t)
	p := startProxy(t, nil)
	best := `,"chunk_rescorer":{"chunking_settings":{"max_chunk_size":20}}`
	leaf := reranker(words, "red motor boat", "text", all, best)
	for name, body := range map[string]string{
		"in one search": `{"retriever":` + leaf + `,"size":2}`,
		"in two phases": `{"retriever":` + leaf + `,"size":2,"explain":true}`,
		"in a tree":     `{"retriever":{"rrf":{"retrievers":[` + leaf + `]}},"size":2}`,
		"beside fields": `{"retriever":` + leaf + `,"size":2,"explain":true,"fields":["tag"]}`,
		"beside both":   `{"retriever":` + leaf + `,"size":2,"fields":["tag","text"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := send(t, http.MethodPost, p.url+"/e2e-chunks/_search", body, "X-Rerankd-Passages", "true")
			var answer typed.Response
			if err := json.Unmarshal(a.Body, &answer); err != nil {
				t.Fatalf("the typed client can't read it: %v\n%s", err, a)
			}
			want := []string{"The motor of the boat is red. ", "The motor is loud. "}
			var got []string
			for _, hit := range answer.Hits.Hits {
				for _, one := range decode[[]struct{ Text string }](t, hit.Fields["_rerankd.passage"]) {
					got = append(got, one.Text)
				}
				if strings.Contains(body, `"fields"`) != (hit.Fields["tag"] != nil) {
					t.Errorf("fields of the hit: %s", hit.Fields)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("passages (-want +got):\n%s%s", diff, a)
			}
		})
	}
	a := send(t, http.MethodPost, p.url+"/e2e-chunks/_search", `{"retriever":`+leaf+`,"size":1,"_source":false}`, "X-Rerankd-Passages", "true")
	told := `"fields": {"_rerankd.passage": [{"text": "The motor of the boat is red. ", "start_offset": 3760, "end_offset": 3790, "relevance_score": 1.0}]}`
	page, err := os.ReadFile("../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	if spaceless := strings.NewReplacer(": ", ":", ", ", ","); !strings.Contains(spaceless.Replace(string(a.Body)), spaceless.Replace(told)) || !strings.Contains(string(page), told) {
		t.Errorf("the answer that docs/compatibility.md shows: %s", a)
	}
	a = send(t, http.MethodPost, p.url+"/e2e-chunks/_search?filter_path=hits.hits._id", `{"retriever":`+leaf+`}`, "X-Rerankd-Passages", "true")
	if strings.Contains(string(a.Body), "passage") {
		t.Errorf("filter_path lets it through: %s", a)
	}
}

// A template over several fields gives one text, in every plan.
func TestATemplateOverSeveralFieldsIsScoredInEveryPlan(t *testing.T) {
	index(t, "e2e-template", `{"mappings":{"properties":{"title":{"type":"text"},"body":{"type":"text"},"n":{"type":"integer"}}}}`,
		document{"both", []byte(`{"title":"red boats","body":"with a motor"}`)},
		document{"title", []byte(`{"title":"red boats"}`)},
		document{"body", []byte(`{"body":"a motor"}`)},
		document{"none", []byte(`{"n":1}`)})
	p := startProxy(t, func(c *configs.Config) { c.Rerank.FieldTemplates = true })
	leaf := reranker(words, "red boats motor", "{{title}}: {{body}}", all, "")
	for name, body := range map[string]string{
		"in one search": `{"retriever":` + leaf + `,"fields":["title"]}`,
		"in two phases": `{"retriever":` + leaf + `,"fields":["title"],"explain":true}`,
		"in a tree":     `{"retriever":{"rrf":{"retrievers":[` + leaf + `]}},"fields":["title"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			found, a := search(t, p.url+"/e2e-template/_search", body)
			if diff := cmp.Diff([]string{"both", "title", "body"}, found.ids()); diff != "" {
				t.Errorf("order (-want +got):\n%s%s", diff, a)
			}
			if strings.Contains(string(a.Body), `"body":["`) || !strings.Contains(string(a.Body), `"title":["red boats"]`) {
				t.Errorf("fields: %s", a)
			}
		})
	}
	a := send(t, http.MethodPost, p.url+"/e2e-template/_search", `{"retriever":`+leaf+`,"size":1}`, "X-Rerankd-Passages", "true")
	if !strings.Contains(string(a.Body), `"text":"red boats: with a motor","start_offset":0,"end_offset":23`) {
		t.Errorf("the passage: %s", a)
	}
}
