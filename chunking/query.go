package chunking

import "math"

// The window of Elasticsearch's own reranker, in tokens, and how many words it
// takes a token for.
const (
	rerankerTokens  = 512
	specialTokens   = 3 // between and around the query and the passage
	wordsPerToken   = 0.75
	leastChunkShare = 2 // a passage has at least this part of the window
)

// ForQuery are the settings by which an endpoint with long_document_strategy
// chunk cuts documents: sentences with one sentence of overlap, of as many words
// as the query leaves room for in 512 tokens, and of at least half of that.
func ForQuery(query string) Settings {
	return forQueryWords(CountWords(query))
}

func forQueryWords(words int) Settings {
	query := math.Ceil(float64(words) / wordsPerToken)
	tokens := max(rerankerTokens-specialTokens-query, rerankerTokens/leastChunkShare)
	return Settings{Strategy: Sentence, MaxChunkSize: int(tokens * wordsPerToken), Overlap: 1}
}
