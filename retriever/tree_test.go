package retriever_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

// inside is a reranker as a retriever of a tree.
func inside(child, more string) string {
	return strings.TrimSuffix(strings.TrimPrefix(reranker(child, more), `{"retriever": `), "}")
}

// reasons are the texts of a chain of causes, the outermost first, each with its
// position if it has one beside the text.
func reasons(c *retriever.Cause) (list []string) {
	for ; c != nil; c = c.CausedBy {
		list = append(list, c.Type+": "+unquoted(c.Reason))
	}
	return list
}

func TestFaultsInATreeAreReportedByTheRetrieversAroundThem(t *testing.T) {
	top := func(s string) string { return `{"retriever": ` + s + `}` }
	second := inside(matchAll, "")
	for _, tc := range []struct {
		name, body string
		want       []string
	}{
		{
			"an unknown key of a reranker in an rrf", top(`{"rrf": {"retrievers": [` + inside(matchAll, `, "rank_windw_size": 5`) + `]}}`),
			[]string{
				"x_content_parse_exception: [1:166] [rrf] failed to parse field [retrievers]",
				"x_content_parse_exception: [1:166] [text_similarity_reranker] unknown field [rank_windw_size] did you mean [rank_window_size]?",
			},
		},
		{
			"a missing member of a reranker in a reranker", top(inside(`{"text_similarity_reranker": {"field": "f"}}`, "")),
			[]string{
				"x_content_parse_exception: [1:100] [text_similarity_reranker] failed to parse field [retriever]",
				"x_content_parse_exception: [1:100] [retriever] failed to parse field [text_similarity_reranker]",
				"illegal_argument_exception: Required [retriever, inference_text]",
			},
		},
		{
			"an unknown retriever in a linear", top(`{"linear": {"retrievers": [{"retriever": ` + second + `}, {"retriever": {"standrad": {}}}]}}`),
			[]string{
				"x_content_parse_exception: [1:201] [linear] failed to parse field [retrievers]",
				"x_content_parse_exception: [1:201] [retriever-component] failed to parse field [retriever]",
				"x_content_parse_exception: [1:201] [retriever] failed to parse field [standrad]",
				"named_object_not_found_exception: [1:201] unknown field [standrad]",
			},
		},
		{
			"a negative weight of a linear", top(`{"linear": {"retrievers": [{"retriever": ` + second + `, "weight": -1}]}}`),
			[]string{
				"x_content_parse_exception: [1:197] [linear] failed to parse field [retrievers]",
				"x_content_parse_exception: Failed to build [retriever-component] after last required field arrived",
				"illegal_argument_exception: [weight] must be non-negative",
			},
		},
		{
			"a negative weight of an rrf", top(`{"rrf": {"retrievers": [{"retriever": ` + second + `, "weight": -1}]}}`),
			[]string{
				"x_content_parse_exception: [1:194] [rrf] failed to parse field [retrievers]",
				"illegal_argument_exception: [weight] must be non-negative, found [-1.0]",
			},
		},
		{
			"another key beside a weight", top(`{"rrf": {"retrievers": [{"retriever": ` + second + `, "normalizer": "minmax"}]}}`),
			[]string{
				"x_content_parse_exception: [1:182] [rrf] failed to parse field [retrievers]",
				"parsing_exception: unknown field [normalizer], expected [retriever] or [weight]",
			},
		},
		{
			"a normalizer that there is not", top(`{"linear": {"retrievers": [{"retriever": ` + second + `, "normalizer": "zscore"}]}}`),
			[]string{
				"x_content_parse_exception: [1:199] [linear] failed to parse field [retrievers]",
				"x_content_parse_exception: [1:199] [retriever-component] failed to parse field [normalizer]",
				"illegal_argument_exception: Unknown normalizer [zscore]",
			},
		},
		{
			"pins twice", top(`{"pinned": {"ids": ["a"], "docs": [{"_id": "a"}], "retriever": ` + second + `}}`),
			[]string{
				"parsing_exception: Failed to build [pinned] after last required field arrived",
				"x_content_parse_exception: Failed to build [pinned] after last required field arrived",
				"illegal_argument_exception: Both 'ids' and 'docs' cannot be specified at the same time",
			},
		},
		{
			"no pins", top(`{"pinned": {"ids": [], "retriever": ` + second + `}}`),
			[]string{
				"parsing_exception: Failed to build [pinned] after last required field arrived",
				"x_content_parse_exception: Failed to build [pinned] after last required field arrived",
				"illegal_argument_exception: Either 'ids' or 'docs' must be provided and non-empty for pinned retriever",
			},
		},
		{
			"nothing to rescore with", top(`{"rescorer": {"retriever": ` + second + `, "rescore": []}}`),
			[]string{
				"parsing_exception: Failed to build [rescorer] after last required field arrived",
				"x_content_parse_exception: Failed to build [rescorer] after last required field arrived",
				"illegal_argument_exception: Missing rescore definition",
			},
		},
		{
			"a fault below a rescorer", top(`{"rescorer": {"retriever": ` + inside(matchAll, `, "field": 1`) + `, "rescore": {}}}`),
			[]string{
				"parsing_exception: [1:176] [rescorer] failed to parse field [retriever]",
				"x_content_parse_exception: [1:176] [rescorer] failed to parse field [retriever]",
				"x_content_parse_exception: [1:176] [retriever] failed to parse field [text_similarity_reranker]",
				"x_content_parse_exception: [1:176] Duplicate field 'field'",
				"json_parse_exception: Duplicate field 'field'",
			},
		},
		{
			"an unknown key of a standard retriever", top(`{"rrf": {"retrievers": [` + second + `, {"standard": {"qurey": {}}}]}}`),
			[]string{
				"x_content_parse_exception: [1:182] [rrf] failed to parse field [retrievers]",
				"x_content_parse_exception: [1:182] [standard] unknown field [qurey] did you mean [query]?",
			},
		},
		{
			"a knn retriever without k", top(`{"rrf": {"retrievers": [` + second + `, {"knn": {"field": "v", "num_candidates": 5}}]}}`),
			[]string{
				"x_content_parse_exception: [1:210] [rrf] failed to parse field [retrievers]",
				"illegal_argument_exception: Required [k]",
			},
		},
		{"search_after in a leaf", top(`{"rrf": {"retrievers": [` + second + `, {"standard": {"search_after": [1]}}]}}`), []string{
			"illegal_argument_exception: [search_after] cannot be used in children of compound retrievers",
		}},
		{"weights of an rrf's fields", top(inside(`{"rrf": {"query": "x", "fields": ["a^2"]}}`, "")), []string{
			"illegal_argument_exception: [rrf] does not support per-field weights in [fields]",
		}},
		{"a sort below pins", top(inside(`{"pinned": {"ids": ["a"], "retriever": {"standard": {"sort": ["n"]}}}}`, "")), []string{
			`illegal_argument_exception: [pinned] retriever only supports sorting by score, invalid sort criterion: "n"`,
		}},
		{"two names at the top", `{"retriever": {"rrf": {"retrievers": [` + second + `]}, "knn": {}}}`, []string{
			"parsing_exception: [rrf] malformed retriever, expected [END_OBJECT] but found [FIELD_NAME]",
		}},
		{"two retrievers below one", top(`{"pinned": {"ids": ["a"], "retriever": {"standard": {}, ` + second[1:] + `}}`), []string{
			"parsing_exception: parser for [retriever] did not end on END_OBJECT",
			"illegal_state_exception: parser for [retriever] did not end on END_OBJECT",
		}},
		{"deeper than anyone nests", top(strings.Repeat(`{"pinned": {"ids": ["a"], "retriever": `, 64) + second + strings.Repeat("}}", 64)), []string{
			"illegal_argument_exception: rerankd does not support retrievers nested deeper than 64",
		}},
		{"pins without end", top(`{"pinned": {"ids": [` + strings.Repeat(`"a", "b",`, 5000) + strings.Repeat(`"x",`, 3) + pins(300) + `], "retriever": ` + second + `}}`), []string{
			"illegal_argument_exception: [pinned] Max of 100 ids exceeded: 10303 provided.",
		}},
		{"filters that grow with the leaves", top(`{"rrf": {"filter": {"x": "` + strings.Repeat("x", 1<<20) + `"}, "retrievers": [` + second + strings.Repeat(","+matchAll, 40) + `]}}`), []string{
			"illegal_argument_exception: rerankd does not support a tree whose retrievers have more than [33554432] bytes, each with the filters of all above it",
		}},
		{"more rerankers than are granted", top(`{"rrf": {"retrievers": [` + strings.Repeat(second+",", 16) + second + `]}}`), []string{
			"illegal_argument_exception: rerankd does not support more than 16 [text_similarity_reranker] in one search",
		}},
		{"more leaves than are granted", top(inside(`{"rrf": {"retrievers": [`+strings.Repeat(matchAll+",", 64)+matchAll+`]}}`, "")), []string{
			"illegal_argument_exception: rerankd does not support more than 64 retrievers with a search of their own",
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse(t, tc.body, "")
			var bad *retriever.RequestError
			if !errors.As(err, &bad) {
				t.Fatalf("%s\ngot error %v, want a RequestError", tc.body, err)
			}
			if d := cmp.Diff(tc.want, reasons(bad.Cause)); d != "" {
				t.Errorf("%s\n%s", tc.body, d)
			}
		})
	}
}

