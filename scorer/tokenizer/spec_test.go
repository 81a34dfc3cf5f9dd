package tokenizer

import (
	"encoding/json"
	"strings"
	"testing"
)

// base is a complete small tokenizer.json; the tests replace one field each.
func base() map[string]any {
	return map[string]any{
		"version": "1.0",
		"added_tokens": []any{
			map[string]any{"id": 1, "content": "[UNK]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
			map[string]any{"id": 3, "content": "[SEP]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},
		},
		"pre_tokenizer":  map[string]any{"type": "WhitespaceSplit"},
		"post_processor": map[string]any{"type": "BertProcessing", "sep": []any{"[SEP]", 3}, "cls": []any{"[CLS]", 2}},
		"model": map[string]any{
			"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
			"vocab": map[string]any{"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "tide": 4, "moon": 5, "[": 6, "##SEP": 7, "##]": 8},
		},
	}
}

func build(t *testing.T, fields map[string]any, config string) (*Tokenizer, error) {
	t.Helper()
	data, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	f := Files{Tokenizer: data}
	if config != "" {
		f.Config = []byte(config)
	}
	tok, err := New(f)
	if err == nil {
		t.Cleanup(func() { _ = tok.Close() })
	}
	return tok, err
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func TestFrameIsReadFromThePostProcessor(t *testing.T) {
	pieces := `{"type":"TemplateProcessing","single":[],"pair":[%],"special_tokens":{
		"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},"two":{"id":"two","ids":[3,3],"tokens":["[SEP]","[SEP]"]}}}`
	const a, b = `{"Sequence":{"id":"A","type_id":0}}`, `{"Sequence":{"id":"B","type_id":1}}`
	const cls, two = `{"SpecialToken":{"id":"[CLS]","type_id":0}}`, `{"SpecialToken":{"id":"two","type_id":1}}`
	for _, tc := range []struct {
		name, processor string
		want            string
	}{
		{"BERT", `{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}`, "2:0 A:0 3:0 B:1 3:1"},
		{"RoBERTa", `{"type":"RobertaProcessing","sep":["</s>",3],"cls":["<s>",2],"trim_offsets":true,"add_prefix_space":false}`, "2:0 A:0 3:0 3:0 B:0 3:0"},
		{"template", strings.Replace(pieces, "%", cls+","+a+","+b+","+two, 1), "2:0 A:0 B:1 3:1 3:1"},
		{"passage first", strings.Replace(pieces, "%", b+","+two+","+a, 1), "B:1 3:1 3:1 A:0"},
		{
			"sequence of processors",
			`{"type":"Sequence","processors":[{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true},{"type":"BertProcessing","sep":["x",3],"cls":["y",2]}]}`,
			"2:0 A:0 3:0 B:1 3:1",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fields := base()
			fields["post_processor"] = raw(tc.processor)
			tok, err := build(t, fields, "")
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.Template(); got != tc.want {
				t.Errorf("frame %q, want %q", got, tc.want)
			}
		})
	}
}

func TestUnusableFilesAreRefused(t *testing.T) {
	set := func(field, value string) func(map[string]any) {
		return func(m map[string]any) { m[field] = raw(value) }
	}
	for _, tc := range []struct {
		name   string
		change func(map[string]any)
		config string
		want   string
	}{
		{"no post-processor", set("post_processor", `null`), "", "frame of a pair is unknown"},
		{"offsets only", set("post_processor", `{"type":"ByteLevel"}`), "", "does not say how to frame a pair"},
		{"unknown kind", set("post_processor", `{"type":"Novel"}`), "", `"Novel" is not known`},
		{"two frames", set("post_processor", `{"type":"Sequence","processors":[{"type":"BertProcessing","sep":["x",3],"cls":["y",2]},{"type":"BertProcessing","sep":["x",3],"cls":["y",2]}]}`), "", "more than one processor"},
		{"empty sequence", set("post_processor", `{"type":"Sequence","processors":[]}`), "", "no processor of the sequence"},
		{"no passage", set("post_processor", `{"type":"TemplateProcessing","pair":[{"Sequence":{"id":"A","type_id":0}}]}`), "", "B 0 times"},
		{"query twice", set("post_processor", `{"type":"TemplateProcessing","pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"A","type_id":0}}]}`), "", "A 2 times"},
		{"unnamed special token", set("post_processor", `{"type":"TemplateProcessing","pair":[{"SpecialToken":{"id":"Q","type_id":0}}]}`), "", `"Q" has no ids`},
		{"odd piece", set("post_processor", `{"type":"TemplateProcessing","pair":[{}]}`), "", "pair[0]"},
		{"negative id", set("post_processor", `{"type":"BertProcessing","sep":["x",-3],"cls":["y",2]}`), "", "read id of sep"},
		{"no model", func(m map[string]any) { delete(m, "model") }, "", "no model"},
		{"broken model", set("model", `{"type":"WordPiece"}`), "", "load tokenizer.json"},
		{"pad token that is none", func(map[string]any) {}, `{"pad_token":"<nope>"}`, `"<nope>"`},
		{"broken configuration", func(map[string]any) {}, `{`, "tokenizer_config.json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fields := base()
			tc.change(fields)
			_, err := build(t, fields, tc.config)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
	for _, data := range [][]byte{nil, []byte("{"), []byte("[]"), make([]byte, maxFileBytes+1)} {
		if _, err := New(Files{Tokenizer: data}); err == nil {
			t.Errorf("New accepted %d bytes of no tokenizer", len(data))
		}
	}
}

func TestLimitAndPaddingComeFromTheFiles(t *testing.T) {
	const truncation = `{"direction":"Right","max_length":128,"strategy":"LongestFirst","stride":0}`
	const padding = `{"strategy":"BatchLongest","direction":"Right","pad_to_multiple_of":null,"pad_id":7,"pad_type_id":0,"pad_token":"x"}`
	for _, tc := range []struct {
		name                        string
		truncation, padding, config string
		maxTokens                   int
		padID                       uint32
	}{
		{"nothing said", "null", "null", "", 0, 0},
		{"configuration", truncation, "null", `{"model_max_length":512,"pad_token":"[UNK]"}`, 512, 1},
		{"no limit in the configuration", truncation, padding, `{"model_max_length":1000000000000000019884624838656}`, 128, 7},
		{"token with properties", "null", "null", `{"pad_token":{"content":"[SEP]","lstrip":false}}`, 0, 3},
		{"token of the vocabulary", "null", "null", `{"pad_token":"[CLS]"}`, 0, 2},
		{"no padding token", "null", "null", `{"pad_token":null}`, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fields := base()
			fields["truncation"], fields["padding"] = raw(tc.truncation), raw(tc.padding)
			tok, err := build(t, fields, tc.config)
			if err != nil {
				t.Fatal(err)
			}
			if got := tok.MaxTokens(); got != tc.maxTokens {
				t.Errorf("MaxTokens %d, want %d", got, tc.maxTokens)
			}
			if got := tok.PadID(); got != tc.padID {
				t.Errorf("PadID %d, want %d", got, tc.padID)
			}
			if ids, err := tok.Encode(strings.Repeat("tide moon ", 100), 1000); err != nil || len(ids) != 200 {
				t.Errorf("%d ids, %v; want 200, neither cut nor padded", len(ids), err)
			}
		})
	}
}

// A vocabulary split at blanks alone holds "[SEP]" as a word.
func TestSpecialTokenOfTheVocabularyIsBrokenUp(t *testing.T) {
	tok, err := build(t, base(), "")
	if err != nil {
		t.Fatal(err)
	}
	ids, err := tok.Encode("tide [SEP] [CLS] moon", 10)
	if err != nil {
		t.Fatal(err)
	}
	if tok.guard.hit(ids) {
		t.Errorf("ids %v hold a special token", ids)
	}
	if ids[0] != 4 || ids[len(ids)-1] != 5 {
		t.Errorf("ids %v, want those of tide (4) and moon (5) at the ends", ids)
	}
}
