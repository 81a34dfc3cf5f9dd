package native

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Versions that native.sh installs and that the tests run with. A test holds
// them equal to those in the scripts and in go.mod.
const (
	// ONNXRuntimeVersion is the release of ONNX Runtime, loaded at run time. A
	// newer library does as well; the oldest that loads is 1.29.0.
	ONNXRuntimeVersion = "1.30.0"

	// TokenizersVersion is the release of github.com/daulet/tokenizers, whose
	// Go side and libtokenizers.a must be of one version.
	TokenizersVersion = "1.27.0"
)

// ErrNoLibrary reports that ONNX Runtime's library is in none of the places
// where Library looks. The error that wraps it names those places and what to
// do.
var ErrNoLibrary = errors.New("no ONNX Runtime library")

// Library returns the path of ONNX Runtime's shared library.
//
// A configured path is taken as it is, and an error if no regular file is
// there: whoever names a library wants that one and no other. With an empty
// configured path it looks beside the running program (in its folder, in lib
// below it and in ../lib, symbolic links to the program resolved first) and
// then in the cache folder. It only looks whether the file is there.
func Library(configured string) (string, error) {
	s := search{configured: configured, cache: CacheDir(), goos: runtime.GOOS, goarch: runtime.GOARCH}
	// Without the program's own path there is one place less to look in.
	if exe, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(exe); err == nil {
			exe = resolved
		}
		s.program = filepath.Dir(exe)
	}
	return s.library()
}

// search is where one look for the library goes.
type search struct {
	configured string // engine.library
	program    string // folder of the program; empty when unknown
	cache      string // cache folder
	goos       string
	goarch     string
}

func (s search) library() (string, error) {
	if s.configured != "" {
		if err := regular(s.configured); err != nil {
			return "", fmt.Errorf("find the library named by engine.library: %w", err)
		}
		return s.configured, nil
	}
	places := s.places()
	for _, p := range places {
		if regular(p) == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: looked for %s; run `make native`, or set engine.library to a library of version %s",
		ErrNoLibrary, strings.Join(places, ", "), ONNXRuntimeVersion)
}

// places lists the files to try, best first.
func (s search) places() []string {
	file := libraryFile(s.goos)
	var places []string
	if s.program != "" {
		places = append(places,
			filepath.Join(s.program, file),
			filepath.Join(s.program, "lib", file),
			filepath.Join(s.program, "..", "lib", file))
	}
	folder := fmt.Sprintf("onnxruntime-%s-%s", ONNXRuntimeVersion, platform(s.goos, s.goarch))
	return append(places, filepath.Join(s.cache, "native", folder, file))
}

// CacheDir returns the folder that keeps fetched files across checkouts:
// $RERANKD_CACHE, else rerankd in the user's cache folder, else (for a user
// without a home) .cache of the checkout around the working directory or, out
// of a checkout, of the working directory itself. It creates nothing, and the
// folder need not exist. cache_dir in common.sh follows the same rule.
func CacheDir() string {
	if dir := os.Getenv("RERANKD_CACHE"); dir != "" {
		return absolute(dir)
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "rerankd")
	}
	return absolute(filepath.Join(checkout(), ".cache"))
}

// checkout returns the nearest folder at or above the working directory that
// holds a go.mod, or the working directory.
func checkout() string {
	wd, err := os.Getwd()
	if err != nil {
		return "."
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if regular(filepath.Join(dir, "go.mod")) == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return wd
		}
	}
}

// libraryFile is the name under which native.sh installs the library.
func libraryFile(goos string) string {
	if goos == "darwin" {
		return "libonnxruntime.1.dylib"
	}
	return "libonnxruntime.so.1"
}

// platform is the name of a platform as the folders of native.sh carry it.
func platform(goos, goarch string) string {
	if goarch == "amd64" {
		goarch = "x64"
	}
	return goos + "-" + goarch
}

// regular reports why path cannot be loaded: it is missing, not to be reached,
// or no regular file.
func regular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a regular file", fs.ErrInvalid, path)
	}
	return nil
}

// absolute resolves path against the working directory, and leaves it as it is
// when there is none.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
