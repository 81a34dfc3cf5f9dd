package tokenizer

import (
	"encoding/json"
)

// wordpiece encodes ASCII words as the library's WordPiece model does after its
// BertNormalizer and BertPreTokenizer, without leaving Go: ten times as fast for
// ordinary text. Words with other characters are left to the library, so that no
// table of Unicode is needed, and so is every tokenizer that is put together in
// another way. TestTheFastPathEqualsTheLibrary holds the two against each other.
type wordpiece struct {
	first, inner map[string]uint32 // pieces that begin a word and that continue one, without the prefix
	longest      int               // bytes of the longest piece
	unknown      uint32
	most         int // characters of a word beyond which it is unknown
	lower        bool
}

// wordpieceFile mirrors what decides whether and how text can be encoded here.
type wordpieceFile struct {
	Normalizer struct {
		Type      string `json:"type"`
		CleanText bool   `json:"clean_text"`
		Lowercase bool   `json:"lowercase"`
	} `json:"normalizer"`
	PreTokenizer struct {
		Type string `json:"type"`
	} `json:"pre_tokenizer"`
	AddedTokens []struct {
		Special bool `json:"special"`
	} `json:"added_tokens"`
	Model struct {
		Type     string            `json:"type"`
		Unknown  string            `json:"unk_token"`
		Prefix   string            `json:"continuing_subword_prefix"`
		MaxChars int               `json:"max_input_chars_per_word"`
		Vocab    map[string]uint32 `json:"vocab"`
	} `json:"model"`
}

// newWordpiece returns nil for a tokenizer.json that is anything else than what
// this code knows in every detail.
func newWordpiece(tokenizerJSON []byte) *wordpiece {
	var f wordpieceFile
	if json.Unmarshal(tokenizerJSON, &f) != nil { // another kind of vocabulary
		return nil
	}
	unknown, ok := f.Model.Vocab[f.Model.Unknown]
	if !ok || f.Model.Type != "WordPiece" || f.Model.Prefix != "##" || f.Model.MaxChars < 1 ||
		f.Normalizer.Type != "BertNormalizer" || !f.Normalizer.CleanText || f.PreTokenizer.Type != "BertPreTokenizer" {
		return nil
	}
	for _, t := range f.AddedTokens {
		if !t.Special { // is found in text before anything else
			return nil
		}
	}
	w := &wordpiece{
		first: make(map[string]uint32, len(f.Model.Vocab)), inner: make(map[string]uint32, len(f.Model.Vocab)),
		unknown: unknown, most: f.Model.MaxChars, lower: f.Normalizer.Lowercase,
	}
	for piece, id := range f.Model.Vocab {
		w.first[piece] = id // "##s" can begin a word, too: nothing forbids it, but that "#" stands alone
		w.longest = max(w.longest, len(piece))
		if len(piece) > 2 && piece[:2] == "##" {
			w.inner[piece[2:]] = id
		}
	}
	return w
}

// encode returns the ids of text. What is not ASCII goes to rest, in runs of whole
// words with the blanks between them.
func (w *wordpiece) encode(text string, rest func(string) ([]uint32, error)) ([]uint32, error) {
	ids := make([]uint32, 0, len(text)/4+1)
	var buffer [128]byte
	word := buffer[:0]
	for at := 0; at < len(text); {
		end, ascii := wordAt(text, at)
		if ascii {
			ids, word = w.word(ids, word, text[at:end])
			at = end
			continue
		}
		begin := at
		for at = end; at < len(text); at = end { // and the words like it that follow
			blank := text[at] <= ' ' && isBlank(text[at])
			if end, ascii = at+1, false; !blank {
				end, ascii = wordAt(text, at)
			}
			if ascii {
				break
			}
		}
		more, err := rest(text[begin:at])
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	return ids, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// wordAt returns where the word at a position ends and whether all of it is ASCII.
// A blank is an ASCII word of its own.
func wordAt(text string, at int) (end int, ascii bool) {
	if isBlank(text[at]) {
		return at + 1, true
	}
	ascii = true
	for end = at; end < len(text) && !isBlank(text[end]); end++ {
		ascii = ascii && text[end] < 0x80
	}
	return end, ascii
}

// word appends the ids of one ASCII word: of what stands between its punctuation
// characters, and of those. Control characters are dropped before. buffer is
// returned to be used again.
func (w *wordpiece) word(ids []uint32, buffer []byte, text string) ([]uint32, []byte) {
	part := buffer[:0]
	for i := range len(text) {
		c := text[i]
		switch {
		case c <= ' ' || c == 0x7f:
		case isPunctuation(c):
			ids = w.pieces(ids, part)
			part = append(part[:0], c)
			ids = w.pieces(ids, part)
			part = part[:0]
		default:
			if w.lower && 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			part = append(part, c)
		}
	}
	return w.pieces(ids, part), part
}

func isPunctuation(c byte) bool {
	return '!' <= c && c <= '/' || ':' <= c && c <= '@' || '[' <= c && c <= '`' || '{' <= c && c <= '~'
}

// pieces appends the longest pieces that make up a part of a word, each as long as
// possible from the left, or one unknown token if there is a place where none fits.
func (w *wordpiece) pieces(ids []uint32, part []byte) []uint32 {
	if len(part) == 0 {
		return ids
	}
	if len(part) > w.most {
		return append(ids, w.unknown)
	}
	before := len(ids)
	vocabulary := w.first
	for len(part) > 0 {
		n := min(len(part), w.longest)
		for ; n > 0; n-- {
			if id, ok := vocabulary[string(part[:n])]; ok {
				ids = append(ids, id)
				break
			}
		}
		if n == 0 {
			return append(ids[:before], w.unknown)
		}
		part, vocabulary = part[n:], w.inner
	}
	return ids
}
