package chunking_test

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/chunking"
)

// The file holds what Elasticsearch's rules give on ICU4J 77.1, the library that
// it finds words and sentences with, for texts in seven languages, Markdown and
// odd characters. Its first line names the settings of the lists that follow.
func TestPassagesAreThoseOfICU(t *testing.T) {
	file, err := os.Open("testdata/icu.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // read only
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	var head struct{ Settings []json.RawMessage }
	read(t, lines, &head)
	settings := make([]chunking.Settings, len(head.Settings))
	for i, raw := range head.Settings {
		settings[i] = parse(t, string(raw))
	}
	const cases = 55
	for i := range cases {
		var one struct {
			Text     string
			Words    int
			Passages [][][2]int // by settings, bytes from and to
		}
		read(t, lines, &one)
		if got := chunking.CountWords(one.Text); got != one.Words {
			t.Errorf("text %d: %d words, want %d\n%q", i, got, one.Words, one.Text)
		}
		for j, s := range settings {
			list, err := s.Split(one.Text)
			if err != nil {
				t.Fatal(err)
			}
			var got [][2]int
			for _, r := range list {
				got = append(got, [2]int{r.Start, r.End})
			}
			if diff := cmp.Diff(one.Passages[j], got); diff != "" {
				t.Errorf("text %d by %s (-want +got):\n%s\n%q", i, head.Settings[j], diff, one.Text)
			}
		}
	}
}

func read(t *testing.T, lines *bufio.Scanner, into any) {
	t.Helper()
	if !lines.Scan() {
		t.Fatalf("no line: %v", lines.Err())
	}
	if err := json.Unmarshal(lines.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}
