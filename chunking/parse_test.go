package chunking_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rerankd/rerankd/chunking"
)

func TestSettingsHaveElasticsearchsDefaults(t *testing.T) {
	for settings, want := range map[string]chunking.Settings{
		`null`:                                   {Strategy: chunking.Sentence, MaxChunkSize: 333},
		`{}`:                                     {Strategy: chunking.Sentence, MaxChunkSize: 333},
		`{"max_chunk_size":50}`:                  {Strategy: chunking.Sentence, MaxChunkSize: 50},
		`{"max_chunk_size":null}`:                {Strategy: chunking.Sentence, MaxChunkSize: 300},
		`{"strategy":"none"}`:                    {Strategy: chunking.None},
		`{"strategy":"none","max_chunk_size":1}`: {Strategy: chunking.None},
		`{"strategy":"sentence","max_chunk_size":20}`:                                 {Strategy: chunking.Sentence, MaxChunkSize: 20, Overlap: 1},
		`{"strategy":"sentence","max_chunk_size":9999,"sentence_overlap":0}`:          {Strategy: chunking.Sentence, MaxChunkSize: 9999},
		`{"strategy":"word","max_chunk_size":100,"overlap":50}`:                       {Strategy: chunking.Word, MaxChunkSize: 100, Overlap: 50},
		`{"strategy":"recursive","max_chunk_size":10}`:                                {Strategy: chunking.Recursive, MaxChunkSize: 10},
		`{"strategy":"recursive","max_chunk_size":10,"separator_group":" MarkDown "}`: {Strategy: chunking.Recursive, MaxChunkSize: 10},
	} {
		got, err := chunking.Parse([]byte(settings), 333)
		if err != nil {
			t.Errorf("%s: %v", settings, err)
		} else if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(want)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", settings, diff)
		}
	}
}

