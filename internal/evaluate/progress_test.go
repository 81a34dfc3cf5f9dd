package evaluate_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rerankd/rerankd/internal/evaluate"
)

// work takes a second a step.
func work(p *evaluate.Progress, steps int) {
	step, done := p.Begin("indexing", "documents", steps)
	defer done()
	for range steps {
		time.Sleep(time.Second) // in a bubble only
		step()
	}
	done()
}

func TestLongWorkTellsHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines, bar, short strings.Builder
		work(evaluate.NewProgress(&lines, false), 30)
		want := "indexing: 2 of 30 documents, 28s left\nindexing: 12 of 30 documents, 18s left\nindexing: 22 of 30 documents, 8s left\n"
		if lines.String() != want {
			t.Errorf("lines:\n%swant:\n%s", lines.String(), want)
		}
		work(evaluate.NewProgress(&bar, true), 4)
		clear := "\r\x1b[K"
		want = clear + "[" + strings.Repeat("=", 15) + strings.Repeat(" ", 15) + "] indexing: 2 of 4 documents, 2s left"
		if !strings.HasPrefix(bar.String(), want) || !strings.HasSuffix(bar.String(), "0s left"+clear) {
			t.Errorf("bar %q, want it to begin with %q and to be cleared", bar.String(), want)
		}
		for _, terminal := range []bool{false, true} {
			work(evaluate.NewProgress(&short, terminal), 1)
		}
		work(nil, 9)
		if short.String() != "" {
			t.Errorf("a second's work is told: %q", short.String())
		}
	})
}
