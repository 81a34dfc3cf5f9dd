package onnx

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rerankd/rerankd/internal/native"
)

// initVariable makes the test program call Init on its value, print the error
// and end: a process loads one library only, and this one has done so.
const initVariable = "RERANKD_TEST_INIT"

func initElsewhere(t *testing.T, path string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), initVariable+"="+path)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// buildLibrary compiles a shared library; what tests the binding has a C compiler.
func buildLibrary(t *testing.T, source string) string {
	t.Helper()
	compiler := os.Getenv("CC")
	if compiler == "" {
		compiler = "cc"
	}
	dir := t.TempDir()
	c, library := filepath.Join(dir, "lib.c"), filepath.Join(dir, "lib.so")
	if err := os.WriteFile(c, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), compiler, "-shared", "-fPIC", "-o", library, c).CombinedOutput(); err != nil {
		t.Fatalf("compile a library: %v: %s", err, out)
	}
	return library
}

func TestUnusableLibrariesAreNamedWithARemedy(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	// An old ONNX Runtime has no interface of the version that is asked for.
	old := buildLibrary(t, `
		static const void *get_api(unsigned version) { (void)version; return 0; }
		static const char *get_version(void) { return "1.0.0"; }
		static const struct { const void *(*api)(unsigned); const char *(*version)(void); } base = {get_api, get_version};
		const void *OrtGetApiBase(void) { return &base; }`)
	for _, tc := range []struct{ name, path, want string }{
		{"missing", filepath.Join(t.TempDir(), "nothing.so"), "no such file"},
		{"no library", text, text},
		{"another library", buildLibrary(t, "int x;"), "OrtGetApiBase"},
		{"too old", old, "too old, want " + oldestLibrary + " or newer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := initElsewhere(t, tc.path)
			if !strings.Contains(got, tc.want) || !strings.Contains(got, remedy) {
				t.Errorf("error %q, want one with %q and the remedy", got, tc.want)
			}
		})
	}
}

func TestInitIsDoneOnce(t *testing.T) {
	path, err := native.Library("")
	if err != nil {
		t.Fatal(err)
	}
	if err := Init(path); err != nil {
		t.Errorf("the same library again: %v", err)
	}
	if err := Init(path + ".other"); err == nil || !strings.Contains(err.Error(), "already loaded from "+path) {
		t.Errorf("another library: %v, want an error that names the first", err)
	}
	if err := Init(""); err == nil || !strings.Contains(err.Error(), remedy) {
		t.Errorf("no library: %v, want the remedy", err)
	}
	if Version() == "" {
		t.Error("no version of a loaded library")
	}
}

func TestWorkersAreTheCoresThatTheProcessMayUse(t *testing.T) {
	e := loadReference(t, Options{})
	if want := runtime.GOMAXPROCS(0); e.options.Workers != want {
		t.Errorf("%d workers, want %d", e.options.Workers, want)
	}
	for _, o := range []Options{{Workers: -1}, {Workers: mostWorkers + 1}, {BatchTokens: -1}, {BatchTokens: mostBatchTokens + 1}} {
		if e, err := Load(readReference(t), o); err == nil {
			t.Errorf("%+v was accepted: %v", o, e.Close())
		}
	}
}
