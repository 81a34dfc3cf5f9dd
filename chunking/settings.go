package chunking

import "fmt"

// Strategy says where a text is cut.
type Strategy string

// The strategies, by the names that requests use.
const (
	None      Strategy = "none"      // nowhere: the whole text is one passage
	Word      Strategy = "word"      // after so many words
	Sentence  Strategy = "sentence"  // between sentences
	Recursive Strategy = "recursive" // at the first of some separators that makes passages short enough
)

// The least passages, in words. Elasticsearch refuses smaller ones.
const (
	minWords         = 10 // of Word and Recursive
	minSentenceWords = 20
)

// DefaultWords is the size of a passage where nothing else is said: what a
// cross-encoder of 512 tokens reads beside a query.
const DefaultWords = 300

// Settings say how a text is cut into passages. Settings of Parse, BySentence and
// ForQuery are valid; those of Recursive come from Parse alone. They are
// read-only and safe for concurrent use.
type Settings struct {
	Strategy     Strategy
	MaxChunkSize int // the most words of a passage; not used by None
	// Overlap is how many words (Word) or sentences (Sentence: 0 or 1) a passage
	// repeats of the one before it.
	Overlap int

	separators []separator
}

// BySentence are the settings of a chunk_rescorer that names a size alone, or
// nothing: sentences without overlap. Fewer than 20 words are an *InvalidError.
func BySentence(words int) (Settings, error) {
	if words < minSentenceWords {
		return Settings{}, &InvalidError{Problems: []string{fmt.Sprintf("max_chunk_size[%d] must be above %d", words, minSentenceWords)}}
	}
	return Settings{Strategy: Sentence, MaxChunkSize: words}, nil
}
