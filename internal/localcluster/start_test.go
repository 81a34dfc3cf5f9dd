package localcluster

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// The one test that needs the real thing: whatever source this machine has, it
// gives a cluster that indexes and searches, and nothing of it stays behind.
func TestAStartedClusterServesUntilStoppedAndLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real clusters, which -short leaves out")
	}
	for _, flavour := range []Flavour{Elasticsearch, OpenSearch} {
		t.Run(string(flavour), func(t *testing.T) { serveAndStop(t, flavour) })
	}
}

func serveAndStop(t *testing.T, flavour Flavour) {
	t.Helper()
	tmp := t.TempDir()
	openToOthers(t, tmp)
	t.Setenv("TMPDIR", tmp)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()

	c, err := Start(ctx, Options{Flavour: flavour, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	client := newClient()
	defer client.CloseIdleConnections()

	status, body := call(t, client, http.MethodPut, c, "/localcluster-test/_doc/1?refresh=true", `{"text":"a quick fox"}`)
	if status != http.StatusCreated {
		t.Fatalf("index a document: status %d: %s", status, body)
	}
	status, body = call(t, client, http.MethodPost, c, "/localcluster-test/_search", `{"query":{"match":{"text":"fox"}}}`)
	if status != http.StatusOK || !strings.Contains(body, "a quick fox") {
		t.Errorf("search: status %d: %s", status, body)
	}
	call(t, client, http.MethodDelete, c, "/localcluster-test", "")

	if err := c.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := c.Stop(ctx); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	if c.Source != SourceURL {
		if _, _, err := get(ctx, client, c, "/"); err == nil {
			t.Errorf("the cluster at %s still answers after Stop", c.URL)
		}
	}
	left, err := filepath.Glob(filepath.Join(tmp, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestSourcesAreTriedInOrderAndEachSaysWhyItWasPassedOver(t *testing.T) {
	notTaken := func(reason string) func(context.Context, *setup) (*Cluster, error) {
		return func(context.Context, *setup) (*Cluster, error) {
			return nil, errors.Join(errNotTaken, errors.New(reason))
		}
	}
	good := func(context.Context, *setup) (*Cluster, error) { return &Cluster{URL: "http://x:1", Version: "8"}, nil }
	broken := func(context.Context, *setup) (*Cluster, error) { return nil, errors.New("wrong checksum") }

	for _, tc := range []struct {
		name    string
		sources []source
		want    Source
		log     []string
		err     []string
	}{
		{
			name:    "the first that can is used",
			sources: []source{{SourceURL, notTaken("no URL")}, {SourceDocker, good}, {SourceMaven, broken}},
			want:    SourceDocker,
			log:     []string{"es_url: ", "no URL", "using docker: Elasticsearch 8 at http://x:1"},
		},
		{
			name:    "a fault that the user must see ends the search",
			sources: []source{{SourceURL, broken}, {SourceDocker, good}},
			err:     []string{"start elasticsearch from es_url", "wrong checksum"},
		},
		{
			name:    "when none can, every reason is told",
			sources: []source{{SourceURL, notTaken("no URL")}, {SourceDocker, notTaken("no engine")}, {SourceMaven, notTaken("no JDK")}},
			err:     []string{"no source can give one", "no URL", "no engine", "no JDK"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log strings.Builder
			c, err := startFrom(t.Context(), Options{Log: &log}, tc.sources)
			switch {
			case tc.err == nil && err != nil:
				t.Fatalf("err = %v, want none", err)
			case tc.err == nil && c.Source != tc.want:
				t.Errorf("source = %q, want %q", c.Source, tc.want)
			case tc.err != nil && err == nil:
				t.Fatalf("err = nil, want one with %q", tc.err)
			}
			for _, part := range tc.err {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("err = %v, want it to hold %q", err, part)
				}
			}
			for _, part := range tc.log {
				if !strings.Contains(log.String(), part) {
					t.Errorf("log = %q, want it to hold %q", log.String(), part)
				}
			}
		})
	}
}

func TestAnEndedContextEndsTheSearchForASource(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tried := 0
	stops := func(context.Context, *setup) (*Cluster, error) {
		tried++
		cancel()
		return nil, errNotTaken
	}
	_, err := startFrom(ctx, Options{}, []source{{SourceDocker, stops}, {SourceMaven, stops}})
	if !errors.Is(err, context.Canceled) || tried != 1 {
		t.Errorf("err = %v after %d sources, want context.Canceled after 1", err, tried)
	}
}

// openToOthers lets every account through the folders of a test, as /tmp does.
// The server runs as another account when the tests run as root.
func openToOthers(t *testing.T, dir string) {
	t.Helper()
	for at := dir; at != filepath.Dir(os.TempDir()) && strings.HasPrefix(at, os.TempDir()); at = filepath.Dir(at) {
		if at == filepath.Clean(os.TempDir()) {
			return
		}
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func call(t *testing.T, client *http.Client, method string, c *Cluster, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.Authorization != "" {
		req.Header.Set("Authorization", c.Authorization)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer strings.Builder
	if err := res.Write(&answer); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, answer.String()
}
