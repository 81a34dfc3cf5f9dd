package demo

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

func noEnv(string) string { return "" }

func sample() *comparison {
	return &comparison{
		Question: "where is it?",
		Plain: []hit{
			{"pkg.One", "pkg.One: One is first. And more."},
			{"pkg.Two", "pkg.Two: Two is second."},
			{"pkg.Three", "pkg.Three: Three is\nthird."},
		},
		Reranked: []hit{
			{"pkg.Three", "pkg.Three: Three is\nthird."},
			{"pkg.Two", "pkg.Two: Two is second."},
			{"pkg.One", "pkg.One: One is first. And more."},
		},
		PlainTook: 4 * time.Millisecond, FirstTook: 310 * time.Millisecond, AgainTook: 5200 * time.Microsecond,
		Outcome: "reranked", Cache: "hits=3, misses=0",
	}
}

func TestATableShowsBothOrdersAndHowFarEachHitMoved(t *testing.T) {
	var out strings.Builder
	newScreen(&out, noEnv).table(7, sample())
	for _, want := range []string{
		"7. where is it?",
		" 1 pkg.One", " 1 pkg.Three", "▲2",
		" 2 pkg.Two", "=",
		" 3 pkg.Three", " 3 pkg.One", "▼2",
		"BM25's first:     pkg.One: One is first.\n",
		"reranked's first: pkg.Three: Three is third.\n",
		"BM25 4.0 ms · reranked 310 ms, first time · 5.2 ms, again (cache: hits=3, misses=0)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "not reranked") {
		t.Errorf("a reranked answer is called not reranked:\n%s", out.String())
	}
}

func TestADegradedAnswerIsCalledSo(t *testing.T) {
	c := sample()
	c.Outcome = "degraded; reason=deadline"
	var out strings.Builder
	newScreen(&out, noEnv).table(1, c)
	if !strings.Contains(out.String(), "not reranked: degraded; reason=deadline") {
		t.Errorf("got\n%s", out.String())
	}
}

func TestOutputThatIsNoTerminalHasNoEscapesAndFitsTheWidth(t *testing.T) {
	for _, tc := range []struct {
		columns string
		widest  int
	}{
		{"", defaultWidth},
		{"72", 72},
		{"10", minWidth},
		{"100000", maxWidth},
		{"wide", defaultWidth},
	} {
		t.Run("COLUMNS="+tc.columns, func(t *testing.T) {
			c := sample()
			c.Plain[0].Name = strings.Repeat("long/", 60)
			c.Reranked[2] = c.Plain[0]
			c.Plain[0].Text = strings.Repeat("text ", 100)
			c.Reranked[2].Text = c.Plain[0].Text
			c.Cache = "" // the line of timings is not cut
			var out strings.Builder
			newScreen(&out, func(name string) string {
				if name == "COLUMNS" {
					return tc.columns
				}
				return ""
			}).table(1, c)
			if strings.ContainsAny(out.String(), "\x1b\r") {
				t.Errorf("escapes in %q", out.String())
			}
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > tc.widest && !strings.Contains(line, "first time") {
					t.Errorf("a line of %d characters, want at most %d: %q", n, tc.widest, line)
				}
			}
		})
	}
}

func TestColourIsOnlyForTerminalsThatWantIt(t *testing.T) {
	s := &screen{color: true}
	if got := s.paint(green, "up"); got != "\x1b[32mup\x1b[0m" {
		t.Errorf("paint = %q", got)
	}
	s.color = false
	if got := s.paint(green, "up"); got != "up" {
		t.Errorf("paint without colour = %q", got)
	}
}

func TestProgressIsABarOnATerminalAndFewLinesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		bar := (&screen{w: &out}).bar("indexing", 100)
		for done := 10; done <= 100; done += 10 {
			time.Sleep(500 * time.Millisecond)
			bar(done)
		}
		want := "indexing 40/100\nindexing 80/100\nindexing 100/100\n"
		if out.String() != want {
			t.Errorf("got %q, want %q", out.String(), want)
		}
	})
	var out strings.Builder
	bar := (&screen{w: &out, terminal: true}).bar("indexing", 2)
	bar(1)
	bar(2)
	half := strings.Repeat("█", barWidth/2) + strings.Repeat("░", barWidth/2)
	want := "\rindexing " + half + " 1/2\rindexing " + strings.Repeat("█", barWidth) + " 2/2\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
