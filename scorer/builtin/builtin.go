// Package builtin is the default model, embedded in the program: a folder in the
// layout that package scorer/onnx opens. What the model is, what it is good and
// bad at and what it was made of stands in MODEL_CARD.md. The package knows
// nothing of how a model is run.
package builtin

import (
	"embed"
	"io/fs"
)

//go:embed model
var embedded embed.FS

// Model returns the folder of the built-in model. It is read-only and safe for
// concurrent use.
func Model() fs.FS {
	folder, err := fs.Sub(embedded, "model")
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return folder
}