// pins is n different ids.
func pins(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strconv.Quote(strconv.Itoa(i))
	}
	return strings.Join(list, ",")
}

func TestEveryRetrieverOfATreeIsValidated(t *testing.T) {
	leaf := func(window string) string { return inside(matchAll, `, "rank_window_size": `+window) }
	rrf := func(more, children string) string { return `{"rrf": {"retrievers": [` + children + `]` + more + `}}` }
	for _, tc := range []struct {
		name, retriever, query string
		want                   string
	}{
		{"a child with a smaller window", inside(leaf("3"), `, "rank_window_size": 5`), "", "[text_similarity_reranker] requires [rank_window_size: 5] to be smaller than or equal to its sub retriever's text_similarity_reranker [rank_window_size: 3]"},
		{
			"a page over every window, the outer first", rrf(`, "rank_window_size": 5`, leaf("6")), "size=7",
			"[rrf] requires [rank_window_size: 5] be greater than or equal to [size: 7];2: [text_similarity_reranker] requires [rank_window_size: 6] be greater than or equal to [size: 7]",
		},
		{
			"each names what can't stand beside it", rrf("", leaf("10")), "scroll=1m&allow_partial_search_results=true",
			"cannot specify [rrf] and [allow_partial_search_results];2: cannot specify [rrf] and [scroll];" +
				"3: cannot specify [text_similarity_reranker] and [allow_partial_search_results];4: cannot specify [text_similarity_reranker] and [scroll]",
		},
		{
			"a rescorer names its window otherwise", `{"rescorer": {"retriever": ` + leaf("5") + `, "rescore": {"window_size": 20}}}`, "size=30",
			"[rescorer] requires [window_size: 20] be greater than or equal to [size: 30];2: [text_similarity_reranker] requires [rank_window_size: 5] be greater than or equal to [size: 30];" +
				"3: [rescorer] requires [window_size: 20] to be smaller than or equal to its sub retriever's text_similarity_reranker [rank_window_size: 5]",
		},
		{"fields without a query", inside(`{"rrf": {"fields": ["a"]}}`, ""), "", "[rrf] [query] must be provided when [fields] is specified"},
		{"an empty query and no normalizer", inside(`{"linear": {"query": "", "fields": []}}`, ""), "", "[linear] [query] cannot be empty;2: [linear] [fields] cannot be empty;3: [linear] [normalizer] must be provided when [query] is specified"},
		{"a query and retrievers", rrf(`, "query": "x"`, leaf("10")), "", "[rrf] cannot combine [retrievers] and [query]"},
		{"neither", inside(`{"linear": {}}`, ""), "", "[linear] must provide [retrievers] or [query]"},
		{"a negative window", inside(rrf(`, "rank_window_size": -1`, matchAll), ""), "", "[rank_window_size] parameter cannot be negative, found [-1];2: [text_similarity_reranker] requires [rank_window_size: 30] to be smaller than or equal to its sub retriever's rrf [rank_window_size: -1]"},
		{"a window over the proxy's limit", rrf(`, "rank_window_size": 20`, leaf("1001")), "", "[rank_window_size: 1001] exceeds the limit of this proxy [limits.window: 1000]"},
		{"a sort beside", rrf("", leaf("10")), "sort=n", "cannot specify [retriever] and [sort]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse(t, `{"retriever": `+tc.retriever+`}`, tc.query)
			var bad *retriever.RequestError
			if !errors.As(err, &bad) {
				t.Fatalf("%s\ngot error %v, want a RequestError", tc.retriever, err)
			}
			if want := "Validation Failed: 1: " + tc.want + ";"; bad.Cause.Reason != want {
				t.Errorf("%s\n got %s\nwant %s", tc.retriever, bad.Cause.Reason, want)
			}
		})
	}
}

