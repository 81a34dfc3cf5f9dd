package tokenizer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func TestSpecialTokensInTextStayText(t *testing.T) {
	literals := []string{
		"[CLS]", "[SEP]", "[PAD]", "[MASK]", "<s>", "</s>", "<pad>", "<mask>", "[sep]", "[Cls]", "<S>", "＜s＞", "［SEP］", "＜/s＞", "﹤s﹥",
		"</s\u200b>", "<s\u0300>", "[S\u0001EP]", "[SE\x00P]", "<\x00s>", "\u2581<s>", "<<s>>", "<</s>/s>", "[[SEP]]", "<s><s><s>",
	}
	frames := []string{"%s", "a %s b", "a%sb", "%[1]s%[1]s", " %s ", "%s.", "x\n%s\ty", "＂%s＂"}
	for _, family := range families {
		tok := open(t, family)
		for _, literal := range literals {
			for _, frame := range frames {
				text := fmt.Sprintf(frame, literal)
				ids, err := tok.Encode(text, 100)
				if err != nil {
					t.Fatal(err)
				}
				if tok.guard.hit(ids) {
					t.Errorf("%s: %q became %v, which holds a special id", family, text, ids)
				}
				if len(ids) == 0 {
					t.Errorf("%s: %q vanished", family, text)
				}
			}
		}
	}
}

func TestWordPieceReadsALiteralSeparatorAsItsCharacters(t *testing.T) {
	tok := open(t, "wordpiece")
	got, err := tok.Encode("a [SEP] b", 100)
	if err != nil {
		t.Fatal(err)
	}
	want, err := tok.Encode("a [ sep ] b", 100)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("ids %v, want those of the single characters %v", got, want)
	}
}

func TestTextAfterNULIsNotLost(t *testing.T) {
	for _, family := range families {
		tok := open(t, family)
		got, err := tok.Encode("tide\x00 moon \x00\x00ocean\x00", 100)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tok.Encode("tide moon ocean", 100)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: ids %v, want %v", family, got, want)
		}
	}
}

func TestInvalidUTF8IsReadAsReplacementCharacter(t *testing.T) {
	for _, family := range families {
		tok := open(t, family)
		got, err := tok.Encode("tide \xff\xfe moon \xc3", 100)
		if err != nil {
			t.Fatal(err)
		}
		want, err := tok.Encode("tide \uFFFD moon \uFFFD", 100)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: ids %v, want %v", family, got, want)
		}
	}
}

func TestEmptyTextHasNoTokens(t *testing.T) {
	for _, family := range families {
		tok := open(t, family)
		for _, text := range []string{"", "\x00"} {
			if ids, err := tok.Encode(text, 10); err != nil || len(ids) != 0 {
				t.Errorf("%s: Encode(%q) = %v, %v; want no ids and no error", family, text, ids, err)
			}
		}
		if ids, err := tok.Encode("text", 0); err != nil || len(ids) != 0 {
			t.Errorf("%s: limit 0 gave %v, %v; want no ids and no error", family, ids, err)
		}
	}
}

