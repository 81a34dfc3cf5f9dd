package onnx

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rerankd/rerankd/scorer/tokenizer"
)

const (
	// defaultMaxTokens serves models whose files do not say how much they can read.
	defaultMaxTokens = 512

	// mostTokens bounds a pair whatever its model says: attention costs memory
	// by the square of it.
	mostTokens = 8192

	// fewestTextTokens is the least room for text beside the special tokens
	// that a limit must leave.
	fewestTextTokens = 8
)

// maxTokens decides how long a pair may be. The caller's wish wins as long as
// the model has that many positions; otherwise the manifest, the tokenizer's
// files and the positions are asked in this order.
func maxTokens(wish int, f Files, t *tokenizer.Tokenizer) (int, error) {
	positions, err := positions(f.Config)
	if err != nil {
		return 0, err
	}
	limit := mostTokens
	if positions > 0 {
		limit = min(limit, positions)
	}
	n := wish
	if n == 0 {
		n = min(limit, firstPositive(f.Manifest.MaxTokens, t.MaxTokens(), positions, defaultMaxTokens))
	}
	if least := t.SpecialTokens() + fewestTextTokens; n < least || n > limit {
		return 0, fmt.Errorf("max tokens is %d, want %d to %d for this model", n, least, limit)
	}
	return n, nil
}

func firstPositive(values ...int) int {
	for _, v := range values {
		if v > 0 {
			return v
		}
	}
	return 0
}

// positions reads from config.json how many tokens the model can tell apart by
// position, or 0 when it does not say.
func positions(config []byte) (int, error) {
	if config == nil {
		return 0, nil
	}
	var c struct {
		ModelType  string `json:"model_type"`
		Positions  int    `json:"max_position_embeddings"`
		PadTokenID int    `json:"pad_token_id"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return 0, fmt.Errorf("decode config.json: %w", err)
	}
	// RoBERTa and its descendants count positions from the padding id's successor on.
	if strings.Contains(c.ModelType, "roberta") || c.ModelType == "camembert" || c.ModelType == "mpnet" {
		return max(0, c.Positions-c.PadTokenID-1), nil
	}
	return max(0, c.Positions), nil
}
