package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// maxFileBytes bounds tokenizer.json. The largest vocabularies in use (about
// 256,000 pieces) take some 35 MiB.
const maxFileBytes = 64 << 20

// maxPlausibleTokens separates a real limit from the huge number that stands
// for "none" in many tokenizer_config.json files.
const maxPlausibleTokens = 1 << 20

// spec is what this package itself needs to know of a tokenizer.
type spec struct {
	template  template
	special   map[uint32]string // id → literal text of every special token, the unknown token left out
	unknown   *uint32           // id of the unknown token, where the model has one
	padID     uint32
	maxTokens int // 0: not stated
}

type addedToken struct {
	ID      uint32 `json:"id"`
	Content string `json:"content"`
	Special bool   `json:"special"`
}

// tokenizerFile mirrors the parts of tokenizer.json that are read here.
type tokenizerFile struct {
	Truncation *struct {
		MaxLength int `json:"max_length"`
	} `json:"truncation"`
	Padding *struct {
		PadID uint32 `json:"pad_id"`
	} `json:"padding"`
	AddedTokens   []addedToken    `json:"added_tokens"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Model         struct {
		UnknownToken *string         `json:"unk_token"`
		UnknownID    *uint32         `json:"unk_id"`
		Vocabulary   json.RawMessage `json:"vocab"`
	} `json:"model"`
}

// configFile mirrors the parts of tokenizer_config.json that are read here.
type configFile struct {
	ModelMaxLength float64         `json:"model_max_length"`
	PadToken       json.RawMessage `json:"pad_token"`
}

// parse reads the files and returns, beside the spec, a tokenizer.json in
// which truncation and padding are null. They can't be switched off by call.
func parse(f Files) (spec, []byte, error) {
	if len(f.Tokenizer) > maxFileBytes {
		return spec{}, nil, fmt.Errorf("tokenizer.json has %d bytes, more than the limit of %d", len(f.Tokenizer), maxFileBytes)
	}
	var tf tokenizerFile
	if err := json.Unmarshal(f.Tokenizer, &tf); err != nil {
		return spec{}, nil, fmt.Errorf("decode tokenizer.json: %w", err)
	}
	var cf configFile
	if f.Config != nil {
		if err := json.Unmarshal(f.Config, &cf); err != nil {
			return spec{}, nil, fmt.Errorf("decode tokenizer_config.json: %w", err)
		}
	}
	t, err := parseTemplate(tf.PostProcessor)
	if err != nil {
		return spec{}, nil, fmt.Errorf("read post_processor of tokenizer.json: %w", err)
	}
	s := spec{template: t, unknown: tf.unknown(), maxTokens: maxTokens(tf, cf)}
	if s.padID, err = tf.padID(cf); err != nil {
		return spec{}, nil, err
	}
	s.special = tf.special(t, s.unknown)
	stripped, err := strip(f.Tokenizer)
	return s, stripped, err
}

// special collects the ids that must never come out of a text: the tokens that
// the file calls special and those that frame a pair. The unknown token is not
// among them, for it is the right answer to characters outside the vocabulary.
func (f *tokenizerFile) special(t template, unknown *uint32) map[uint32]string {
	special := make(map[uint32]string)
	for _, p := range t {
		for _, id := range p.ids {
			special[id] = ""
		}
	}
	for _, a := range f.AddedTokens {
		if _, framing := special[a.ID]; a.Special || framing {
			special[a.ID] = a.Content
		}
	}
	if unknown != nil {
		delete(special, *unknown)
	}
	return special
}

func (f *tokenizerFile) unknown() *uint32 {
	if f.Model.UnknownID != nil {
		return f.Model.UnknownID
	}
	if f.Model.UnknownToken == nil {
		return nil
	}
	if id, ok := f.id(*f.Model.UnknownToken); ok {
		return &id
	}
	return nil
}

// padID prefers the file's own padding, then the token that the configuration
// names. A model that names none masks its padding, whatever its id.
func (f *tokenizerFile) padID(c configFile) (uint32, error) {
	if f.Padding != nil {
		return f.Padding.PadID, nil
	}
	token, err := tokenText(c.PadToken)
	if err != nil {
		return 0, fmt.Errorf("read pad_token of tokenizer_config.json: %w", err)
	}
	if token == "" {
		return 0, nil
	}
	id, ok := f.id(token)
	if !ok {
		return 0, fmt.Errorf("pad_token %q of tokenizer_config.json is not in tokenizer.json", token)
	}
	return id, nil
}

// id finds a token among the added tokens or in the vocabulary.
func (f *tokenizerFile) id(token string) (uint32, bool) {
	for _, a := range f.AddedTokens {
		if a.Content == token {
			return a.ID, true
		}
	}
	var vocabulary map[string]uint32
	if err := json.Unmarshal(f.Model.Vocabulary, &vocabulary); err != nil {
		return 0, false // a list of scored pieces: those models give the id itself
	}
	id, ok := vocabulary[token]
	return id, ok
}

// tokenText reads a token given as a string or as an object with its content.
func tokenText(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	var object struct {
		Content string `json:"content"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return "", err
	}
	return object.Content, nil
}

func maxTokens(f tokenizerFile, c configFile) int {
	if c.ModelMaxLength >= 1 && c.ModelMaxLength <= maxPlausibleTokens {
		return int(c.ModelMaxLength)
	}
	if f.Truncation != nil && f.Truncation.MaxLength > 0 && f.Truncation.MaxLength <= maxPlausibleTokens {
		return f.Truncation.MaxLength
	}
	return 0
}

// strip sets truncation and padding to null and leaves every other value as it is.
func strip(tokenizerJSON []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(tokenizerJSON, &fields); err != nil {
		return nil, fmt.Errorf("decode tokenizer.json: %w", err)
	}
	if fields["model"] == nil {
		return nil, errors.New("tokenizer.json has no model")
	}
	fields["truncation"] = json.RawMessage("null")
	fields["padding"] = json.RawMessage("null")
	return json.Marshal(fields)
}