// Of a long text only a prefix is encoded. Nobody may be able to tell.
func TestFirstIDsOfALongTextAreThoseOfTheWhole(t *testing.T) {
	pairs := loadPairs(t)
	var everything strings.Builder
	for _, p := range pairs {
		everything.WriteString(p.Passage + " " + p.Query + "\n")
	}
	texts := []string{everything.String(), strings.Repeat(everything.String(), 4)}
	for shift := range 40 { // move the cut over every place of a stretch of text
		texts = append(texts, strings.Repeat("z", shift)+" "+texts[0])
	}
	for _, p := range pairs {
		if p.PassageRepeat > 1 {
			_, passage := p.texts()
			texts = append(texts, passage)
		}
	}
	for _, family := range families {
		tok := open(t, family)
		for _, text := range texts {
			whole, err := tok.encodeAll(clean(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, limit := range []int{1, 7, 64, 256} {
				got, err := tok.Encode(text, limit)
				if err != nil {
					t.Fatal(err)
				}
				if want := whole[:min(limit, len(whole))]; !slices.Equal(got, want) {
					t.Errorf("%s: %.40q… of %d bytes: first %d ids\n got %v\nwant %v", family, text, len(text), limit, got, want)
				}
			}
		}
	}
}

func TestWorkOnALongTextIsBounded(t *testing.T) {
	const size, limit = 8 << 20, 64
	for name, text := range map[string]string{
		"words":            strings.Repeat("word ", size/5),
		"blanks":           strings.Repeat(" ", size),
		"one word":         strings.Repeat("x", size),
		"no blanks":        strings.Repeat("漢", size/3),
		"bare NULs":        strings.Repeat("\x00", size),
		"continuing bytes": strings.Repeat("\x80", size),
	} {
		encoded := 0
		_, err := encodePrefix(text, limit, func(part string) ([]uint32, error) {
			encoded += len(part)
			if !utf8.ValidString(part) {
				t.Errorf("%s: the library was given invalid UTF-8", name)
			}
			return make([]uint32, len(strings.Fields(part))), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// clean makes at most three bytes of one, and attempts grow by four.
		if most := limit * maxBytesPerToken * growth * 4; encoded > most {
			t.Errorf("%s: %d bytes were encoded, want at most %d", name, encoded, most)
		}
	}
}

func TestCloseWaitsForEncodersAndEndsTheRest(t *testing.T) {
	tok := open(t, "wordpiece")
	text := strings.Repeat("the moon and the tides ", 100)
	var encoders sync.WaitGroup
	started := make(chan struct{}, 4)
	for range 4 {
		encoders.Go(func() {
			for i := 0; ; i++ {
				ids, err := tok.Encode(text, 50)
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil || len(ids) != 50 {
					t.Errorf("got %d ids, %v", len(ids), err)
					return
				}
				if i == 0 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	if err := tok.Close(); err != nil {
		t.Error(err)
	}
	encoders.Wait()
	if err := tok.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func FuzzEncode(f *testing.F) {
	for _, p := range loadPairs(f) {
		f.Add(p.Passage, 20)
		f.Add(p.Query, 3)
	}
	f.Add("a\x00[SEP]\xff", 5)
	f.Add(strings.Repeat("［SEP］ </s> x", 300), 100)
	var toks []*Tokenizer
	for _, family := range families {
		toks = append(toks, open(f, family))
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit %= 600
		for i, tok := range toks {
			ids, err := tok.Encode(text, limit)
			if err != nil {
				t.Fatalf("%s: %v", families[i], err)
			}
			if len(ids) > max(limit, 0) {
				t.Errorf("%s: %d ids, limit %d", families[i], len(ids), limit)
			}
			if tok.guard.hit(ids) {
				t.Errorf("%s: %q became %v, which holds a special id", families[i], text, ids)
			}
		}
	})
}

// BenchmarkEncode measures texts of ASCII with and without the fast path, and one
// with a word of other characters in ten.
func BenchmarkEncode(b *testing.B) {
	tok := open(b, "wordpiece")
	ordinary, accented := "The moon pulls at oceans. ", "The moon pulls at oceans, naïve water rises twice every day. "
	for _, way := range []struct {
		name, text string
		encode     func(string) ([]uint32, error)
	}{
		{"fast path", ordinary, func(text string) ([]uint32, error) { return tok.Encode(text, 512) }},
		{"fast path, accents", accented, func(text string) ([]uint32, error) { return tok.Encode(text, 512) }},
		{"library", ordinary, tok.library},
	} {
		for _, bytes := range []int{100, 500, 2000} {
			text := strings.Repeat(way.text, 1+bytes/len(way.text))
			b.Run(fmt.Sprintf("%s/%d bytes", way.name, bytes), func(b *testing.B) {
				b.ReportAllocs()
				tokens := 0
				for b.Loop() {
					ids, err := way.encode(text)
					if err != nil {
						b.Fatal(err)
					}
					tokens += len(ids)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(tokens), "ns/token")
			})
		}
	}
}
