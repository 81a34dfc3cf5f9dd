package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
	"github.com/rerankd/rerankd/internal/localcluster"
)

// stopLimit bounds each step of cleaning up.
const stopLimit = 30 * time.Second

// Options says how to run the demo.
type Options struct {
	// Config is the program's configuration. The cluster's address in it is
	// replaced, and where a listener's port is taken a free one is used.
	Config configs.Config

	// Out receives what the demo shows. On a terminal it is coloured unless
	// NO_COLOR is set.
	Out io.Writer

	// Logger receives the log of the proxy.
	Logger *slog.Logger

	// Once makes the demo end after the questions instead of serving on.
	Once bool

	// Quit asks the demo to end and to clean up after itself once it is closed;
	// nil never asks.
	Quit <-chan struct{}

	// Getenv reads the environment; nil means [os.Getenv].
	Getenv func(name string) string
}

// Run runs the demo and returns when it has ended and cleaned up after itself.
// Without Once it serves until Quit is closed, which is no error then; closing
// Quit earlier is one that wraps [context.Canceled]. Ending ctx cuts everything
// short, cleaning up included: the cluster is killed instead of asked to stop.
func Run(ctx context.Context, o Options) error {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	work, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-o.Quit:
			cancel()
		case <-work.Done():
		}
	}()
	d := &demo{Options: o, screen: newScreen(o.Out, o.Getenv)}
	err := d.run(work)
	return errors.Join(err, d.cleanUp(ctx))
}

// demo is one run.
type demo struct {
	Options
	screen *screen
	made   []func(context.Context) error // what undoes each thing made, oldest first
}

// cleanUp undoes what was made, newest first: all of it, whatever fails, each
// within stopLimit.
func (d *demo) cleanUp(ctx context.Context) error {
	var errs []error
	for _, undo := range slices.Backward(d.made) {
		step, cancel := context.WithTimeout(ctx, stopLimit)
		errs = append(errs, undo(step))
		cancel()
	}
	return errors.Join(errs...)
}

func (d *demo) run(ctx context.Context) error {
	goroot, err := findGoroot(ctx, d.Getenv)
	if err != nil {
		return err
	}
	d.screen.printf("reading the Go standard library's documentation in %s\n", goroot)
	docs, err := ReadCorpus(ctx, goroot)
	if err != nil {
		return err
	}
	cluster, err := localcluster.Start(ctx, localcluster.Options{Log: d.Out, Getenv: d.Getenv})
	if err != nil {
		return err
	}
	d.made = append(d.made, cluster.Stop)
	proxy, err := d.startProxy(ctx, cluster.URL)
	if err != nil {
		return err
	}
	d.made = append(d.made, proxy.Stop)
	e := newElastic("http://"+proxy.Addr(), indexName(cluster), cluster.Authorization)
	d.made = append(d.made, e.close)
	if err := d.index(ctx, e, docs); err != nil {
		return err
	}
	if err := warmUp(ctx, e); err != nil {
		return err
	}
	d.screen.printf("\nsix questions out of twenty that were tried: some that reranking helps, and some that it does not\n")
	for i, question := range questions {
		c, err := compare(ctx, e, question)
		if err != nil {
			return err
		}
		d.screen.table(i+1, c)
	}
	d.tellHowToTry(proxy, e, cluster)
	if d.Once {
		return nil
	}
	d.screen.printf("Ctrl-C ends it all and removes what was made.\n")
	if err := proxy.Wait(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	d.screen.printf("\nstopping\n")
	return nil
}

// startProxy starts the program in front of the cluster.
func (d *demo) startProxy(ctx context.Context, upstream string) (*app.App, error) {
	cfg := d.Config
	cfg.Upstream.URLs = []string{upstream}
	cfg.Listen = freeAddress(ctx, cfg.Listen)
	cfg.Admin.Listen = freeAddress(ctx, cfg.Admin.Listen)
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("check the configuration: %w", err)
	}
	d.screen.printf("starting the proxy with its model\n")
	a, err := app.New(ctx, app.Options{Config: cfg, Logger: d.Logger})
	if err != nil {
		return nil, fmt.Errorf("start the proxy: %w", err)
	}
	a.Start()
	return a, nil
}

// freeAddress returns address, or the same host with port 0 when its port is
// taken: the demo should run beside a proxy that runs already.
func freeAddress(ctx context.Context, address string) string {
	if address == "" {
		return ""
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		_ = l.Close() // nothing was accepted
		return address
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address // Validate tells what is wrong with it
	}
	return net.JoinHostPort(host, "0")
}

// indexName is simple in a cluster of our own. In somebody else's it is one that
// nobody has, because it is deleted in the end.
func indexName(c *localcluster.Cluster) string {
	if c.Source == localcluster.SourceURL {
		return "rerankd-demo-" + strings.ToLower(rand.Text()[:10])
	}
	return "godoc"
}

func (d *demo) index(ctx context.Context, e *elastic, docs []Document) error {
	if err := e.createIndex(ctx); err != nil {
		return err
	}
	d.made = append(d.made, e.deleteIndex)
	return e.addAll(ctx, docs, d.screen.bar("indexing", len(docs)))
}

func (d *demo) tellHowToTry(proxy *app.App, e *elastic, cluster *localcluster.Cluster) {
	s := d.screen
	s.printf("\n%s\n\n%s\n\n", s.paint(bold, "Try it yourself:"), curlLine(e, d.Getenv("ES_URL"), cluster))
	s.printf("proxy %s · elasticsearch %s at %s", e.base, cluster.Version, cluster.URL)
	if admin := proxy.AdminAddr(); admin != "" {
		s.printf(" · metrics http://%s/metrics", admin)
	}
	s.printf("\n")
}
