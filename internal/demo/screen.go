package demo

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const (
	defaultWidth = 100 // when the output is no terminal
	minWidth     = 60  // below this, lines wrap
	maxWidth     = 140 // wider tables are harder to read across

	barWidth = 30
	barEvery = 2 * time.Second // between lines of progress where there is no terminal
)

// screen writes for people: to a terminal with colour and a moving bar, and
// elsewhere the same words as plain lines. Errors of the writer are ignored; a
// closed pipe ends the program by its own signal.
type screen struct {
	w        io.Writer
	terminal bool
	color    bool
	width    int
}

func newScreen(w io.Writer, getenv func(string) string) *screen {
	s := &screen{w: w, width: defaultWidth}
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			s.terminal = true
			if size.Col > 0 { // a terminal that nobody looks at may have no size
				s.width = int(size.Col)
			}
		}
	}
	if n, err := strconv.Atoi(getenv("COLUMNS")); err == nil && !s.terminal {
		s.width = n
	}
	s.width = min(max(s.width, minWidth), maxWidth)
	s.color = s.terminal && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	return s
}

func (s *screen) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(s.w, format, args...)
}

// style is an ANSI colour code.
type style string

const (
	plain style = ""
	bold  style = "1"
	dim   style = "2"
	red   style = "31"
	green style = "32"
)

func (s *screen) paint(st style, text string) string {
	if !s.color || st == plain || text == "" {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

// table prints the two orders side by side.
func (s *screen) table(number int, c *comparison) {
	column := (s.width - 3) / 2
	s.printf("\n%s\n\n", s.paint(bold, fmt.Sprintf("%d. %s", number, c.Question)))
	s.printf("   %s %s\n", s.paint(dim, pad("BM25", column-3)), s.paint(dim, "   reranked"))
	for i := range max(min(shown, len(c.Plain)), len(c.Reranked)) {
		left, right := "", ""
		if i < min(shown, len(c.Plain)) {
			left = fmt.Sprintf("%2d %s", i+1, clip(c.Plain[i].Name, column-4))
		}
		if i < len(c.Reranked) {
			change, st := change(c.moved(i))
			right = fmt.Sprintf("%2d %s %s", i+1, pad(clip(c.Reranked[i].Name, column-9), column-9), s.paint(st, change))
		}
		s.printf("%s %s\n", pad(left, column), strings.TrimRight(right, " "))
	}
	s.printf("\n")
	if len(c.Plain) > 0 && len(c.Reranked) > 0 {
		s.printf("   %s %s\n", s.paint(dim, "BM25's first:    "), clip(sentence(c.Plain[0].Text), s.width-21))
		s.printf("   %s %s\n", s.paint(dim, "reranked's first:"), clip(sentence(c.Reranked[0].Text), s.width-21))
	}
	s.printf("   %s\n", s.paint(dim, fmt.Sprintf("BM25 %s · reranked %s, first time · %s, again (cache: %s)",
		millis(c.PlainTook), millis(c.FirstTook), millis(c.AgainTook), c.Cache)))
	if c.Outcome != "reranked" {
		s.printf("   %s\n", s.paint(red, "not reranked: "+c.Outcome))
	}
}

// change renders a move: ▲ up, ▼ down, = stayed.
func change(moved int) (string, style) {
	switch {
	case moved > 0:
		return fmt.Sprintf("▲%d", moved), green
	case moved < 0:
		return fmt.Sprintf("▼%d", -moved), red
	}
	return "=", dim
}

// bar returns a function that shows progress towards total, and ends the bar's
// line when total is reached.
func (s *screen) bar(what string, total int) func(done int) {
	last := time.Now()
	return func(done int) {
		if s.terminal {
			full := barWidth * done / max(total, 1)
			s.printf("\r%s %s%s %d/%d", what, strings.Repeat("█", full), strings.Repeat("░", barWidth-full), done, total)
			if done >= total {
				s.printf("\n")
			}
			return
		}
		if done >= total || time.Since(last) >= barEvery {
			last = time.Now()
			s.printf("%s %d/%d\n", what, done, total)
		}
	}
}

func millis(d time.Duration) string {
	if d < 10*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
}

// sentence returns the first sentence of a text in one line.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if end := strings.Index(text, ". "); end >= 0 {
		return text[:end+1]
	}
	return text
}

// clip shortens text to at most width characters.
func clip(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(width-1, 0)]) + "…"
}

// pad fills text with blanks up to width characters.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
}