func TestWindowsThatAreNotNamedFitTogether(t *testing.T) {
	for _, tc := range []struct {
		name, retriever string
		window, size    int
	}{
		{"the default over a leaf", inside(`{"standard": {"collapse": {"field": "g"}}}`, ""), 30, 10},
		{"what the child delivers", inside(`{"rrf": {"retrievers": [`+matchAll+`]}}`, ""), 10, 10},
		{"what the parent needs", `{"rrf": {"rank_window_size": 50, "retrievers": [` + inside(matchAll, "") + `]}}`, 50, 50},
		{"ten of a fusion", `{"rrf": {"retrievers": [` + inside(matchAll, "") + `]}}`, 10, 10},
		{"the least of a rescorer", `{"rescorer": {"retriever": ` + inside(matchAll, "") + `, "rescore": [{"window_size": 7}, {}]}}`, 7, 7},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := parse(t, `{"retriever": `+tc.retriever+`}`, "")
			if err != nil {
				t.Fatal(err)
			}
			if s.Tree() == nil || s.Window != tc.window || s.Size != tc.size {
				t.Errorf("tree %v, window %d, size %d", s.Tree() != nil, s.Window, s.Size)
			}
		})
	}
}

func TestOnlyWhatMustBeIsExecutedAsATree(t *testing.T) {
	fused := `{"rrf": {"retrievers": [` + matchAll + `]}}`
	alone := `{"retriever": ` + fused + `}`
	for _, tc := range []struct {
		name, body string
		change     func(*retriever.Options)
		tree, ours bool
	}{
		{"a reranker over a query", reranker(matchAll, ""), nil, false, true},
		{"a reranker over a rescorer", reranker(`{"rescorer": {"retriever": `+matchAll+`, "rescore": {}}}`, ""), nil, false, true},
		{"a reranker over a fusion", reranker(fused, ""), nil, true, true},
		{"the same, left to the cluster", reranker(fused, ""), func(o *retriever.Options) { o.PassFusion = true }, false, true},
		{"the same with what takes two phases", strings.TrimSuffix(reranker(fused, ""), "}") + `, "post_filter": {}}`, func(o *retriever.Options) { o.PassFusion = true }, true, true},
		{"a reranker over a rule, which only the cluster knows", reranker(`{"rule": {"retriever": `+fused+`}}`, ""), nil, false, true},
		{"a reranker over a collapsing query", reranker(`{"standard": {"collapse": {"field": "g"}}}`, ""), nil, true, true},
		{"a fusion alone", alone, nil, false, false},
		{"the same, switched on", alone, func(o *retriever.Options) { o.FuseAlone = true }, true, true},
		{"a rule over a fusion alone", `{"retriever": {"rule": {"retriever": ` + fused + `}}}`, func(o *retriever.Options) { o.FuseAlone = true }, false, false},
		{"a query alone", `{"retriever": ` + matchAll + `}`, func(o *retriever.Options) { o.FuseAlone = true }, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := options
			if tc.change != nil {
				tc.change(&o)
			}
			s, err := retriever.Parse(retriever.Request{Body: []byte(tc.body), Indexed: true}, o)
			if errors.Is(err, retriever.ErrNotOurs) == tc.ours || tc.ours && err != nil {
				t.Fatalf("error %v", err)
			}
			if tc.ours && (s.Tree() != nil) != tc.tree {
				t.Errorf("a tree: %v, want %v", s.Tree() != nil, tc.tree)
			}
		})
	}
}

