package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// goLimit bounds asking the go command for its root; a toolchain switch may
// have to download one.
const goLimit = 2 * time.Minute

// findGoroot returns the root of a Go installation with its sources: GOROOT, or
// what the go command on the PATH says, or where the toolchain that built this
// program lay.
func findGoroot(ctx context.Context, getenv func(string) string) (string, error) {
	var tried []string
	for _, root := range []func() string{
		func() string { return getenv("GOROOT") },
		func() string { return askGo(ctx) },
		runtime.GOROOT, //nolint:staticcheck // wrong only on another machine, and then the folder is not there
	} {
		dir := root()
		if dir == "" {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, "src", "fmt", "print.go")); err == nil && info.Mode().IsRegular() {
			return dir, nil
		}
		tried = append(tried, dir)
	}
	if len(tried) == 0 {
		return "", errors.New("find Go's standard library: no go command on the PATH: install Go, or set GOROOT")
	}
	return "", fmt.Errorf("find Go's standard library: no sources in %s: set GOROOT to a Go installation", strings.Join(tried, ", "))
}

// askGo returns "" where there is no go command that answers.
func askGo(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, goLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
