package native

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// touch makes an empty file, with its folders, and returns its path.
func touch(t *testing.T, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLibraryIsTakenFromTheFirstPlaceThatHasIt(t *testing.T) {
	// Each case adds a better place to those of the cases before it, so every
	// step proves one preference.
	root := t.TempDir()
	s := search{
		program: filepath.Join(root, "opt", "bin"),
		cache:   filepath.Join(root, "cache"),
		goos:    "linux", goarch: "amd64",
	}
	for _, path := range []string{
		filepath.Join(s.cache, "native", "onnxruntime-"+ONNXRuntimeVersion+"-linux-x64", "libonnxruntime.so.1"),
		filepath.Join(root, "opt", "lib", "libonnxruntime.so.1"),
		filepath.Join(s.program, "lib", "libonnxruntime.so.1"),
		filepath.Join(s.program, "libonnxruntime.so.1"),
	} {
		want := touch(t, path)
		got, err := s.library()
		if err != nil || got != want {
			t.Errorf("library() = %q, %v, want %q", got, err, want)
		}
	}
	s.configured = touch(t, root, "mine.so")
	if got, err := s.library(); err != nil || got != s.configured {
		t.Errorf("with a configured path: library() = %q, %v, want %q", got, err, s.configured)
	}
}

func TestConfiguredLibraryThatIsNotThereIsAnErrorEvenIfAnotherIs(t *testing.T) {
	root := t.TempDir()
	touch(t, root, "libonnxruntime.so.1")
	for _, tc := range []struct {
		name, configured string
		want             error
	}{
		{"missing", filepath.Join(root, "absent.so"), fs.ErrNotExist},
		{"a folder", root, fs.ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := search{configured: tc.configured, program: root, cache: root, goos: "linux", goarch: "amd64"}
			got, err := s.library()
			if got != "" || !errors.Is(err, tc.want) {
				t.Fatalf("library() = %q, %v, want an error that is %v", got, err, tc.want)
			}
			for _, part := range []string{"engine.library", tc.configured} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not name %q", err, part)
				}
			}
		})
	}
}

func TestMissingLibraryErrorNamesEveryPlaceAndTheRemedy(t *testing.T) {
	root := t.TempDir()
	s := search{program: filepath.Join(root, "bin"), cache: filepath.Join(root, "cache"), goos: "linux", goarch: "arm64"}
	_, err := s.library()
	if !errors.Is(err, ErrNoLibrary) {
		t.Fatalf("library() error = %v, want ErrNoLibrary", err)
	}
	for _, part := range append(s.places(), "make native", "engine.library", "linux-arm64") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not name %q", err, part)
		}
	}
}

func TestPlacesFollowThePlatform(t *testing.T) {
	s := search{cache: "/c", goos: "darwin", goarch: "arm64"}
	want := filepath.FromSlash("/c/native/onnxruntime-" + ONNXRuntimeVersion + "-darwin-arm64/libonnxruntime.1.dylib")
	if got := s.places(); len(got) != 1 || got[0] != want {
		t.Errorf("places() without a program folder = %q, want only %q", got, want)
	}
}

func TestLibraryLooksInTheCacheFolderOfTheEnvironment(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("RERANKD_CACHE", cache)
	if got, err := Library(""); !errors.Is(err, ErrNoLibrary) {
		t.Fatalf("Library with an empty cache = %q, %v, want ErrNoLibrary", got, err)
	}
	var s search
	s.cache, s.goos, s.goarch = cache, goos, goarch
	places := s.places()
	want := touch(t, places[len(places)-1])
	if got, err := Library(""); err != nil || got != want {
		t.Errorf("Library = %q, %v, want %q", got, err, want)
	}
}

func TestCacheDirFollowsEnvironmentThenHomeThenCheckout(t *testing.T) {
	root := t.TempDir()
	root, err := filepath.EvalSymlinks(root) // Getwd returns resolved paths
	if err != nil {
		t.Fatal(err)
	}
	touch(t, root, "checkout", "go.mod")
	touch(t, root, "checkout", "deep", "er", "file")
	touch(t, root, "plain", "file")
	for _, tc := range []struct {
		name, wd           string
		rerankd, xdg, home string
		want               string
	}{
		{"RERANKD_CACHE wins", "plain", root + "/own", root + "/xdg", root + "/home", "own"},
		{"RERANKD_CACHE may be relative", "plain", "own", root + "/xdg", root + "/home", "plain/own"},
		{"XDG_CACHE_HOME", "plain", "", root + "/xdg", root + "/home", "xdg/rerankd"},
		{"HOME", "plain", "", "", root + "/home", "home/.cache/rerankd"},
		{"no home, in a checkout", "checkout/deep/er", "", "", "", "checkout/.cache"},
		{"a relative XDG_CACHE_HOME is no home", "checkout/deep", "", "xdg", root + "/home", "checkout/.cache"},
		{"no home, no checkout", "plain", "", "", "", "plain/.cache"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if goos != "linux" && tc.rerankd == "" {
				t.Skipf("the user's cache folder follows other variables on %s", goos)
			}
			t.Chdir(filepath.Join(root, tc.wd))
			t.Setenv("RERANKD_CACHE", tc.rerankd)
			t.Setenv("XDG_CACHE_HOME", tc.xdg)
			t.Setenv("HOME", tc.home)
			want := filepath.Join(root, tc.want)
			if got := CacheDir(); got != want {
				t.Errorf("CacheDir() = %q, want %q", got, want)
			}
		})
	}
}
