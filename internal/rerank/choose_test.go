package rerank_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/chunking"
	"github.com/rerankd/rerankd/internal/rerank"
)

// animals has one sentence a passage when it is cut into passages of at most 25 words.
const animals = "Cats like to sleep all day and play with mice and other cats and whatever else they find in here. " +
	"Dogs are loyal companions and great pets for all who like to go out in any weather, however bad it is. " +
	"The weather today is very sunny and warm, and it will stay as it is until the end of the week they say. " +
	"Dogs love to play with toys and go for walks, and a dog that is not let out will bark and bite things. " +
	"This is a great engine for search, with which all that was written down by anyone here can be found again."

func sentences(t *testing.T) chunking.Settings {
	t.Helper()
	s, err := chunking.BySentence(25)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begins lists the first words of the passages.
func begins(text string, list []chunking.Range) []string {
	var out []string
	for _, r := range list {
		out = append(out, strings.Join(strings.Fields(r.Of(text))[:2], " "))
	}
	return out
}

func TestBestPassagesAreThoseThatSpeakOfTheQuery(t *testing.T) {
	for _, tc := range []struct {
		name, query string
		size        int
		want        []string
	}{
		{"best first", "dogs play walks", 3, []string{"Dogs love", "Cats like", "Dogs are"}},
		{"one", "the weather", 1, []string{"The weather"}},
		{"fewer match than are asked for", "engine", 3, []string{"This is"}},
		{"capital letters don't matter", "ENGINE", 1, []string{"This is"}},
		{"a word that is said twice counts twice", "engine engine sunny sunny sunny", 2, []string{"The weather", "This is"}},
		{"the first ones if none matches", "puggles", 2, []string{"Cats like", "Dogs are"}},
		{"the first ones for a query without words", "?!", 2, []string{"Cats like", "Dogs are"}},
		{"none for a blank query", " \t", 2, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list, err := rerank.Best(tc.query, sentences(t), tc.size)(animals)
			if err != nil {
				t.Fatal(err)
			}
			if got := begins(animals, list); !slices.Equal(got, tc.want) {
				t.Errorf("%q: passages %q, want %q", tc.query, got, tc.want)
			}
		})
	}
}

func TestEqualPassagesAreChosenInTheirOrder(t *testing.T) {
	text := strings.Repeat("The same sentence is here again with the word apple in it and with all of its twenty other words, too. ", 4)
	list, err := rerank.Best("apple", sentences(t), 2)(text)
	if err != nil || len(list) != 2 || list[0].Start != 0 || list[1].Start != list[0].End {
		t.Errorf("passages %v, %v, want the first two", list, err)
	}
}

func TestChoosingKeepsDocumentsApart(t *testing.T) {
	texts := []string{"one", animals, "", "four"}
	c, err := rerank.Choose(t.Context(), texts, rerank.Best("dogs", sentences(t), 2))
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{0, 1, 1, 2, 3}; !slices.Equal(c.Of, want) {
		t.Errorf("documents %v, want %v", c.Of, want)
	}
	for i, passage := range c.Passages {
		if got := c.Ranges[i].Of(texts[c.Of[i]]); got != passage {
			t.Errorf("passage %d is %q, but its range is %q", i, passage, got)
		}
	}
	if whole, err := rerank.Choose(t.Context(), texts, nil); err != nil || !slices.Equal(whole.Passages, texts) {
		t.Errorf("without a chooser: %q, %v, want the texts", whole.Passages, err)
	}
}

func TestOfATooLongTextTheBeginningIsChosenFrom(t *testing.T) {
	text := "x" + strings.Repeat("é", chunking.MaxText/2+9)
	c, err := rerank.Choose(t.Context(), []string{text}, whole)
	if err != nil || len(c.Passages) != 1 || len(c.Passages[0]) != chunking.MaxText-1 || !strings.HasPrefix(text, c.Passages[0]) {
		t.Errorf("%d passages, %v, want one of all characters within the limit", len(c.Passages), err)
	}
}

// whole chooses all of a text, and each only a character of it.
func whole(text string) ([]chunking.Range, error) {
	return []chunking.Range{{Start: 0, End: len(text)}}, nil
}

func each(text string) (list []chunking.Range, err error) {
	for i := range len(text) {
		list = append(list, chunking.Range{Start: i, End: i + 1})
	}
	return list, nil
}

func TestTooManyPassagesAreRefused(t *testing.T) {
	half := strings.Repeat("a", rerank.MaxPassages/2)
	if c, err := rerank.Choose(t.Context(), []string{half, half}, each); err != nil || len(c.Passages) != rerank.MaxPassages {
		t.Errorf("%d passages, %v, want %d", len(c.Passages), err, rerank.MaxPassages)
	}
	_, err := rerank.Choose(t.Context(), []string{half, half, "a"}, each)
	if choice, ok := errors.AsType[*rerank.ChoiceError](err); !ok || !strings.Contains(choice.Error(), "more than [65536] passages") {
		t.Errorf("one more: got %v, want a ChoiceError", err)
	}
}

func TestChoosingEndsWithItsContextAndItsError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rerank.Choose(ctx, []string{animals}, whole); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	broken := errors.New("broken")
	if _, err := rerank.Choose(t.Context(), []string{"a"}, func(string) ([]chunking.Range, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the chooser's error", err)
	}
}

func TestADocumentIsAsGoodAsItsBestPassage(t *testing.T) {
	s := &fixed{scores: []float32{-1, 3, 2, 5, 5, 0}}
	ranking, err := rerank.Rank(t.Context(), s, rerank.Request{
		Passages: make([]string, 6), Of: []int{0, 0, 2, 3, 3, 4}, MinScore: new(float32(1)),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []rerank.Ranked{{Index: 3, Passage: 3, Logit: 5, Score: 6}, {Index: 0, Passage: 1, Logit: 3, Score: 4}, {Index: 2, Passage: 2, Logit: 2, Score: 3}}
	if !slices.Equal(ranking.Ranked, want) || s.calls != 1 {
		t.Errorf("got %+v in %d calls, want %+v in one", ranking.Ranked, s.calls, want)
	}
}
