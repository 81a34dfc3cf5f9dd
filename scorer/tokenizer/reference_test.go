package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// families are the tokenizers that testdata/make.py trained.
var families = []string{"wordpiece", "bytebpe", "unigram"}

const vectorTokens = 256 // MAX_TOKENS of testdata/make.py

type textPair struct {
	Query         string `json:"query"`
	Passage       string `json:"passage"`
	QueryRepeat   int    `json:"query_repeat"`
	PassageRepeat int    `json:"passage_repeat"`
}

func (p textPair) texts() (query, passage string) {
	return strings.Repeat(p.Query, p.QueryRepeat), strings.Repeat(p.Passage, p.PassageRepeat)
}

func loadPairs(tb testing.TB) []textPair {
	tb.Helper()
	var pairs []textPair
	readJSON(tb, filepath.Join("testdata", "pairs.json"), &pairs)
	if len(pairs) < 200 {
		tb.Fatalf("testdata/pairs.json holds %d pairs, want at least 200", len(pairs))
	}
	return pairs
}

func readJSON(tb testing.TB, path string, into any) {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		tb.Fatalf("read %s: %v", path, err)
	}
}

func readFile(tb testing.TB, family string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", family, "tokenizer.json"))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func open(tb testing.TB, family string) *Tokenizer {
	tb.Helper()
	var f Files
	for name, into := range map[string]*[]byte{"tokenizer.json": &f.Tokenizer, "tokenizer_config.json": &f.Config} {
		data, err := os.ReadFile(filepath.Join("testdata", family, name))
		if err != nil {
			tb.Fatal(err)
		}
		*into = data
	}
	tok, err := New(f)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = tok.Close() })
	return tok
}

// encodePair is what a caller does: encode both sides, join, lay out.
func encodePair(tb testing.TB, tok *Tokenizer, query, passage string, maxTokens int) (ids, typeIDs []int64) {
	tb.Helper()
	var sides [2][]uint32
	for i, text := range []string{query, passage} {
		side, err := tok.Encode(text, maxTokens)
		if err != nil {
			tb.Fatalf("encode %.60q: %v", text, err)
		}
		sides[i] = side
	}
	p := tok.Pair(sides[0], sides[1], maxTokens)
	ids, typeIDs = make([]int64, p.Len()), make([]int64, p.Len())
	p.Fill(ids, typeIDs)
	return ids, typeIDs
}

// unroll turns [id, times] runs into ids.
func unroll(runs [][2]int64) []int64 {
	var ids []int64
	for _, r := range runs {
		ids = append(ids, slices.Repeat([]int64{r[0]}, int(r[1]))...)
	}
	return ids
}

func countSpecial(tok *Tokenizer, ids []int64) int {
	n := 0
	for _, id := range ids {
		if _, special := tok.spec.special[uint32(id)]; special {
			n++
		}
	}
	return n
}

func TestPairsAreEncodedLikeTheReference(t *testing.T) {
	pairs := loadPairs(t)
	// The pairs in which the reference itself makes a special token of plain
	// text. We don't, so those are checked for that instead.
	forgeries := map[string]int{"unigram": 8}
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			tok := open(t, family)
			var vectors []struct {
				IDs     [][2]int64 `json:"ids"`
				TypeIDs [][2]int64 `json:"type_ids"`
			}
			readJSON(t, filepath.Join("testdata", family, "vectors.json"), &vectors)
			if len(vectors) != len(pairs) {
				t.Fatalf("%d vectors for %d pairs", len(vectors), len(pairs))
			}
			forged := 0
			for i, v := range vectors {
				query, passage := pairs[i].texts()
				ids, typeIDs := encodePair(t, tok, query, passage, vectorTokens)
				if n := countSpecial(tok, ids); n != tok.SpecialTokens() {
					t.Errorf("pair %d (%.60q, %.60q): %d special ids, want the frame's %d", i, query, passage, n, tok.SpecialTokens())
				}
				want := unroll(v.IDs)
				if countSpecial(tok, want) != tok.SpecialTokens() {
					forged++
					continue
				}
				if !slices.Equal(ids, want) {
					t.Errorf("pair %d (%.60q, %.60q): ids\n got %v\nwant %v", i, query, passage, ids, want)
				}
				if wantTypes := unroll(v.TypeIDs); !slices.Equal(typeIDs, wantTypes) {
					t.Errorf("pair %d (%.60q, %.60q): type ids\n got %v\nwant %v", i, query, passage, typeIDs, wantTypes)
				}
			}
			if forged != forgeries[family] {
				t.Errorf("%d pairs were not compared, want %d", forged, forgeries[family])
			}
		})
	}
}
