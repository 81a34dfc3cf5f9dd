package chunking_test

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rerankd/rerankd/chunking"
)

func parse(tb testing.TB, settings string) chunking.Settings {
	tb.Helper()
	s, err := chunking.Parse([]byte(settings), chunking.DefaultWords)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func passages(tb testing.TB, settings, text string) []string {
	tb.Helper()
	list, err := parse(tb, settings).Split(text)
	if err != nil {
		tb.Fatal(err)
	}
	var out []string
	for _, r := range list {
		out = append(out, r.Of(text))
	}
	return out
}

func TestPassagesAreVerbatim(t *testing.T) {
	ten := "One two three four five six seven eight nine ten"
	for _, tc := range []struct {
		name, settings, text string
		want                 []string
	}{
		{"nothing is cut", `{"strategy":"none"}`, " a. b ", []string{" a. b "}},
		{"an empty text is one passage", `{"strategy":"word","max_chunk_size":10,"overlap":1}`, "", []string{""}},
		{"a text without words is one passage", `{"max_chunk_size":20}`, " ... ", []string{" ... "}},
		{
			"a blank begins the passage after it", `{"strategy":"word","max_chunk_size":10,"overlap":1}`, ten + " eleven",
			[]string{ten, " ten eleven"},
		},
		{
			"a rest without a new word is dropped", `{"strategy":"word","max_chunk_size":10,"overlap":1}`, ten + ".",
			[]string{ten},
		},
		{
			"a sentence ends with its blanks", `{"max_chunk_size":20}`, ten + ". " + ten + "!  A third one. And a fourth",
			[]string{ten + ". " + ten + "!  ", "A third one. And a fourth"},
		},
		{
			"a sentence is repeated", `{"strategy":"sentence","max_chunk_size":20}`, "First. " + ten + ". " + ten + ".",
			[]string{"First. " + ten + ". ", ten + ". " + ten + "."},
		},
		{
			"paragraphs are put together as far as they fit", `{"strategy":"recursive","max_chunk_size":13}`,
			"a b c\n\nd e f\n\n" + ten + "\n\ng",
			[]string{"a b c\n\nd e f", "\n\n" + ten + "\n\ng"},
		},
		{
			"headings begin passages", `{"strategy":"recursive","max_chunk_size":11,"separator_group":"markdown"}`,
			"# One\n" + ten + "\n## Two\nx y z\n### Three\nx y z",
			[]string{"# One\n" + ten, "\n## Two\nx y z\n### Three\nx y z"},
		},
		{
			"an expression sees the ends of lines", `{"strategy":"recursive","max_chunk_size":10,"separators":["^Q:"]}`,
			"Q: a b c d e f\nQ: Q: g h i j k l m\nQ: n",
			[]string{"Q: a b c d e f\n", "Q: Q: g h i j k l m\n", "Q: n"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := passages(t, tc.settings, tc.text); !slices.Equal(got, tc.want) {
				t.Errorf("%q by %s:\n got %q\nwant %q", tc.text, tc.settings, got, tc.want)
			}
		})
	}
}

// Each of these takes well under a second, and a minute or more where the work
// grows with the square of the text.
func TestHostileTextsTakeLinearTime(t *testing.T) {
	const (
		size = 1 << 16
		most = 8 * time.Second
	)
	for name, text := range map[string]string{
		"a stop before a row of brackets":    "a." + strings.Repeat("(", size),
		"a stop before a row of blanks":      "a." + strings.Repeat(" ", size) + "b",
		"stops before rows of brackets":      strings.Repeat("a."+strings.Repeat(")", 1000), size/1000),
		"a word of marks":                    "a'" + strings.Repeat("\u0301", size/2),
		"one word":                           strings.Repeat("x", size),
		"words without sentences":            strings.Repeat("x ", size/2),
		"sentences of one word":              strings.Repeat("x. ", size/3),
		"newlines":                           strings.Repeat("\n", size),
		"lines":                              strings.Repeat("a\n", size/2),
		"underlined lines that never follow": strings.Repeat("\na", size/2),
	} {
		t.Run(name, func(t *testing.T) {
			for _, settings := range []string{
				`{"strategy":"word","max_chunk_size":10,"overlap":5}`,
				`{"strategy":"sentence","max_chunk_size":20}`,
				`{"strategy":"recursive","max_chunk_size":10}`,
				`{"strategy":"recursive","max_chunk_size":10,"separator_group":"markdown"}`,
			} {
				start := processorTime(t)
				list, err := parse(t, settings).Split(text)
				if took := processorTime(t) - start; err != nil || len(list) == 0 || took > most {
					t.Errorf("%s: %d passages, %v, after %v", settings, len(list), err, took)
				}
			}
		})
	}
}

func TestASeparatorThatReadsItsTextTooOftenIsRefused(t *testing.T) {
	text := strings.Repeat("a ", 50_000)
	_, err := parse(t, `{"strategy":"recursive","max_chunk_size":10,"separators":["(?s)a.*b|a"]}`).Split(text)
	reads, ok := errors.AsType[*chunking.ReadsError](err)
	if want := "Chunk separator regex [(?s)a.*b|a] has exceeded the character read limit"; !ok || reads.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// As in Java, also where it follows a match without a gap.
func TestAnEmptyMatchIsSteppedOver(t *testing.T) {
	text := "ax a b c d e f g h i j k"
	starts := []int{0}
	for _, passage := range passages(t, `{"strategy":"recursive","max_chunk_size":10,"separators":["x?"]}`, text) {
		starts = append(starts, starts[len(starts)-1]+len(passage))
	}
	if last := starts[len(starts)-1]; last != len(text) || len(starts) < 3 {
		t.Errorf("passages end at %v, want at %d in more than one", starts, len(text))
	}
}

func TestATextBeyondTheLimitIsRefused(t *testing.T) {
	s, err := chunking.BySentence(20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Split(strings.Repeat("a", chunking.MaxText+1)); !errors.Is(err, chunking.ErrTextTooLong) {
		t.Errorf("got %v, want ErrTextTooLong", err)
	}
}

// processorTime is what this process has had so far: a busy machine doesn't add to
// it.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
