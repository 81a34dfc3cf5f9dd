package e2e

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/internal/localcluster"
)

const (
	// clusterLimit bounds the start of the cluster, a download of the server or of
	// its image included.
	clusterLimit = 20 * time.Minute

	// patience is how long a test waits for what must happen. A test that passes
	// never waits it out.
	patience = time.Minute
)

// startCluster starts the one cluster of this package, on the first use of it:
// listing the tests, or running those that need none, starts nothing.
var startCluster = sync.OnceValues(func() (*localcluster.Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), clusterLimit)
	defer cancel()
	c, err := localcluster.Start(ctx, localcluster.Options{Log: os.Stderr})
	if err == nil {
		started = c
		fmt.Fprintf(os.Stderr, "e2e: Elasticsearch %s from %s\n", c.Version, c.Source)
	}
	return c, err
})

// started is the cluster that startCluster has started, to be stopped, and
// startedOpenSearch the one of startOpenSearch.
var started, startedOpenSearch *localcluster.Cluster

// startOpenSearch starts the one OpenSearch of this package, on the first use of it.
var startOpenSearch = sync.OnceValues(func() (*localcluster.Cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), clusterLimit)
	defer cancel()
	c, err := localcluster.Start(ctx, localcluster.Options{Flavour: localcluster.OpenSearch, Log: os.Stderr})
	if err == nil {
		startedOpenSearch = c
		fmt.Fprintf(os.Stderr, "e2e: OpenSearch %s from %s\n", c.Version, c.Source)
	}
	return c, err
})

// openSearch returns the OpenSearch. It comes from Maven Central alone, which a
// machine with Docker may be without.
func openSearch(tb testing.TB) *localcluster.Cluster {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs a real OpenSearch, which -short leaves out")
	}
	c, err := startOpenSearch()
	if err != nil {
		tb.Skipf("OpenSearch is NOT TESTED, none can be started here: %v", err)
	}
	return c
}

// cluster returns the cluster. The tests of this package prove the program on
// the real thing, so having none is a failure.
func cluster(tb testing.TB) *localcluster.Cluster {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs a real Elasticsearch, which -short leaves out")
	}
	c, err := startCluster()
	if err != nil {
		tb.Fatalf("these tests need a real Elasticsearch, and none can be started here: %v", err)
	}
	return c
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if err := cleanUp(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// cleanUp removes the indices, stops the cluster, and looks for goroutines that
// the program or the tests have left behind.
func cleanUp() error {
	if started != nil {
		if err := removeIndices(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := started.Stop(ctx); err != nil {
			return err
		}
	}
	if startedOpenSearch != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := startedOpenSearch.Stop(ctx); err != nil {
			return err
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil {
		return fmt.Errorf("goroutines left behind: %w", err)
	}
	return nil
}
