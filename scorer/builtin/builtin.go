// Package builtin is the models that are embedded in the program, each a folder in
// the layout that package scorer/onnx opens. What they are, what they are good and
// bad at and what they were made of stands in MODEL_CARD.md. The package knows
// nothing of how a model is run.
package builtin

import (
	"embed"
	"io/fs"
)

//go:embed model tiny
var embedded embed.FS

// Model returns the folder of the default model, rerankd-mini. It is read-only and
// safe for concurrent use.
func Model() fs.FS { return folder("model") }

// Tiny returns the folder of rerankd-tiny, the smaller and faster model. It is
// read-only and safe for concurrent use.
func Tiny() fs.FS { return folder("tiny") }

func folder(name string) fs.FS {
	f, err := fs.Sub(embedded, name)
	if err != nil {
		panic(err) // the name is a constant and valid
	}
	return f
}
