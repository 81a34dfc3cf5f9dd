// Command serve starts a real cluster with the fixtures of the conformance suite
// and the program before it, prints both addresses, and stays until it is
// interrupted, so that cases can be replayed by hand.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rerankd/rerankd/e2e/conformance"
	"github.com/rerankd/rerankd/internal/localcluster"
)

// stopLimit bounds the end of the program and of the cluster.
const stopLimit = 30 * time.Second

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address of the program; port 0 takes a free one")
	recorded := flag.String("recorded", "../shared/conformance", "folder of the answers recorded from the original")
	flavour := flag.String("flavour", string(localcluster.Elasticsearch), "the cluster to start: elasticsearch or opensearch")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, localcluster.Flavour(*flavour), *listen, *recorded); err != nil {
		fmt.Fprintln(os.Stderr, "conformance-serve:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, flavour localcluster.Flavour, listen, recorded string) (err error) {
	if flavour != localcluster.Elasticsearch && flavour != localcluster.OpenSearch {
		return fmt.Errorf("flavour: want %s or %s, got %q", localcluster.Elasticsearch, localcluster.OpenSearch, flavour)
	}
	cluster, err := localcluster.Start(ctx, localcluster.Options{Flavour: flavour, Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, within(ctx, cluster.Stop)) }()
	direct := conformance.Target{URL: cluster.URL, Authorization: cluster.Authorization, Client: http.DefaultClient}
	all, err := fixtures(recorded)
	if err != nil {
		return err
	}
	what, err := conformance.Ask(ctx, direct)
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := f.Load(ctx, direct, what); err != nil {
			return err
		}
		defer func() {
			err = errors.Join(err, within(ctx, func(ctx context.Context) error { return f.Remove(ctx, direct) }))
		}()
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	program, err := conformance.StartProgram(ctx, cluster.URL, listen, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, within(ctx, program.Stop)) }()
	fmt.Printf("cluster  %s\nrerankd  http://%s\nCtrl-C ends both\n", cluster.URL, program.Addr())
	return program.Wait(ctx)
}

// fixtures are the suite's own and, where they are, those of the recorded answers.
func fixtures(recorded string) ([]conformance.Fixtures, error) {
	own, err := conformance.OwnFixtures()
	if err != nil {
		return nil, err
	}
	of, err := conformance.RecordedFixtures(recorded)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "no recorded answers in %s: their indices are not loaded\n", recorded)
		return []conformance.Fixtures{own}, nil
	}
	return []conformance.Fixtures{own, of}, err
}

// within ends a part in a time of its own, since ctx is over by then.
func within(ctx context.Context, stop func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	return stop(ctx)
}
