// Package builtin is the default model, embedded in the program.
//
// The model's files are not in the repository. `make model` fetches them, with
// their checksums verified, into the folder model of this package, where git
// ignores them, and the next build embeds what lies there. A program built
// without them works with a mounted model folder instead. The package knows
// nothing of how a model is run.
package builtin

import (
	"embed"
	"io/fs"
)

// embedded holds model/README.md at least, without which the folder would not
// exist in a fresh checkout.
//
//go:embed all:model
var embedded embed.FS

// required are the files without which the folder holds no model.
var required = []string{"model.onnx", "tokenizer.json", "rerankd.json"}

// Model returns the built-in model folder, in the layout that package
// scorer/onnx opens. ok is false when the program was built without it.
func Model() (folder fs.FS, ok bool) { return model(embedded) }

func model(files fs.FS) (folder fs.FS, ok bool) {
	folder, err := fs.Sub(files, "model")
	if err != nil {
		return nil, false
	}
	for _, name := range required {
		if info, err := fs.Stat(folder, name); err != nil || info.Size() == 0 {
			return nil, false
		}
	}
	return folder, true
}