func TestLeavesCarryTheFiltersOfAllAboveThem(t *testing.T) {
	body := `{"retriever": {"linear": {"filter": {"term": {"a": 1}}, "rank_window_size": 20, "retrievers": [
		{"retriever": {"standard": {"query": {"match": {"t": "x"}}, "sort": [{"n": "desc"}], "min_score": 1.5, "filter": [{"term": {"b": 2}}, {"term": {"c": 3}}]}}},
		{"retriever": ` + inside(`{"knn": {"field": "v", "query_vector": [1], "k": 5, "num_candidates": 9}}`, `, "filter": [{"term": {"d": 4}}]`) + `},
		{"retriever": {"rrf": {"query": "words", "fields": ["t", "u"], "rank_window_size": 30}}}]}}, "explain": true, "_source": false}`
	s, err := parse(t, body, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"query":{"bool":{"must":[{"match":{"t":"x"}}],"filter":[{"term":{"a":1}},{"term":{"b":2}},{"term":{"c":3}}]}},"min_score":1.5,"sort":[{"n":"desc"},"_shard_doc"],"track_scores":true,"size":20}`,
		`{"knn":{"field":"v","query_vector":[1],"k":5,"num_candidates":9,"filter":[{"term":{"a":1}},{"term":{"d":4}}]},"sort":["_score","_shard_doc"],"track_scores":true,"size":30}`,
		`{"query":{"bool":{"must":[{"multi_match":{"query":"words","type":"most_fields","fields":["t","u"]}}],"filter":[{"term":{"a":1}}]}},"sort":["_score","_shard_doc"],"track_scores":true,"size":30}`,
	}
	lines := strings.Split(strings.TrimSuffix(string(s.Tree().Leaves("PIT")), "\n"), "\n")
	if len(lines) != 2*len(want) {
		t.Fatalf("%d lines", len(lines))
	}
	for i := range want {
		if lines[2*i] != `{"allow_partial_search_results":false}` {
			t.Errorf("header %s", lines[2*i])
		}
		var got, exp map[string]any
		for into, text := range map[*map[string]any]string{&got: lines[2*i+1], &exp: want[i]} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		exp["pit"] = map[string]any{"id": "PIT", "keep_alive": "1m"}
		exp["_source"], exp["track_total_hits"], exp["explain"], exp["fields"] = false, false, true, []any{"text"}
		if d := cmp.Diff(exp, got); d != "" {
			t.Errorf("leaf %d: %s", i, d)
		}
	}
}

// A fault that the cluster finds in a leaf stands in a line of its own making;
// the caller sees it where it stands in the request.
func TestARefusedLeafIsReportedWhereTheCallerHasIt(t *testing.T) {
	body := "{\"retriever\": {\"rrf\": {\n \"filter\": {\"term\": {\"f\": 1}},\n \"retrievers\": [\n  {\"standard\": {\"query\": {\"match_all\": {}}}},\n  " +
		inside(`{"standard": {"query": {"mtach": {}}}}`, "") + "]}}}"
	s, err := parse(t, body, "")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(s.Tree().Leaves("PIT")), "\n")
	col := 2 + strings.Index(lines[3], `"mtach"`) // within the quotes' object, as Elasticsearch points
	refusal := strings.ReplaceAll(`{"error":{"root_cause":[],"type":"x_content_parse_exception","reason":"[1:COL] [bool] failed to parse field [must]",
		"caused_by":{"type":"parsing_exception","reason":"unknown query [mtach]","line":1,"col":COL,"caused_by":{"type":"named_object_not_found_exception","reason":"[1:COL] unknown field [mtach]"}}},"status":400}`,
		"COL", jsonInt(col))
	var got struct {
		Error struct {
			Reason   string
			CausedBy json.RawMessage `json:"caused_by"`
		}
		Status int
	}
	if err := json.Unmarshal(s.Tree().Refusal([]byte(refusal)), &got); err != nil {
		t.Fatal(err)
	}
	at := strings.Index(strings.Split(body, "\n")[4], `"mtach"`) + 2
	place := "[5:" + jsonInt(at) + "]"
	all := got.Error.Reason + string(got.Error.CausedBy)
	for _, part := range []string{
		place + " [rrf] failed to parse field [retrievers]", place + " [text_similarity_reranker] failed to parse field [retriever]",
		place + " [retriever] failed to parse field [standard]", place + " [standard] failed to parse field [query]",
		`"line":5,"col":` + jsonInt(at), place + " unknown field [mtach]",
	} {
		if !strings.Contains(all, part) {
			t.Errorf("no %s in %s", part, all)
		}
	}
	if strings.Contains(all, "[bool]") {
		t.Errorf("a query of our own is named: %s", all)
	}
	if other := []byte(`{"error":{"type":"x","reason":"y"},"status":400}`); string(s.Tree().Refusal(other)) != string(other) {
		t.Error("another error is changed")
	}
}

func jsonInt(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// Each level of a tree is read anew.
func TestRetrieversWithManyBytesOnManyLevelsAreRefused(t *testing.T) {
	body := `{"standard":{"query":{"match":{"t":"` + strings.Repeat("x", 1<<20) + `"}}}}`
	for range 40 {
		body = `{"rrf":{"retrievers":[` + body + `,{"standard":{}}]}}`
	}
	for name, top := range map[string]string{
		"does not support retrievers of more than [33554432] bytes together": `{"retriever":{"text_similarity_reranker":{"field":"f","inference_text":"q","retriever":` + body + `}}}`,
		"no text_similarity_reranker":                                        `{"retriever":` + body + `}`,
	} {
		_, err := retriever.Parse(retriever.Request{Body: []byte(top), Indexed: true}, retriever.Options{DefaultWindow: 10, MaxWindow: 100})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}
