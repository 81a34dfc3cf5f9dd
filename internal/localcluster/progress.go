package localcluster

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Work is announced as still running after quietFor, and then once in every
// repeatEvery, so that a person who waits knows what for.
const (
	quietFor    = 2 * time.Second
	repeatEvery = 5 * time.Second
)

// logger writes whole lines, one at a time.
type logger struct {
	mu   sync.Mutex
	w    io.Writer
	name string // leads each line
}

func newLogger(w io.Writer, name string) *logger {
	if w == nil {
		w = io.Discard
	}
	return &logger{w: w, name: name}
}

func (l *logger) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Progress is a courtesy: a full pipe or a closed terminal must not fail
	// the work that it tells of.
	_, _ = fmt.Fprintf(l.w, l.name+": "+format+"\n", args...)
}

// during announces what while it runs; the returned function ends it and
// returns after the last line is written.
func (l *logger) during(what string) (done func()) {
	start := time.Now()
	quit := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		timer := time.NewTimer(quietFor)
		defer timer.Stop()
		for {
			select {
			case <-quit:
				return
			case <-timer.C:
				l.printf("%s (%d s)", what, int(time.Since(start).Seconds()))
				timer.Reset(repeatEvery)
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(quit)
		<-ended
	})
}
