package localcluster

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

const (
	// tailLines is how many lines of a program's output an error shows.
	tailLines = 30

	// tailLineBytes bounds one line: a stack trace or a JSON document in a log
	// can be long.
	tailLineBytes = 500
)

// tail keeps the last lines written to it. The zero value is ready; it is safe
// for concurrent use.
type tail struct {
	mu    sync.Mutex
	lines []string
	part  []byte // the line that has no end yet
}

// Write keeps p's lines and never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	for {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		if room := tailLineBytes - len(t.part); room > 0 {
			t.part = append(t.part, line[:min(len(line), room)]...)
		}
		if !ended {
			return n, nil
		}
		t.lines = append(t.lines, strings.TrimRight(string(t.part), "\r"))
		if len(t.lines) > tailLines {
			t.lines = t.lines[1:]
		}
		t.part, p = t.part[:0], rest
	}
}

// String returns the lines kept, each indented by two blanks, without a newline
// at the end.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	if len(t.part) > 0 {
		lines = append(slices.Clip(lines), string(t.part))
	}
	if len(lines) == 0 {
		return "  (no output)"
	}
	return "  " + strings.Join(lines, "\n  ")
}
