package retriever_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rerankd/rerankd/chunking"
	"github.com/rerankd/rerankd/retriever"
)

// chunked is a body with a chunk_rescorer.
func chunked(value string) string { return reranker(matchAll, `, "chunk_rescorer": `+value) }

func TestAChunkRescorerIsReadWithItsDefaults(t *testing.T) {
	sentences := chunking.Settings{Strategy: chunking.Sentence, MaxChunkSize: 300}
	for value, want := range map[string]retriever.Chunks{
		`{}`:                                {Size: 1, Settings: sentences},
		`{"size": 3}`:                       {Size: 3, Settings: sentences},
		`{"size": "3", "foo": {"size": 4}}`: {Size: 3, Settings: sentences},
		`{"chunking_settings": null}`:       {Size: 1, Settings: sentences},
		`{"chunking_settings": {}}`:         {Size: 1, Settings: sentences},
		`{"chunking_settings": {"max_chunk_size": 20}, "size": 2}`: {Size: 2, Settings: chunking.Settings{Strategy: chunking.Sentence, MaxChunkSize: 20}},
		`{"chunking_settings": {"strategy": "word", "max_chunk_size": 100, "overlap": 50}}`: {
			Size: 1, Settings: chunking.Settings{Strategy: chunking.Word, MaxChunkSize: 100, Overlap: 50},
		},
	} {
		s, err := parse(t, chunked(value), "")
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if diff := cmp.Diff(&want, s.Chunks, cmpopts.IgnoreUnexported(chunking.Settings{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", value, diff)
		}
	}
	if s, err := parse(t, reranker(matchAll, ""), ""); err != nil || s.Chunks != nil {
		t.Errorf("without a chunk_rescorer: %+v, %v", s.Chunks, err)
	}
}

func TestAWrongChunkRescorerIsReportedAsDeepAsInElasticsearch(t *testing.T) {
	const outer = " [text_similarity_reranker] failed to parse field [chunk_rescorer]"
	for _, tc := range []struct {
		name, value string
		chain       []string // type and reason of each cause, the outermost first
	}{
		{"a string", `"x"`, []string{"x_content_parse_exception: [1:160] [text_similarity_reranker] chunk_rescorer doesn't support values of type: VALUE_STRING"}},
		{"null", `null`, []string{"x_content_parse_exception: [1:160] [text_similarity_reranker] chunk_rescorer doesn't support values of type: VALUE_NULL"}},
		{"a size that is no number", `{"size": []}`, []string{
			"x_content_parse_exception: [1:169]" + outer,
			"x_content_parse_exception: [1:169] [chunk_rescorer] size doesn't support values of type: START_ARRAY",
		}},
		{"settings that are no object", `{"chunking_settings": "word"}`, []string{
			"x_content_parse_exception: [1:182]" + outer,
			"x_content_parse_exception: [1:182] [chunk_rescorer] chunking_settings doesn't support values of type: VALUE_STRING",
		}},
		{"settings alone, found wrong at the end", `{"chunking_settings": {"strategy": "sentence", "max_chunk_size": 5} }`, []string{
			"x_content_parse_exception: [1:228]" + outer,
			"x_content_parse_exception: Failed to build [chunk_rescorer] after last required field arrived",
			"validation_exception: Validation Failed: 1: [chunking_settings] Invalid value [5.0]. [max_chunk_size] must be a greater than or equal to [20.0];",
		}},
		{"settings after the size", `{"size": 1, "chunking_settings": {"strategy": "x"} }`, []string{
			"x_content_parse_exception: [1:209]" + outer,
			"x_content_parse_exception: [1:209] [chunk_rescorer] failed to parse field [chunking_settings]",
			"x_content_parse_exception: Failed to build [chunk_rescorer] after last required field arrived",
			"illegal_argument_exception: Invalid chunkingStrategy x",
		}},
		{"settings before the size", `{"chunking_settings": {"overlap": 1}, "size": 1}`, []string{
			"x_content_parse_exception: [1:206]" + outer,
			"x_content_parse_exception: [1:206] [chunk_rescorer] failed to parse field [size]",
			"x_content_parse_exception: Failed to build [chunk_rescorer] after last required field arrived",
			"illegal_argument_exception: Can't generate Chunker without ChunkingStrategy provided",
		}},
		{"a size of nothing", `{"size": 0}`, []string{"illegal_argument_exception: size must be greater than 0, was: 0"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parse(t, chunked(tc.value), "")
			bad, ok := errors.AsType[*retriever.RequestError](err)
			if !ok || bad.Status != 400 {
				t.Fatalf("got %v, want a 400", err)
			}
			var chain []string
			for c := bad.Cause; c != nil; c = c.CausedBy {
				chain = append(chain, c.Type+": "+c.Reason)
			}
			if diff := cmp.Diff(tc.chain, chain); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.value, diff)
			}
		})
	}
}

// What is wrong with the page is told before a size of nothing is, and that of a
// reranker in a tree as well.
func TestASizeOfNothingIsToldLast(t *testing.T) {
	_, err := parse(t, strings.Replace(reranker(matchAll, `, "rank_window_size": 5, "chunk_rescorer": {"size": 0}`), `{"retriever"`, `{"size": 10, "retriever"`, 1), "")
	if err == nil || !strings.Contains(err.Error(), "[size: 10]") {
		t.Errorf("got %v, want the fault of the page", err)
	}
	_, err = parse(t, `{"retriever": {"rrf": {"retrievers": [`+inside(matchAll, `, "chunk_rescorer": {"size": -1}`)+`]}}}`, "")
	if err == nil || !strings.Contains(err.Error(), "size must be greater than 0, was: -1") {
		t.Errorf("got %v, want the fault of the size", err)
	}
}
