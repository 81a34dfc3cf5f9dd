package demo

import (
	"encoding/json"
	"fmt"
)

const (
	// window is how many BM25 hits are reranked, and shown how many of them the
	// tables show.
	window = 30
	shown  = 5
)

// questions are asked in this order. Twenty were tried with the built-in model.
// These six stand for all of them: in the first three reranking brings the answer
// to the top, in the fourth it helps a little, in the fifth it does not help, and
// in the last it does harm.
var questions = []string{
	"make a web server finish its open requests before it exits",
	"limit how much of a request body is read",
	"read a file line by line",
	"how can I wait until several goroutines have finished?",
	"how do I stop a program when the user presses ctrl-c?",
	"run a function only once even if many goroutines call it",
}

// plainBody is the search without a reranker. It fetches the whole window, so
// that the rank of every document that can come up is known.
func plainBody(question string) []byte {
	return encode(map[string]any{
		"query":   match(question),
		"size":    window,
		"_source": []string{"name", "text"},
	})
}

// rerankBody is the same search under a reranker.
func rerankBody(question string, size int) []byte {
	return encode(map[string]any{
		"retriever": map[string]any{"text_similarity_reranker": map[string]any{
			"retriever":        map[string]any{"standard": map[string]any{"query": match(question)}},
			"field":            "text",
			"inference_text":   question,
			"rank_window_size": window,
		}},
		"size":    size,
		"_source": []string{"name", "text"},
	})
}

func match(question string) any {
	return map[string]any{"match": map[string]any{"text": question}}
}

// encode renders a body that is made of strings, numbers, lists and maps.
func encode(body any) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("demo: encode a search: %v", err))
	}
	return text
}
