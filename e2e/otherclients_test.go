package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheJavaScriptClientWorksThroughTheProgram(t *testing.T) {
	p := startProxy(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	dir := nodeModules(ctx, t)
	script, err := filepath.Abs("js/client_check.mjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "node", script, withCredentials(t, p.url), "e2e-js")
	cmd.Dir = dir // where the client is looked for
	wantChecks(t, cmd, 10)
}

// nodeModules returns the folder with the client, installed by npm.
func nodeModules(ctx context.Context, t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the JavaScript client is NOT TESTED: no %s on this machine (on Debian the packages nodejs and npm): %v", program, err)
		}
	}
	const lock = "js/package-lock.json"
	return installed(t, "e2e-js", lock, func(fresh string) error {
		for _, name := range []string{"package.json", "package-lock.json"} {
			data, err := os.ReadFile(filepath.Join("js", name))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(fresh, name), data, 0o600); err != nil {
				return err
			}
		}
		cmd := exec.CommandContext(ctx, "npm", "ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = fresh
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("npm ci: %s", out)
		}
		return err
	}, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "node_modules", "@elastic", "elasticsearch", "package.json"))
		return err == nil
	})
}

// The Java client wants the product's header on every answer and its own media type
// or plain JSON, asks for typed_keys, and sends lines under the type of one body.
func TestTheJavaClientWorksThroughTheProgram(t *testing.T) {
	if _, err := exec.LookPath("mvn"); err != nil {
		t.Skipf("the Java client is NOT TESTED: no mvn on this machine (on Debian the packages maven and openjdk-17-jdk-headless): %v", err)
	}
	p := startProxy(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), clientLimit)
	defer cancel()
	dir := t.TempDir() // Maven writes beside the project
	if err := os.CopyFS(dir, os.DirFS("java")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "compile", "exec:java", "-Dexec.mainClass=ClientCheck",
		"-Dexec.args="+withCredentials(t, p.url)+" e2e-java")
	cmd.Dir = dir
	wantChecks(t, cmd, 5)
}

// wantChecks runs a program that prints a line for each check it makes.
func wantChecks(t *testing.T, cmd *exec.Cmd, least int) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, out)
	}
	t.Logf("%s", out)
	if n := strings.Count(string(out), "ok "); n < least {
		t.Errorf("%d checks were made, want at least %d", n, least)
	}
}
