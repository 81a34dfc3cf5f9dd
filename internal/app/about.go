package app

import (
	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/scorer/builtin"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// About says what a program is made of besides its own code.
type About struct {
	ONNXRuntime Library `json:"onnxruntime"`
	Tokenizers  string  `json:"tokenizers"`
	// Model is the built-in one, nil when there is none.
	Model *Model `json:"model"`
}

// Library is a native library loaded at run time.
type Library struct {
	Version string `json:"version,omitempty"`
	Path    string `json:"path,omitempty"`
	Error   string `json:"error,omitempty"` // why it could not be loaded
}

// Model says what a model is and where it comes from.
type Model struct {
	ID       string `json:"id"`
	Revision string `json:"revision"`
	Licence  string `json:"licence"`
	Origin   string `json:"origin"`
}

// Describe loads ONNX Runtime from the configured path, or where it is found,
// and reads the built-in model's manifest. What is missing is left empty or
// described: an incomplete installation is what it is called for.
func Describe(library string) About {
	a := About{Tokenizers: native.TokenizersVersion, Model: builtinModel()}
	path, err := native.Library(library)
	if err == nil {
		err = onnx.Init(path)
	}
	if err != nil {
		a.ONNXRuntime.Error = err.Error()
		return a
	}
	a.ONNXRuntime = Library{Version: onnx.Version(), Path: path}
	return a
}

func builtinModel() *Model {
	m, err := onnx.ReadManifest(builtin.Model())
	if err != nil {
		return nil // the build holds no model that could be opened
	}
	return &Model{ID: m.ID, Revision: m.Revision, Licence: m.Licence, Origin: m.Origin}
}
