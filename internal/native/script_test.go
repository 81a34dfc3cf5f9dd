package native

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

const (
	goos   = runtime.GOOS
	goarch = runtime.GOARCH
)

// field returns the first group of pattern in the file, which must match once.
func field(t *testing.T, file, pattern string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(pattern).FindAllStringSubmatch(string(data), -1)
	if len(m) != 1 {
		t.Fatalf("%s matches %q %d times, want once", file, pattern, len(m))
	}
	return m[0][1]
}

func TestVersionsAreThoseOfTheScriptsAndOfGoMod(t *testing.T) {
	for _, tc := range []struct{ file, pattern, want string }{
		{"onnxruntime.sh", `(?m)^ONNXRUNTIME_VERSION=(\S+)$`, ONNXRuntimeVersion},
		{"tokenizers.sh", `(?m)^TOKENIZERS_VERSION=(\S+)$`, TokenizersVersion},
		{"../../go.mod", `(?m)^\s*(?:require )?github\.com/daulet/tokenizers v(\S+)`, TokenizersVersion},
	} {
		if got := field(t, tc.file, tc.pattern); got != tc.want {
			t.Errorf("%s says version %s, the constant %s", tc.file, got, tc.want)
		}
	}
}

func TestLockFilePinsTheTokenizerCrateThatTheScriptAsksFor(t *testing.T) {
	version := field(t, "tokenizers.sh", `(?m)^TIKTOKEN_VERSION=(\S+)$`)
	data, err := os.ReadFile("tokenizers.lock")
	if err != nil {
		t.Fatal(err)
	}
	if want := "name = \"tiktoken-rs\"\nversion = \"" + version + "\"\nsource = \"registry+"; !strings.Contains(string(data), want) {
		t.Errorf("tokenizers.lock has no %q", want)
	}
	if strings.Contains(string(data), "source = \"git+") {
		t.Error("tokenizers.lock takes a crate from git, which has no checksum")
	}
}

// script runs native.sh with nothing in its environment but PATH and env.
func script(t *testing.T, env []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "./native.sh", args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestScriptAndProgramAgreeOnTheFolders(t *testing.T) {
	home := t.TempDir()
	for _, tc := range []struct {
		name string
		env  map[string]string
	}{
		{"RERANKD_CACHE", map[string]string{"RERANKD_CACHE": home + "/own"}},
		{"XDG_CACHE_HOME", map[string]string{"XDG_CACHE_HOME": home + "/xdg", "HOME": home}},
		{"relative XDG_CACHE_HOME", map[string]string{"XDG_CACHE_HOME": "xdg", "HOME": home}},
		{"HOME", map[string]string{"HOME": home}},
		{"no home", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var env []string
			for _, name := range []string{"RERANKD_CACHE", "XDG_CACHE_HOME", "HOME"} {
				t.Setenv(name, tc.env[name])
				env = append(env, name+"="+tc.env[name])
			}
			cache, err := script(t, env, "path", "cache")
			if err != nil || strings.TrimSpace(cache) != CacheDir() {
				t.Errorf("script's cache folder = %q, %v; the program's is %q", cache, err, CacheDir())
			}
			folder, err := script(t, env, "path", "onnxruntime")
			s := search{cache: CacheDir(), goos: goos, goarch: goarch}
			if want := filepath.Dir(s.places()[0]); err != nil || strings.TrimSpace(folder) != want {
				t.Errorf("script's library folder = %q, %v; the program's is %q", folder, err, want)
			}
		})
	}
}
