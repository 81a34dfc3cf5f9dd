package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rerankd/rerankd/internal/native"
)

// pythonLimit bounds the installation of the client and the run with it.
const pythonLimit = 10 * time.Minute

// The client that most applications of Elasticsearch use checks the product,
// packs bodies, scrolls, and turns errors into classes.
func TestThePythonClientWorksThroughTheProgram(t *testing.T) {
	p := startProxy(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), pythonLimit)
	defer cancel()
	python := pythonClient(ctx, t)
	const index = "e2e-python"
	remove(t, index)
	cmd := exec.CommandContext(ctx, python, "python/client_check.py", withCredentials(t, p.url), index)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("client_check.py: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	if n := strings.Count(string(out), "ok check_"); n < 16 {
		t.Errorf("%d checks were made, want at least 16", n)
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

// pythonClient returns an interpreter that has the client: that of a virtual
// environment in the cache folder, made on the first call and whenever the
// requirements change.
func pythonClient(ctx context.Context, t *testing.T) string {
	t.Helper()
	system, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("the Python client is NOT TESTED: no python3 on this machine: %v", err)
	}
	const list = "python/requirements.txt"
	requirements, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	cache := native.CacheDir()
	dir := filepath.Join(cache, fmt.Sprintf("e2e-python-%x", sha256.Sum256(requirements))[:len("e2e-python-")+16])
	if python := filepath.Join(dir, "bin", "python"); exec.CommandContext(ctx, python, "-c", "import elasticsearch").Run() == nil {
		return python
	}
	t.Logf("installing the Python client into %s, once", dir)
	if err := os.MkdirAll(cache, 0o750); err != nil {
		t.Fatal(err)
	}
	// Made under another name: an installation that was broken off is no client.
	fresh, err := os.MkdirTemp(cache, "e2e-python-new-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(fresh) }() // gone already when all went well
	for _, args := range [][]string{
		{system, "-m", "venv", fresh},
		{filepath.Join(fresh, "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", list},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v (on Debian the package python3-venv is needed)\n%s", strings.Join(args, " "), err, out)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "bin", "python")
}
