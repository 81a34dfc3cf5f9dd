package localcluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	dockerImage = "docker.elastic.co/elasticsearch/elasticsearch:" + Version

	// dockerProbe is how long an engine has to show itself. A local one
	// answers in milliseconds.
	dockerProbe = 2 * time.Second

	// dockerLimit bounds the download of the image (about 700 MB) and the start.
	dockerLimit = 15 * time.Minute

	// heap is enough for the demo's corpus and small enough for several test
	// packages side by side.
	heap = "512m"
)

// startDocker runs the official image. Whatever goes wrong is a reason to try
// the next source: an engine without a network cannot pull, and the user did
// not ask for Docker by name.
func startDocker(ctx context.Context, s *setup) (*Cluster, error) {
	if err := probeDocker(ctx, dockerProbe, dockerHealth); err != nil {
		return nil, fmt.Errorf("%w: no Docker engine answers: %s", errNotTaken, oneLine(err))
	}
	ctx, cancel := context.WithTimeout(ctx, dockerLimit)
	defer cancel()
	done := s.log.during("starting " + dockerImage + " with Docker; the first time its image is pulled")
	defer done()
	container, err := runContainer(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errNotTaken, oneLine(errors.Join(err, removeContainer(ctx, container))))
	}
	endpoint, err := container.PortEndpoint(ctx, "9200/tcp", "http")
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errNotTaken, oneLine(errors.Join(err, removeContainer(ctx, container))))
	}
	return &Cluster{
		URL:     endpoint,
		Version: Version,
		stop:    func(ctx context.Context) error { return container.Terminate(ctx) },
	}, nil
}

func runContainer(ctx context.Context) (*testcontainers.DockerContainer, error) {
	ready := wait.ForHTTP("/_cluster/health?wait_for_status=yellow&timeout=5s").
		WithPort("9200/tcp").
		WithStatusCodeMatcher(func(status int) bool { return status == http.StatusOK }).
		WithStartupTimeout(startLimit)
	return testcontainers.Run(ctx, dockerImage,
		testcontainers.WithEnv(map[string]string{
			"discovery.type":                                    "single-node",
			"xpack.security.enabled":                            "false",
			"xpack.ml.enabled":                                  "false",
			"ingest.geoip.downloader.enabled":                   "false",
			"cluster.routing.allocation.disk.threshold_enabled": "false",
			"ES_JAVA_OPTS":                                      "-Xms" + heap + " -Xmx" + heap,
		}),
		testcontainers.WithExposedPorts("9200/tcp"),
		testcontainers.WithWaitStrategy(ready),
		testcontainers.WithLogger(log.NewNoopLogger()),
	)
}

// removeContainer removes what a start that did not work has left. It has its
// own time limit because the start may have used up its.
func removeContainer(ctx context.Context, c *testcontainers.DockerContainer) error {
	if c == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return c.Terminate(ctx)
}

// probeDocker runs health and gives up after limit. The search for an engine
// takes no context, so a probe that hangs, on a DOCKER_HOST that swallows
// packets, is left behind until its connection times out.
func probeDocker(ctx context.Context, limit time.Duration, health func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- health(ctx) }()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("nothing heard for %v", limit)
	}
}

// dockerHealth asks the engine that testcontainers finds. The library panics on
// some faulty settings; to us that is one more engine that does not answer.
func dockerHealth(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("look for an engine: %v", p)
		}
	}()
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(log.NewNoopLogger()))
	if err != nil {
		return err
	}
	return provider.Health(ctx) // closes the provider, too
}

// oneLine keeps a reason to one line of a readable length.
func oneLine(err error) string {
	const longest = 300
	line := strings.Join(strings.Fields(err.Error()), " ")
	if len(line) > longest {
		line = strings.ToValidUTF8(line[:longest], "") + "…"
	}
	return line
}
