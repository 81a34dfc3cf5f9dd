package collection_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/internal/relevance"
	"github.com/rerankd/rerankd/internal/relevance/collection"
)

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func folder(files map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// valid is a folder that can be read; the cases change one file of it.
func valid() map[string]string {
	return map[string]string{
		"corpus.jsonl":  `{"_id": "d1", "title": "One", "text": "first", "metadata": {"x": 1}}` + "\n" + `{"_id": 2, "text": "second"}` + "\n",
		"queries.jsonl": `{"_id": "q1", "text": "which?"}` + "\n\n" + `{"_id": "q2", "text": "unjudged"}`,
		"qrels.tsv":     "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\t2\t0\nq9\td1\t1\n",
	}
}

func TestAFolderIsReadPlainAndGzipped(t *testing.T) {
	want := &collection.Collection{
		Documents: []collection.Document{{ID: "d1", Title: "One", Text: "first"}, {ID: "2", Text: "second"}},
		Queries:   []collection.Query{{ID: "q1", Text: "which?"}, {ID: "q2", Text: "unjudged"}},
		Qrels:     relevance.Qrels{"q1": {"d1": 2, "2": 0}, "q9": {"d1": 1}},
	}
	for _, tc := range []struct {
		name   string
		change func(map[string]string)
	}{
		{"plain", func(map[string]string) {}},
		{"gzipped", func(f map[string]string) {
			for name, text := range maps.Clone(f) {
				f[name+".gz"] = gzipped(t, text)
				delete(f, name)
			}
		}},
		{"with Windows line ends and a byte order mark", func(f map[string]string) {
			for name, text := range f {
				f[name] = "\xef\xbb\xbf" + strings.ReplaceAll(text, "\n", "\r\n")
			}
		}},
		{"with BEIR's own place for judgements", func(f map[string]string) {
			f["qrels/test.tsv"] = f["qrels.tsv"]
			delete(f, "qrels.tsv")
		}},
		{"with TREC's judgements", func(f map[string]string) {
			f["qrels.txt"] = "q1 0 d1 2\nq1 0 2 0\nq9 0 d1 1\n"
			delete(f, "qrels.tsv")
		}},
		{"without headings", func(f map[string]string) {
			_, f["qrels.tsv"], _ = strings.Cut(f["qrels.tsv"], "\n")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := valid()
			tc.change(files)
			got, err := collection.Open(folder(files), collection.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if judged := got.Judged(); len(judged) != 1 || judged[0].ID != "q1" {
				t.Errorf("judged queries %v, want q1 alone", judged)
			}
		})
	}
}

func TestPairsJudgedNotRelevantAreAddedWhereTheyStandApart(t *testing.T) {
	files := valid()
	files["qrels-zero.tsv"] = "query-id\tcorpus-id\tscore\nq1\td1\t0\nq1\td7\t0\nq2\td1\t0\n"
	c, err := collection.Open(folder(files), collection.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := relevance.Qrels{"q1": {"d1": 2, "2": 0, "d7": 0}, "q9": {"d1": 1}}
	if diff := cmp.Diff(want, c.Qrels); diff != "" {
		t.Errorf("a query is made one to evaluate, or a grade is lost: %s", diff)
	}
}

func TestTheCorpusAndTheJudgementsMayBeLeftUnread(t *testing.T) {
	files := map[string]string{"queries.jsonl": valid()["queries.jsonl"]}
	own := relevance.Qrels{"q2": {"x": 1}}
	c, err := collection.Open(folder(files), collection.Options{WithoutDocuments: true, Qrels: own})
	if err != nil {
		t.Fatal(err)
	}
	if judged := c.Judged(); len(judged) != 1 || judged[0].ID != "q2" || c.Documents != nil {
		t.Errorf("judged %v, documents %v", judged, c.Documents)
	}
}

func TestWhatTheJudgementsNameAndTheFilesLackIsCounted(t *testing.T) {
	files := valid()
	files["qrels.tsv"] += "q1\td8\t1\nq1\td9\t0\nq2\td8\t1\nq9\td7\t1\n"
	for _, without := range []bool{false, true} {
		c, err := collection.Open(folder(files), collection.Options{WithoutDocuments: without})
		if err != nil {
			t.Fatal(err)
		}
		want := 1 // d8
		if without {
			want = 0
		}
		if queries, documents := c.Missing(); queries != 1 || documents != want {
			t.Errorf("without the corpus %t: %d queries and %d documents, want 1 and %d", without, queries, documents, want)
		}
	}
}

func TestAPassageIsTitleAndText(t *testing.T) {
	for _, tc := range []struct{ title, text, want string }{
		{"A", "b c", "A b c"}, {"", "b", "b"}, {"A", "", "A"}, {"", "", ""},
	} {
		if got := (collection.Document{Title: tc.title, Text: tc.text}).Passage(); got != tc.want {
			t.Errorf("%q and %q: %q, want %q", tc.title, tc.text, got, tc.want)
		}
	}
}

func TestWhatIsWrongInAFolderIsNamedByFileAndLine(t *testing.T) {
	for _, tc := range []struct {
		name, file, text string
		want             string
	}{
		{"no JSON", "corpus.jsonl", `{"_id": "a", "text": "t"}` + "\n{", "corpus.jsonl:2: "},
		{"an id of another kind", "corpus.jsonl", `{"_id": ["a"]}`, "corpus.jsonl:1: _id must be a string or a number"},
		{"no id", "corpus.jsonl", `{"text": "t"}`, "corpus.jsonl:1: the _id is empty"},
		{"a long id", "corpus.jsonl", `{"_id": "` + strings.Repeat("a", collection.MaxID+1) + `"}`, "corpus.jsonl:1: the _id is longer"},
		{"a document twice", "corpus.jsonl", `{"_id": "1"}` + "\n\n" + `{"_id": 1}`, `corpus.jsonl:3: the _id "1" stands in the file before`},
		{"a long line", "corpus.jsonl", `{"_id": "a"}` + "\n" + strings.Repeat(" ", collection.MaxLine+1), "corpus.jsonl:2: the line is longer"},
		{"a query without text", "queries.jsonl", `{"_id": "q", "text": " "}`, "queries.jsonl:1: the query has no text"},
		{"broken gzip", "queries.jsonl.gz", "this is not gzipped", "queries.jsonl.gz: gzip: invalid header"},
		{"gzip cut short", "queries.jsonl.gz", gzipped(t, `{"_id": "q", "text": "`+strings.Repeat(`cut`, 99)+`"}`)[:40], "queries.jsonl.gz:1: unexpected EOF"},
		{"a column too few", "qrels.tsv", "q\td\t1\nq\td\n", "qrels.tsv:2: want 3 fields with tabs between"},
		{"a grade in words", "qrels.tsv", "q\td\t1\nq\te\tgood\n", `qrels.tsv:2: want a grade from -50 to 50, got "good"`},
		{"a grade without bounds", "qrels.tsv", "q\td\t1000\n", "qrels.tsv:1: want a grade"},
		{"an empty id", "qrels.tsv", "q\t\t1\n", "qrels.tsv:1: the document id is empty"},
		{"a contradiction", "qrels.tsv", "q\td\t1\nq\td\t2\n", `qrels.tsv:2: document "d" of query "q" was judged 1 before and 2 here`},
		{"a column too few in TREC's form", "qrels.tsv", "q d 1", "qrels.tsv:1: want 4 fields"},
		{"a broken list of zeros", "qrels-zero.tsv", "q", "qrels-zero.tsv:1: want 4 fields"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := valid()
			delete(files, strings.TrimSuffix(tc.file, ".gz"))
			files[tc.file] = tc.text
			_, err := collection.Open(folder(files), collection.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("err = %v, want %q in it", err, tc.want)
			}
		})
	}
	for _, name := range []string{"corpus.jsonl", "queries.jsonl", "qrels.tsv"} {
		files := valid()
		delete(files, name)
		if _, err := collection.Open(folder(files), collection.Options{}); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: err = %v", name, err)
		}
	}
}
