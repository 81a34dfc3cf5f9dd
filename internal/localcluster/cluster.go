package localcluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// Version is the Elasticsearch release that is started, from Docker and from
// Maven alike. A cluster named by ES_URL may be of any version, and so may one
// named by OPENSEARCH_URL where OpenSearch is asked for.
const Version = "8.19.0"

// Source says where a cluster came from.
type Source string

// The sources, in the order in which they are tried.
const (
	SourceURL    Source = "es_url"
	SourceDocker Source = "docker"
	SourceMaven  Source = "maven"
)

// Options says how to find or start a cluster. The zero value is usable.
type Options struct {
	// Flavour is the search engine wanted; "" means Elasticsearch. OpenSearch is
	// looked for in OPENSEARCH_URL and on Maven Central, not in Docker.
	Flavour Flavour

	// Log receives one line for each decision and for whatever takes longer
	// than two seconds; nil drops them. It is written to by one goroutine at a
	// time and must not fail: its errors are ignored.
	Log io.Writer

	// Getenv reads the environment: ES_URL, ES_JAVA_HOME (OPENSEARCH_URL,
	// OPENSEARCH_JAVA_HOME), JAVA_HOME and PATH; nil means [os.Getenv].
	Getenv func(name string) string
}

// Cluster is an Elasticsearch or OpenSearch that answers. Its fields do not change.
type Cluster struct {
	// URL is the base address, such as http://127.0.0.1:39211: no path, no
	// credentials, no slash at the end.
	URL string

	// Authorization is the value of the Authorization header that the cluster
	// wants, taken from the credentials in ES_URL; "" when it wants none.
	Authorization string

	// Source says where the cluster came from.
	Source Source

	// Version is the version the cluster reports, "unknown" where it does not.
	Version string

	stop     func(context.Context) error
	stopOnce sync.Once
	stopErr  error
}

// errNotTaken marks a source that does not apply on this machine: the next one
// is tried.
var errNotTaken = errors.New("not taken")

// source is one way to a cluster. start returns an error that wraps errNotTaken
// when the next source should be tried, and any other error when looking on
// would hide a fault that the user must see.
type source struct {
	name  Source
	start func(context.Context, *setup) (*Cluster, error)
}

// setup is what every source works with.
type setup struct {
	getenv func(string) string
	log    *logger
	dist   distribution
}

// Start returns a cluster that answers, from the first source that can give
// one. On error nothing is left running and no temporary folder is left behind;
// the error lists each source with its reason and a remedy. The ctx bounds the
// start alone: ending it later does not stop the cluster, [Cluster.Stop] does.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Flavour == OpenSearch {
		return startFrom(ctx, o, []source{{SourceURL, startExternal}, {SourceMaven, startMaven}})
	}
	return startFrom(ctx, o, []source{
		{SourceURL, startExternal},
		{SourceDocker, startDocker},
		{SourceMaven, startMaven},
	})
}

func startFrom(ctx context.Context, o Options, sources []source) (*Cluster, error) {
	dist := distributions[cmp.Or(o.Flavour, Elasticsearch)]
	s := &setup{getenv: o.Getenv, log: newLogger(o.Log, dist.program), dist: dist}
	if s.getenv == nil {
		s.getenv = os.Getenv
	}
	var reasons []string
	for _, src := range sources {
		c, err := src.start(ctx, s)
		if err == nil {
			c.Source = src.name
			s.log.printf("using %s: %s %s at %s", src.name, dist.title, c.Version, c.URL)
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("start %s from %s: %w", dist.program, src.name, context.Cause(ctx))
		}
		if !errors.Is(err, errNotTaken) {
			return nil, fmt.Errorf("start %s from %s: %w", dist.program, src.name, err)
		}
		s.log.printf("%s: %v", src.name, err)
		reasons = append(reasons, fmt.Sprintf("%s: %v", src.name, err))
	}
	return nil, fmt.Errorf("start %s: no source can give one\n  %s", dist.program, strings.Join(reasons, "\n  "))
}

// Stop ends a cluster that [Start] started and removes its temporary folders;
// a cluster named by a variable is left alone. When ctx ends first the cluster is
// killed instead of asked. Later calls return what the first one returned. It
// is safe for concurrent use.
func (c *Cluster) Stop(ctx context.Context) error {
	c.stopOnce.Do(func() {
		if c.stop == nil {
			return
		}
		if err := c.stop(ctx); err != nil {
			c.stopErr = fmt.Errorf("stop the cluster from %s: %w", c.Source, err)
		}
	})
	return c.stopErr
}
