package chunking_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rerankd/rerankd/chunking"
)

// Whatever the text and the settings: passages lie in the text, between its
// characters and in its order, hold every word of it, and are not longer than
// asked for.
func FuzzSplit(f *testing.F) {
	for _, text := range []string{"", " ", "A first. A second one! \n\n# And\na third", "今日は。ภาษาไทย 한국.어", "a.(((( b"} {
		for strategy := range 5 {
			f.Add(text, uint8(strategy), uint8(3), uint8(1), `a\Q`)
			f.Add(text, uint8(strategy), uint8(3), uint8(1), `\s+`)
		}
	}
	f.Fuzz(func(t *testing.T, text string, strategy, size, overlap uint8, expression string) {
		text = strings.ToValidUTF8(text, "?") // as texts out of JSON are
		settings := fuzzed(strategy, size, overlap, expression)
		list, err := settings.Split(text)
		if _, ok := errors.AsType[*chunking.ReadsError](err); ok {
			return
		}
		if err != nil || len(list) == 0 {
			t.Fatalf("%d passages, %v", len(list), err)
		}
		covered, start := 0, 0
		for i, r := range list {
			if r.Start < start || r.End < r.Start || r.End > len(text) || r.Start == r.End && text != "" {
				t.Fatalf("passage %d is %v in a text of %d bytes, after one that begins at %d", i, r, len(text), start)
			}
			if !utf8.ValidString(r.Of(text)) {
				t.Fatalf("passage %d cuts a character: %q of %q", i, r.Of(text), text)
			}
			if r.Start > covered && chunking.CountWords(text[covered:r.Start]) > 0 {
				t.Fatalf("words between passages: %q", text[covered:r.Start])
			}
			if words, most := chunking.CountWords(r.Of(text)), mostWords(settings); words > most {
				t.Fatalf("passage %d has %d words, more than %d: %q", i, words, most, r.Of(text))
			}
			start, covered = r.Start, max(covered, r.End)
		}
		if settings.Strategy != chunking.Word && covered != len(text) {
			t.Fatalf("%q is left over", text[covered:])
		}
		if chunking.CountWords(text[covered:]) > 0 {
			t.Fatalf("words after the last passage: %q", text[covered:])
		}
	})
}

// mostWords is how many words a passage can have. A separator in the middle of
// words leaves parts of words at both ends, which aren't counted as words.
func mostWords(s chunking.Settings) int {
	switch s.Strategy {
	case chunking.None:
		return math.MaxInt
	case chunking.Recursive:
		return s.MaxChunkSize + 2
	default:
		return s.MaxChunkSize
	}
}

func fuzzed(strategy, size, overlap uint8, expression string) chunking.Settings {
	words := max(int(size), 2)
	switch strategy % 5 {
	case 0:
		return chunking.Settings{Strategy: chunking.None}
	case 1:
		return chunking.Settings{Strategy: chunking.Word, MaxChunkSize: words, Overlap: int(overlap) % (words/2 + 1)}
	case 2:
		return chunking.Settings{Strategy: chunking.Sentence, MaxChunkSize: words, Overlap: int(overlap) % 2}
	}
	settings := `{"strategy":"recursive","max_chunk_size":10,"separator_group":"markdown"}`
	if quoted, err := json.Marshal(expression); err == nil && strategy%5 == 4 {
		settings = `{"strategy":"recursive","max_chunk_size":10,"separators":[` + string(quoted) + `]}`
	}
	s, err := chunking.Parse([]byte(settings), chunking.DefaultWords)
	if err != nil {
		return chunking.Settings{Strategy: chunking.None}
	}
	return s
}

// FuzzParse holds the parser to its three kinds of answers.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"strategy":"recursive","max_chunk_size":10,"separators":["a|b"]}`))
	f.Add([]byte(`{"max_chunk_size":null}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, settings []byte) {
		s, err := chunking.Parse(settings, chunking.DefaultWords)
		var invalid *chunking.InvalidError
		var argument chunking.ArgumentError
		switch {
		case errors.As(err, &invalid), errors.As(err, &argument):
		case err != nil:
			t.Fatalf("%q: an error of another kind: %v", settings, err)
		case s.Strategy != chunking.None && s.MaxChunkSize < 10:
			t.Fatalf("%q: %+v", settings, s)
		}
	})
}
