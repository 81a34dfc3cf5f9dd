package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Sizes above which a file of a model folder is refused unread. The model's is
// the limit of the protocol buffers that ONNX files are made of.
const (
	maxModelBytes    = 2<<30 - 1
	maxTextBytes     = 64 << 20
	maxManifestBytes = 64 << 10
)

// modelNames are the names a model's graph goes by; the first that exists is taken.
var modelNames = []string{"model.onnx", "model_int8.onnx", "model_quantized.onnx"}

// Files are the contents of a model folder. [Load] reads them and keeps none,
// so that they can be freed after it.
type Files struct {
	// Model is the graph with its weights, in one file. Required.
	Model []byte
	// Tokenizer is tokenizer.json. Required.
	Tokenizer []byte
	// TokenizerConfig is tokenizer_config.json; nil when there is none.
	TokenizerConfig []byte
	// Config is config.json, from which the number of positions is read; nil when there is none.
	Config []byte
	// Manifest is what rerankd.json says; the zero value when there is none.
	Manifest Manifest
}

// OpenFolder reads the model folder dir. See [Open].
func OpenFolder(dir string) (Files, error) {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return Files{}, fmt.Errorf("open model folder %s: %w", dir, err)
	}
	f, err := Open(os.DirFS(dir))
	if err != nil {
		return Files{}, fmt.Errorf("open model folder %s: %w", dir, err)
	}
	return f, nil
}

// Open reads a model folder: model.onnx (or model_int8.onnx or
// model_quantized.onnx) and tokenizer.json, beside them tokenizer_config.json,
// config.json and rerankd.json where they exist. With a rerankd.json that lists
// files, each file read must be listed there and have the checksum given.
func Open(folder fs.FS) (Files, error) {
	var f Files
	manifest, err := ReadManifest(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Files{}, err
	}
	f.Manifest = manifest
	model, err := GraphName(folder)
	if err != nil {
		return Files{}, err
	}
	for _, file := range []struct {
		name     string
		into     *[]byte
		required bool
	}{
		{model, &f.Model, true},
		{"tokenizer.json", &f.Tokenizer, true},
		{"tokenizer_config.json", &f.TokenizerConfig, false},
		{"config.json", &f.Config, false},
	} {
		_, listed := f.Manifest.Files[file.name]
		data, err := read(folder, file.name, SizeLimit(file.name))
		if errors.Is(err, fs.ErrNotExist) && !file.required && !listed {
			continue
		}
		if err != nil {
			return Files{}, err
		}
		if err := f.Manifest.verify(file.name, data); err != nil {
			return Files{}, err
		}
		*file.into = data
	}
	return f, nil
}

// GraphName returns the name of the file in a model folder that [Open] takes for
// the graph. The error of a folder that has none wraps [fs.ErrNotExist].
func GraphName(folder fs.FS) (string, error) {
	for _, name := range modelNames {
		if _, err := fs.Stat(folder, name); err == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("find the model: none of %s: %w", strings.Join(modelNames, ", "), fs.ErrNotExist)
}

// SizeLimit returns how many bytes a file of a model folder may have by its name.
func SizeLimit(name string) int64 {
	switch {
	case strings.HasSuffix(name, ".onnx"):
		return maxModelBytes
	case name == ManifestName:
		return maxManifestBytes
	}
	return maxTextBytes
}

// read returns a whole file of at most limit bytes.
func read(folder fs.FS, name string, limit int64) (data []byte, err error) {
	file, err := folder.Open(name)
	if err != nil {
		return nil, err // names the operation and the file
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("read %s: want a regular file of at most %d bytes, found %s of %d", name, limit, info.Mode(), info.Size())
	}
	data = slices.Grow(data, int(info.Size()))[:info.Size()]
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}
