package main

import (
	"context"
	"fmt"
	"math"
	"time"
)

// settleLimit is how long what is left of requests may take to end. Tests shorten it.
var settleLimit = 30 * time.Second

// settled waits until nothing is left in the program of the requests that it had:
// in the queue, in the model, and no goroutine for each of many of them.
func (p *process) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for _, m := range []struct {
		name string
		most float64
	}{
		{"rerankd_queue_running", 0},
		{"rerankd_queue_waiting", 0},
		{"rerankd_engine_open_tokens", 0},
		{"go_goroutines", 60}, // as many as an idle program with kept connections has at most
	} {
		if err := p.settle(ctx, m.name, m.most); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) settle(ctx context.Context, name string, most float64) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	last := math.NaN()
	for {
		value, err := p.metric(ctx, name)
		switch {
		case err == nil && value <= most:
			fmt.Printf("%s %g\n", name, value)
			return nil
		case err == nil:
			last = value
		case ctx.Err() == nil:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is %g after the load, want %g at most", name, last, most)
		}
	}
}

// sent counts the requests so far.
func (l *load) sent() (n int64) {
	for _, k := range l.kinds {
		n += k.sent.Load()
	}
	return n
}

// report prints what was sent, and by what the program says how much it scored.
func (l *load) report(ctx context.Context, p *process) error {
	for _, k := range l.kinds {
		fmt.Printf("%-8s %d\n", k.name, k.sent.Load())
	}
	for _, name := range []string{"rerankd_passages_total", "rerankd_cache_hits_total", "rerankd_cache_misses_total"} {
		value, err := p.metric(ctx, name)
		if err != nil {
			return err
		}
		fmt.Printf("%s %.0f\n", name, value)
	}
	return nil
}
