package evaluate

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	quietFor   = 2 * time.Second        // shorter work is not spoken of
	redrawGap  = 200 * time.Millisecond // between two states of a bar
	lineGap    = 10 * time.Second       // between two lines where there is no terminal
	barLength  = 30
	clearsLine = "\r\x1b[K"
)

// Progress tells a person how far work is that takes longer than two seconds: by
// a bar on a terminal, elsewhere by a line from time to time. A nil *Progress
// tells nothing. It is for one piece of work at a time. Errors of the writer are
// ignored: nothing fails for want of a reader.
type Progress struct {
	w        io.Writer
	terminal bool
}

// NewProgress tells progress on w.
func NewProgress(w io.Writer, terminal bool) *Progress {
	return &Progress{w: w, terminal: terminal}
}

// Begin announces work of total steps. step is to be called after each and done
// at the end, more often than once if need be.
func (p *Progress) Begin(what, unit string, total int) (step, done func()) {
	if p == nil || total == 0 {
		return func() {}, func() {}
	}
	b := &bar{Progress: p, what: what, unit: unit, total: total, start: time.Now()}
	b.shown = b.start.Add(quietFor - b.gap())
	return b.step, b.done
}

type bar struct {
	*Progress

	what, unit   string
	total, count int
	start, shown time.Time
	drawn        bool
}

func (b *bar) gap() time.Duration {
	if b.terminal {
		return redrawGap
	}
	return lineGap
}

func (b *bar) step() {
	b.count++
	now := time.Now()
	if now.Sub(b.shown) < b.gap() {
		return
	}
	b.shown = now
	took := now.Sub(b.start)
	left := time.Duration(float64(took) / float64(b.count) * float64(b.total-b.count)).Round(time.Second)
	state := fmt.Sprintf("%s: %d of %d %s, %s left", b.what, b.count, b.total, b.unit, left)
	if b.terminal {
		full := barLength * b.count / b.total
		_, _ = fmt.Fprintf(b.w, "%s[%s%s] %s", clearsLine, strings.Repeat("=", full), strings.Repeat(" ", barLength-full), state)
		b.drawn = true
		return
	}
	_, _ = fmt.Fprintln(b.w, state)
}

func (b *bar) done() {
	if b.drawn {
		_, _ = io.WriteString(b.w, clearsLine)
		b.drawn = false
	}
}
