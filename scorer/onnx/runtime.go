package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// oldestLibrary is the first release of ONNX Runtime whose C interface is as
// new as the one that the binding was built for.
const oldestLibrary = "1.29.0"

// remedy ends the errors of a library that cannot be used.
const remedy = "run `make native` or set engine.library"

// library is the state of ONNX Runtime, of which a process can load one only.
var library struct {
	sync.Mutex
	path string // empty until it is loaded
}

// Init loads ONNX Runtime from its shared library. It must succeed before
// [Load]. The library stays loaded until the process ends: another call with
// the same path does nothing, one with a different path is an error. A failed
// call leaves nothing behind and may be repeated. Init is safe for concurrent use.
func Init(path string) error {
	if path == "" {
		return errors.New("load ONNX Runtime: no library given; " + remedy)
	}
	path, err := filepath.Abs(path) // a bare name would be searched in the system's folders
	if err != nil {
		return fmt.Errorf("load ONNX Runtime: %w", err)
	}
	library.Lock()
	defer library.Unlock()
	switch {
	case library.path == path:
		return nil
	case library.path != "":
		return fmt.Errorf("load ONNX Runtime from %s: it is already loaded from %s", path, library.path)
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("load ONNX Runtime: %w; %s", err, remedy)
	}
	ort.SetSharedLibraryPath(path)
	// What goes wrong comes back as an error. The runtime's own log lines,
	// among them one for each stopped run, would only break a structured log.
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		if strings.Contains(err.Error(), "ORT API base: 2") {
			return fmt.Errorf("load ONNX Runtime from %s: the library is too old, want %s or newer; %s", path, oldestLibrary, remedy)
		}
		return fmt.Errorf("load ONNX Runtime from %s: %w; %s", path, err, remedy)
	}
	library.path = path
	return nil
}

// Version returns the version of the loaded library, or "" before [Init].
func Version() string {
	library.Lock()
	defer library.Unlock()
	if library.path == "" {
		return ""
	}
	return ort.GetVersion()
}

func initialized() bool {
	library.Lock()
	defer library.Unlock()
	return library.path != ""
}
