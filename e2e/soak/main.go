// Command soak loads the program for some minutes with all that clients do,
// hanging up included, and fails if its memory grows or if anything of the requests
// stays when they have ended.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// options are the flags, and what only tests change.
type options struct {
	program string
	lasts   time.Duration
	shows   time.Duration
	samples time.Duration // between two looks at its memory
	clients int
	cache   int
	growth  float64
}

func main() {
	o := options{samples: time.Second}
	flag.StringVar(&o.program, "program", "bin/rerankd", "the program to load")
	flag.DurationVar(&o.lasts, "for", 10*time.Minute, "how long")
	flag.DurationVar(&o.shows, "every", 30*time.Second, "how often its memory is printed")
	flag.IntVar(&o.clients, "clients", 8, "clients that send at the same time")
	flag.IntVar(&o.cache, "cache", 2<<20, "bytes of its cache: small, so that it is full early and shows no growth of its own")
	flag.Float64Var(&o.growth, "growth", 0.05, "by what share its memory may be greater in the last third of the time than in the first")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := soak(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func soak(ctx context.Context, o options) (err error) {
	cluster := httptest.NewServer(http.HandlerFunc(node))
	defer cluster.Close()
	p, err := startProcess(ctx, o.program, cluster.URL, o.cache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: o.clients}
	l := &load{url: p.url, client: &http.Client{Transport: transport}, kinds: kinds()}
	samples, err := watched(ctx, o, p, l)
	if err != nil {
		return err
	}
	transport.CloseIdleConnections()
	if err := l.report(ctx, p); err != nil {
		return err
	}
	first, last, share := growth(samples)
	fmt.Printf("resident memory: median %d MiB in the first third, %d MiB in the last: %+.1f %%\n", first>>20, last>>20, 100*share)
	if share > o.growth {
		return fmt.Errorf("memory grew by %.1f %%, more than %.1f %%", 100*share, 100*o.growth)
	}
	return p.settled(ctx)
}

// watched runs the load for its time and returns samples of the program's memory.
func watched(ctx context.Context, o options, p *process, l *load) (samples []int64, err error) {
	ctx, end := context.WithTimeout(ctx, o.lasts)
	defer end()
	clients, ctx := errgroup.WithContext(ctx)
	for i := range o.clients {
		clients.Go(func() error { return l.run(ctx, uint64(i)) })
	}
	start, tick := time.Now(), time.NewTicker(o.samples)
	defer tick.Stop()
	shown := time.Duration(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			if err := clients.Wait(); err != nil {
				return nil, err
			}
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) || len(samples) < 3 {
				return nil, errors.New("ended before its time, or before the third look at its memory")
			}
			return samples, nil
		}
		size, err := resident(p.cmd.Process.Pid)
		if err != nil {
			return nil, errors.Join(err, clients.Wait())
		}
		samples = append(samples, size)
		if passed := time.Since(start); passed-shown >= o.shows {
			shown = passed
			fmt.Printf("%6s  resident %4d MiB  requests %d\n", passed.Round(time.Second), size>>20, l.sent())
		}
	}
}