func TestSettingsAreRefusedInElasticsearchsWords(t *testing.T) {
	const group = "[chunking_settings] "
	for _, tc := range []struct{ name, settings, want string }{
		{
			"a sentence size below 20", `{"strategy":"sentence","max_chunk_size":10}`,
			group + "Invalid value [10.0]. [max_chunk_size] must be a greater than or equal to [20.0]",
		},
		{
			"a word size below 10", `{"strategy":"word","max_chunk_size":9,"overlap":1}`,
			group + "Invalid value [9.0]. [max_chunk_size] must be a greater than or equal to [10.0]",
		},
		{
			"a recursive size below 10", `{"strategy":"recursive","max_chunk_size":1}`,
			group + "Invalid value [1.0]. [max_chunk_size] must be a greater than or equal to [10.0]",
		},
		{
			"a size of zero", `{"strategy":"sentence","max_chunk_size":0}`,
			group + "Invalid value [0]. [max_chunk_size] must be a positive integer",
		},
		{"no size", `{"strategy":"word","overlap":1}`, group + "does not contain the required setting [max_chunk_size]"},
		{"no overlap", `{"strategy":"word","max_chunk_size":100}`, group + "does not contain the required setting [overlap]"},
		{
			"an overlap over half", `{"strategy":"word","max_chunk_size":11,"overlap":6}`,
			group + "Invalid value [6.0]. [overlap] must be a less than or equal to [5.0]",
		},
		{
			"a fraction", `{"strategy":"sentence","max_chunk_size":20.0}`,
			"field [max_chunk_size] is not of the expected type. The value [20.0] cannot be converted to a [Integer]",
		},
		{
			"a number in a string", `{"strategy":"sentence","max_chunk_size":"20"}`,
			"field [max_chunk_size] is not of the expected type. The value [20] cannot be converted to a [Integer]",
		},
		{
			"a size beyond an integer", `{"strategy":"sentence","max_chunk_size":3000000000}`,
			"field [max_chunk_size] is not of the expected type. The value [3000000000] cannot be converted to a [Integer]",
		},
		{
			"a setting of another strategy", `{"strategy":"sentence","max_chunk_size":20,"overlap":1}`,
			"Sentence based chunking settings can not have the following settings: [overlap]",
		},
		{
			"two of them", `{"strategy":"word","max_chunk_size":20,"overlap":1,"x":1,"separators":[]}`,
			"Word based chunking settings can not have the following settings: [x, separators]",
		},
		{
			"two sentences of overlap", `{"strategy":"sentence","max_chunk_size":20,"sentence_overlap":2}`,
			"sentence_overlap[2] must be either 0 or 1",
		},
		{
			"separators and a group", `{"strategy":"recursive","max_chunk_size":10,"separators":["a"],"separator_group":"plaintext"}`,
			"Recursive chunking settings can not have both separators and separator_set",
		},
		{
			"no separators", `{"strategy":"recursive","max_chunk_size":10,"separators":[]}`,
			"Recursive chunking settings can not have an empty list of separators",
		},
		{
			"too many separators", `{"strategy":"recursive","max_chunk_size":10,"separators":["a"` + strings.Repeat(`,"a"`, 50) + `]}`,
			"separators list size [51] must not exceed [50]",
		},
		{
			"a separator that is no text", `{"strategy":"recursive","max_chunk_size":10,"separators":["a",1]}`,
			"field [separators] is not of the expected type. The value [1] cannot be converted to a [String]",
		},
		{
			"separators that are no list", `{"strategy":"recursive","max_chunk_size":10,"separators":"a"}`,
			"field [separators] is not of the expected type. The value [a] cannot be converted to a [List]",
		},
		{
			"an unknown group", `{"strategy":"recursive","max_chunk_size":10,"separator_group":"html"}`,
			group + "Invalid value [html] received. [separator_group] must be one of [markdown, plaintext]",
		},
		{
			"an empty group", `{"strategy":"recursive","max_chunk_size":10,"separator_group":""}`,
			group + "Invalid value empty string. [separator_group] must be a non-empty string",
		},
		{
			"a separator that looks around", `{"strategy":"recursive","max_chunk_size":10,"separators":["(?<=a)b"]}`,
			group + "Invalid value [(?<=a)b]. [separators] must be a regular expression of RE2: invalid named capture: `(?<=a)b`",
		},
		{
			"a separator that is open", `{"strategy":"recursive","max_chunk_size":10,"separators":["(a"]}`,
			group + "Invalid value [(a]. [separators] must be a regular expression of RE2: missing closing ): `(a`",
		},
		{
			"a separator as a program", `{"strategy":"recursive","max_chunk_size":10,"separators":["(a{30}b){30}"]}`,
			group + "Invalid value [(a{30}b){30}]. [separators] must be a simpler regular expression",
		},
		{"a size alone", `{"max_chunk_size":19}`, "max_chunk_size[19] must be above 20"},
		{
			"a size alone that is no number", `{"max_chunk_size":"a"}`,
			"field [max_chunk_size] is not of the expected type. The value [a] cannot be converted to a [Integer]",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := chunking.Parse([]byte(tc.settings), chunking.DefaultWords)
			if _, ok := errors.AsType[*chunking.InvalidError](err); !ok {
				t.Fatalf("%s: %v, want an InvalidError", tc.settings, err)
			}
			if want := "Validation Failed: 1: " + tc.want + ";"; err.Error() != want {
				t.Errorf("%s:\n got %s\nwant %s", tc.settings, err, want)
			}
		})
	}
}

func TestAllProblemsOfSettingsAreToldAtOnce(t *testing.T) {
	_, err := chunking.Parse([]byte(`{"strategy":"sentence","max_chunk_size":5,"sentence_overlap":7,"a":1}`), chunking.DefaultWords)
	want := "Validation Failed: 1: Sentence based chunking settings can not have the following settings: [a];" +
		"2: [chunking_settings] Invalid value [5.0]. [max_chunk_size] must be a greater than or equal to [20.0];" +
		"3: sentence_overlap[7] must be either 0 or 1;"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestSettingsWithoutAKnownStrategyAreAnArgumentError(t *testing.T) {
	for settings, want := range map[string]string{
		`{"overlap":1}`: "Can't generate Chunker without ChunkingStrategy provided",
		`{"max_chunk_size":20,"sentence_overlap":1}`: "Can't generate Chunker without ChunkingStrategy provided",
		`{"strategy":"Word"}`:                        "Invalid chunkingStrategy Word",
		`{"strategy":5}`:                             "Invalid chunkingStrategy 5",
		`[]`:                                         "[chunking_settings] is not an object",
		`{"strategy"`:                                "[chunking_settings] is not JSON",
	} {
		_, err := chunking.Parse([]byte(settings), chunking.DefaultWords)
		var argument chunking.ArgumentError
		if !errors.As(err, &argument) || err.Error() != want {
			t.Errorf("%s: got %v, want %s", settings, err, want)
		}
	}
}
