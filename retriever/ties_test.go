package retriever_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

// tiedAnswer is a first stage of five documents with the first-stage scores given.
func tiedAnswer(scores ...string) string {
	hits := make([]string, len(scores))
	for i, score := range scores {
		id := string(rune('a' + i))
		hits[i] = `{"_index":"i","_id":"` + id + `","_score":` + score + `,"fields":{"text":["` + id + `"]}}`
	}
	return `{"took":1,"hits":{"total":{"value":9,"relation":"eq"},"max_score":9,"hits":[` + strings.Join(hits, ",") + `]}}`
}

// ranked is an order in which the texts have the scores given.
func ranked(scores ...float32) []retriever.Ranked {
	list := make([]retriever.Ranked, len(scores))
	for i, score := range scores {
		list[i] = retriever.Ranked{Text: i, Score: score}
	}
	return list
}

func TestOnlyEqualScoresOfThePageWhoseOrderIsOpenAreAskedFor(t *testing.T) {
	for _, tc := range []struct {
		name, child, more, first string
		scores                   []float32
		want                     string // the ids asked for, in quotes
	}{
		{"no equal scores", matchAll, "", tiedAnswer("5", "4", "3"), []float32{3, 2, 1}, ""},
		{"two of three", matchAll, "", tiedAnswer("5", "4", "3"), []float32{3, 1, 1}, `"b","c"`},
		{"equal in the first stage, too", matchAll, "", tiedAnswer("5", "4", "4"), []float32{3, 1, 1}, ""},
		{"not all of them", matchAll, "", tiedAnswer("4", "4", "3"), []float32{1, 1, 1}, `"a","b","c"`},
		{"before the page", matchAll, `, "from": 2`, tiedAnswer("5", "4", "3"), []float32{2, 2, 1}, ""},
		{"behind the page", matchAll, `, "size": 1`, tiedAnswer("5", "4", "3"), []float32{2, 1, 1}, ""},
		{"across the end of the page", matchAll, `, "size": 2`, tiedAnswer("5", "4", "3"), []float32{2, 1, 1}, `"b","c"`},
		{"in a first stage with an order of its own", `{"standard": {"sort": ["n"]}}`, "", tiedAnswer("null", "null"), []float32{1, 1}, `"a","b"`},
		{"a page of nothing", matchAll, `, "size": 0`, tiedAnswer("5", "4"), []float32{1, 1}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := parse(t, strings.TrimSuffix(reranker(tc.child, ""), "}")+tc.more+"}", "preference=p&size_is=not_passed")
			if err != nil {
				t.Fatal(err)
			}
			f, err := s.Read([]byte(tc.first))
			if err != nil {
				t.Fatal(err)
			}
			query, body, open := f.Ties(f.RankedOrder(ranked(tc.scores...)))
			if open != (tc.want != "") || !strings.Contains(string(body), tc.want) {
				t.Fatalf("open %v: %s, want %s", open, body, tc.want)
			}
			if open && (query.Get("preference") != "p" || query.Has("size_is")) {
				t.Errorf("parameters %v", query)
			}
		})
	}
}

func TestEqualScoresAreSettledByShardAndDocument(t *testing.T) {
	s, err := parse(t, reranker(matchAll, ""), "")
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Read([]byte(tiedAnswer("5", "4", "3", "2", "1")))
	if err != nil {
		t.Fatal(err)
	}
	order := f.RankedOrder(ranked(9, 7, 7, 7, 7))
	hit := func(id, shard, doc string) string {
		return `{"_shard":"[i][` + shard + `]","_node":"n","_index":"i","_id":"` + id + `","_score":null,"sort":[` + doc + `]}`
	}
	// d is not told of, since it is gone by now.
	settled, err := f.Settle(order, []byte(`{"hits":{"hits":[`+hit("b", "10", "0")+`,`+hit("c", "2", "9")+`,`+hit("e", "2", "3")+`]}}`))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for part := range strings.SplitSeq(string(f.Answer(settled, 0)), `"_id":"`) {
		ids = append(ids, part[:1])
	}
	if d := cmp.Diff(strings.Fields("a e c b d"), ids[1:]); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`{}`, `{"hits":[]}`, `{"hits":{"hits":[{"_shard":1}]}}`, `{"hits":{"hits":[{"_shard":"x]"}]}}`, `{"hits":{"hits":[{"sort":[]}]}}`, ``} {
		if _, err := f.Settle(order, []byte(bad)); !errors.Is(err, retriever.ErrAnswer) {
			t.Errorf("%s: error %v, want ErrAnswer", bad, err)
		}
	}
}
