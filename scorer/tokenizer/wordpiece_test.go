package tokenizer

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// byLibrary is what the library alone makes of a text.
func byLibrary(tb testing.TB, tok *Tokenizer, text string) []uint32 {
	tb.Helper()
	ids, err := tok.library(text)
	if err != nil {
		tb.Fatal(err)
	}
	return ids
}

func byFastPath(tb testing.TB, tok *Tokenizer, text string) []uint32 {
	tb.Helper()
	ids, err := tok.fast.encode(text, tok.library)
	if err != nil {
		tb.Fatal(err)
	}
	return ids
}

// texts makes varied texts: of the words and odd characters of the reference
// pairs, of random letters, of random ASCII, and of random characters of all of
// Unicode, in all mixtures.
type texts struct {
	rng   *rand.Rand
	words []string
}

func newTexts(tb testing.TB) *texts {
	tb.Helper()
	x := &texts{rng: rand.New(rand.NewPCG(3, 4))}
	for _, p := range loadPairs(tb) {
		for _, text := range []string{p.Query, p.Passage} {
			x.words = append(x.words, strings.Fields(text)...)
		}
	}
	x.words = append(x.words, "[SEP]", "[CLS]x", "##s", "#", "\x00", "\x0b", "\x7f", "\u0301", "\u00a0", "\ufffd", "\u200d")
	return x
}

func (x *texts) next() string {
	var b strings.Builder
	for range 1 + x.rng.IntN(4) {
		switch x.rng.IntN(8) {
		case 0:
			for range 1 + x.rng.IntN(10) {
				b.WriteByte(byte(1 + x.rng.IntN(0x7f)))
			}
		case 1:
			for range 1 + x.rng.IntN(4) {
				if r := rune(x.rng.IntN(0x3000)); r != 0 && utf8.ValidRune(r) {
					b.WriteRune(r)
				}
			}
		case 2:
			for range 1 + x.rng.IntN(110) {
				b.WriteByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789"[x.rng.IntN(46)])
			}
		default:
			b.WriteString(x.words[x.rng.IntN(len(x.words))])
		}
		if x.rng.IntN(4) > 0 {
			b.WriteByte(" \n\t\r"[x.rng.IntN(4)])
		}
	}
	return clean(b.String())
}

func TestTheFastPathEqualsTheLibrary(t *testing.T) {
	tok := open(t, "wordpiece")
	if tok.fast == nil {
		t.Fatal("there is no fast path for a BERT tokenizer")
	}
	x := newTexts(t)
	const n = 100_000
	for range n {
		text := x.next()
		if got, want := byFastPath(t, tok, text), byLibrary(t, tok, text); !slices.Equal(got, want) {
			t.Fatalf("%q: ids\n got %v\nwant %v", text, got, want)
		}
	}
	for _, p := range loadPairs(t) {
		query, passage := p.texts()
		for _, text := range []string{clean(query), clean(passage)} {
			if got, want := byFastPath(t, tok, text), byLibrary(t, tok, text); !slices.Equal(got, want) {
				t.Errorf("%.80q: the ids differ", text)
			}
		}
	}
}

func TestOnlyWhatIsKnownInEveryDetailTakesTheFastPath(t *testing.T) {
	for _, family := range []string{"bytebpe", "unigram"} {
		if open(t, family).fast != nil {
			t.Errorf("%s takes the fast path", family)
		}
	}
	whole := readFile(t, "wordpiece")
	for _, change := range [][2]string{
		{`"type":"BertNormalizer"`, `"type":"Lowercase"`},
		{`"clean_text":true`, `"clean_text":false`},
		{`"type":"BertPreTokenizer"`, `"type":"Whitespace"`},
		{`"continuing_subword_prefix":"##"`, `"continuing_subword_prefix":"@@"`},
		{`"type":"WordPiece"`, `"type":"WordLevel"`},
		{`"unk_token":"[UNK]"`, `"unk_token":"absent"`},
		{`"special":true`, `"special":false`},
	} {
		if !bytes.Contains(whole, []byte(change[0])) {
			t.Fatalf("the file does not hold %s", change[0])
		}
		if newWordpiece(bytes.ReplaceAll(whole, []byte(change[0]), []byte(change[1]))) != nil {
			t.Errorf("with %s it takes the fast path", change[1])
		}
	}
	if newWordpiece(whole) == nil {
		t.Error("the file itself does not take the fast path")
	}
}

func TestACasedTokenizerTakesTheFastPathToo(t *testing.T) {
	cased := bytes.Replace(readFile(t, "wordpiece"), []byte(`"lowercase":true`), []byte(`"lowercase":false`), 1)
	tok, err := New(Files{Tokenizer: cased})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tok.Close() }()
	x := newTexts(t)
	for range 5000 {
		text := x.next()
		if got, want := byFastPath(t, tok, text), byLibrary(t, tok, text); !slices.Equal(got, want) {
			t.Fatalf("%q: ids\n got %v\nwant %v", text, got, want)
		}
	}
}

func FuzzFastPath(f *testing.F) {
	for _, seed := range []string{"", "The tides, twice.", "naïve café 日本 x", "a\x01b \u0301c", "don't##s [SEP]", strings.Repeat("x", 101)} {
		f.Add(seed)
	}
	tok := open(f, "wordpiece")
	f.Fuzz(func(t *testing.T, text string) {
		text = clean(text)
		if got, want := byFastPath(t, tok, text), byLibrary(t, tok, text); !slices.Equal(got, want) {
			t.Errorf("%q: ids\n got %v\nwant %v", text, got, want)
		}
	})
}
