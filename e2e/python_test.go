package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/native"
)

// clientLimit bounds the installation of a client and the run with it.
const clientLimit = 10 * time.Minute

// The client that most applications of Elasticsearch use checks the product,
// packs bodies, scrolls, and turns errors into classes.
func TestThePythonClientWorksThroughTheProgram(t *testing.T) {
	p := startProxy(t, nil)
	checkPython(t, "8", "elasticsearch", "client_check.py", 16, withCredentials(t, p.url), "e2e-python")
}

// A client of version 9 asks for answers of version 9, which OpenSearch knows as
// little as those of version 8 and Elasticsearch 8 refuses.
func TestThePythonClientOfVersion9WorksThroughTheProgramBeforeOpenSearch(t *testing.T) {
	p := startProxyAt(t, openSearch(t).URL, nil)
	checkPython(t, "9", "elasticsearch", "client_check.py", 16, p.url, "e2e-python")
}

func TestElasticsearch8RefusesAClientOfVersion9InItsOwnWords(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	const nine = "application/vnd.elasticsearch+json; compatible-with=9"
	body := `{"retriever":` + reranker(mock, "q", "score", all, "") + `}`
	a := send(t, http.MethodPost, p.url+"/e2e-items/_search", body, "Content-Type", nine, "Accept", nine)
	direct := send(t, http.MethodPost, cluster(t).URL+"/e2e-items/_search", `{"query":{"match_all":{}}}`, "Content-Type", nine, "Accept", nine)
	if !strings.HasPrefix(cluster(t).Version, "8.") {
		t.Skipf("NOT TESTED: the cluster is of version %s", cluster(t).Version)
	}
	if a.Status != http.StatusBadRequest || string(a.Body) != string(direct.Body) {
		t.Errorf("the program answers %s, the cluster itself %s", a, direct)
	}
}

// A user of LangChain writes the reranker into the body that its retriever sends.
func TestTheRetrieverOfLangChainWorksThroughTheProgram(t *testing.T) {
	p := startProxy(t, nil)
	checkPython(t, "frameworks", "langchain_elasticsearch", "frameworks_check.py", 1, "langchain", withCredentials(t, p.url), "e2e-langchain")
}

// Haystack asks for page after page until it has as many hits as the total
// promises. It asks for the root page, which the small Elasticsearch of Maven
// Central is without.
func TestThePagingLoopOfHaystackEndsThroughTheProgram(t *testing.T) {
	p := startProxyAt(t, openSearch(t).URL, func(c *configs.Config) {
		c.Rules = []configs.Rule{{Index: "e2e-haystack", Field: "content", Endpoint: mock, Window: 10}}
	})
	checkPython(t, "frameworks", "haystack_integrations", "frameworks_check.py", 1, "haystack", p.url, "e2e-haystack")
}

// checkPython runs a script with the packages of one list and wants so many of its
// checks to be made. The last of args is the index that the script makes.
func checkPython(t *testing.T, list, module, script string, checks int, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	python := pythonWith(ctx, t, "python/requirements-"+list+".txt", module)
	cmd := exec.CommandContext(ctx, python, append([]string{"python/" + script}, args...)...)
	cmd.Env = append(os.Environ(), "HAYSTACK_TELEMETRY_ENABLED=False", "LANGSMITH_TRACING=false")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	t.Logf("%s", out)
	if n := strings.Count(string(out), "ok check_"); n < checks {
		t.Errorf("%d checks were made, want at least %d", n, checks)
	}
}

// withCredentials puts what the cluster asks for into an address.
func withCredentials(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if raw := os.Getenv("ES_URL"); raw != "" {
		cluster, err := url.Parse(raw)
		if err != nil {
			t.Fatal("ES_URL is no URL")
		}
		u.User = cluster.User
	}
	return u.String()
}

// pythonWith returns an interpreter that has the packages of a list: that of a
// virtual environment in the cache folder, made on the first call and whenever the
// list changes.
func pythonWith(ctx context.Context, t *testing.T, list, module string) string {
	t.Helper()
	system, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("the Python client is NOT TESTED: no python3 on this machine: %v", err)
	}
	dir := installed(t, "e2e-python", list, func(fresh string) error {
		for _, args := range [][]string{
			{system, "-m", "venv", fresh},
			{filepath.Join(fresh, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", list},
		} {
			if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w (on Debian the package python3-venv is needed)\n%s", strings.Join(args, " "), err, out)
			}
		}
		return nil
	}, func(dir string) bool {
		return exec.CommandContext(ctx, filepath.Join(dir, "bin", "python"), "-c", "import "+module).Run() == nil
	})
	return filepath.Join(dir, "bin", "python")
}

// installed returns the folder below the cache folder that holds what a list names.
// It is made by install, under another name first, since an installation that was
// broken off is none, and made again when the list changes or the folder doesn't work.
func installed(t *testing.T, name, list string, install func(fresh string) error, works func(dir string) bool) string {
	t.Helper()
	content, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	cache := native.CacheDir()
	dir := filepath.Join(cache, fmt.Sprintf("%s-%.16x", name, sha256.Sum256(content)))
	if works(dir) {
		return dir
	}
	t.Logf("installing what %s names into %s, once", list, dir)
	if err := os.MkdirAll(cache, 0o750); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(cache, name+"-new-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }() // gone already when all went well
	if err := install(fresh); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}
