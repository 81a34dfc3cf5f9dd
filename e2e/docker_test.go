package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"github.com/rerankd/rerankd/internal/localcluster"
)

// Where a Docker engine answers, the official image must serve as well: it is
// the whole distribution, of which the one from Maven Central is a part.
func TestTheOfficialImageWorksWhereADockerEngineAnswers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), clusterLimit)
	defer cancel()
	if err := dockerEngine(ctx); err != nil {
		t.Skipf("the official image is NOT TESTED, no Docker engine answers: %v", err)
	}
	t.Log("a Docker engine answers")
	if c := cluster(t); c.Source == localcluster.SourceDocker {
		t.Logf("all tests here run on the official image of version %s", c.Version)
		return
	}
	without := func(name string) string {
		if name == "ES_URL" {
			return "" // which would be used in Docker's place
		}
		return os.Getenv(name)
	}
	c, err := localcluster.Start(ctx, localcluster.Options{Log: t.Output(), Getenv: without})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	if c.Source != localcluster.SourceDocker {
		t.Skipf("the official image is NOT TESTED: an engine answers, but the cluster came from %s", c.Source)
	}
	p := startProxyAt(t, c.URL, nil)
	a := send(t, http.MethodPut, p.url+"/e2e-docker/_doc/1?refresh=true", `{"score":"4"}`)
	if a.Status != http.StatusCreated {
		t.Fatalf("index through the program: %s", a)
	}
	got, _ := search(t, p.url+"/e2e-docker/_search", `{"retriever":`+reranker(mock, "q", "score", all, "")+`}`)
	if len(got.ids()) != 1 || got.scores(t)[0] != 5 {
		t.Errorf("hits %v with scores %v", got.ids(), got.scores(t))
	}
	if a := send(t, http.MethodGet, p.url+"/", ""); a.Status != http.StatusOK || !strings.Contains(string(a.Body), `"tagline"`) {
		t.Errorf("root page: %s", a)
	}
}

// dockerEngine tells why no engine can be used. The library panics on some faulty
// settings, which is one more reason.
func dockerEngine(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("look for an engine: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	provider, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(log.NewNoopLogger()))
	if err != nil {
		return err
	}
	return provider.Health(ctx) // closes the provider, too
}
