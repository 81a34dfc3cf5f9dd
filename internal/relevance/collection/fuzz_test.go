package collection_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/internal/relevance/collection"
)

// What is read as a run can be written, and what was written is read as the same
// order.
func FuzzReadRun(f *testing.F) {
	f.Add("1 Q0 a 1 1.5 mine\n1 Q0 b 2 1.5 mine\n")
	f.Add("\xef\xbb\xbf1 Q0 \xff 1 -1e308 t\r\n\n2\tx\tb\t-\t3.4e38\tt")
	f.Fuzz(func(t *testing.T, text string) {
		run, tag, err := collection.ReadRun(strings.NewReader(text), "run")
		if err != nil || len(run) == 0 {
			return
		}
		var out strings.Builder
		if err := collection.WriteRun(&out, run, tag); err != nil {
			t.Fatal(err)
		}
		again, _, err := collection.ReadRun(strings.NewReader(out.String()), "again")
		if err != nil {
			t.Fatal(err)
		}
		for query, ranking := range run {
			if diff := cmp.Diff(ranking.IDs(), again[query].IDs()); diff != "" {
				t.Errorf("query %q: %s", query, diff)
			}
		}
	})
}

// Judgements that are read have ids and grades within the limits.
func FuzzReadQrels(f *testing.F) {
	f.Add("query-id\tcorpus-id\tscore\nq\td\t1\n")
	f.Add("q 0 d 1\nq 0 e -1\n")
	f.Fuzz(func(t *testing.T, text string) {
		qrels, err := collection.ReadQrels(strings.NewReader(text), "qrels")
		if err != nil {
			return
		}
		for query, grades := range qrels {
			for document, grade := range grades {
				if query == "" || document == "" || len(query) > collection.MaxID || len(document) > collection.MaxID || grade < -50 || grade > 50 {
					t.Errorf("judgement %q %q %d", query, document, grade)
				}
			}
		}
	})
}

// A folder that is read has every document and query once, under an id.
func FuzzOpen(f *testing.F) {
	f.Add(valid()["corpus.jsonl"], valid()["queries.jsonl"])
	f.Add(`{"_id": 1e9, "title": null, "text": "\ud800"}`, `{"_id": "q", "text": "\u0000"}`)
	f.Fuzz(func(t *testing.T, corpus, queries string) {
		c, err := collection.Open(folder(map[string]string{"corpus.jsonl": corpus, "queries.jsonl": queries, "qrels.tsv": ""}), collection.Options{})
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, d := range c.Documents {
			if d.ID == "" || seen[d.ID] {
				t.Errorf("document id %q", d.ID)
			}
			seen[d.ID] = true
		}
		clear(seen)
		for _, q := range c.Queries {
			if q.ID == "" || q.Text == "" || seen[q.ID] {
				t.Errorf("query %+v", q)
			}
			seen[q.ID] = true
		}
	})
}
