package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rerankd/rerankd/scorer/onnx"
)

// Names of files in a model folder beside the graph.
const (
	tokenizerName       = "tokenizer.json"
	tokenizerConfigName = "tokenizer_config.json"
	configName          = "config.json"
)

// mostEntries bounds how many entries of a folder are looked at.
const mostEntries = 10_000

// Folder is what a model folder says of itself. What no file says is empty.
type Folder struct {
	Manifest onnx.Manifest
	// Graph is the file that is loaded.
	Graph string
	Shape
}

// Shape is what config.json tells of a model's architecture.
type Shape struct {
	Architecture string // the model type, such as "bert"
	Layers       int
	Width        int // numbers for each token between the layers
	Vocabulary   int // tokens
}

// Read describes a model folder. It reads the manifest and config.json, and
// neither loads the model nor compares checksums.
func Read(folder fs.FS) (Folder, error) {
	var f Folder
	var err error
	if f.Graph, err = onnx.GraphName(folder); err != nil {
		return Folder{}, err
	}
	if _, err := fs.Stat(folder, tokenizerName); err != nil {
		return Folder{}, fmt.Errorf("find the tokenizer: %w", err)
	}
	if f.Manifest, err = onnx.ReadManifest(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Folder{}, err
	}
	if f.Shape, err = readShape(folder); err != nil {
		return Folder{}, err
	}
	return f, nil
}

// readShape returns the zero value where there is no config.json.
func readShape(folder fs.FS) (Shape, error) {
	data, err := readFile(folder, configName)
	if errors.Is(err, fs.ErrNotExist) {
		return Shape{}, nil
	}
	if err != nil {
		return Shape{}, err
	}
	// Each architecture has its own words for the same: the second ones are DistilBERT's.
	var c struct {
		ModelType string `json:"model_type"`
		Layers    int    `json:"num_hidden_layers"`
		NLayers   int    `json:"n_layers"`
		Hidden    int    `json:"hidden_size"`
		Dim       int    `json:"dim"`
		Words     int    `json:"vocab_size"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return Shape{}, fmt.Errorf("decode %s: %w", configName, err)
	}
	return Shape{Architecture: c.ModelType, Layers: max(c.Layers, c.NLayers), Width: max(c.Hidden, c.Dim), Vocabulary: c.Words}, nil
}

// readFile reads a file of a model folder within the limit of its kind.
func readFile(folder fs.FS, name string) ([]byte, error) {
	file, err := openFile(folder, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// openFile opens a regular file that is no larger than its kind may be. More than
// that is never read, also if the file grows.
func openFile(folder fs.FS, name string) (io.ReadCloser, error) {
	limit := onnx.SizeLimit(name)
	info, err := fs.Stat(folder, name) // first: opening a named pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("read %s: want a regular file of at most %d bytes, found %s of %d", name, limit, info.Mode(), info.Size())
	}
	file, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(file, limit), file}, nil
}

// Entry is one folder of a list: either what it is, or why it can't be a model.
type Entry struct {
	Path string
	Folder
	Err error
}

// List describes the folders in dir, in the order of their names. Hidden ones and
// those that hold neither a graph nor a manifest are left out.
func List(dir string) ([]Entry, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	if len(entries) > mostEntries {
		return nil, fmt.Errorf("list models: %s has %d entries, want at most %d", dir, len(entries), mostEntries)
	}
	var list []Entry
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // a version may be chosen by a symbolic link
		if strings.HasPrefix(e.Name(), ".") || err != nil || !info.IsDir() {
			continue
		}
		folder := os.DirFS(path)
		f, err := Read(folder)
		if errors.Is(err, fs.ErrNotExist) && !claims(folder) {
			continue
		}
		list = append(list, Entry{Path: path, Folder: f, Err: err})
	}
	return list, nil
}

// claims reports whether a folder that can't be read looks as if it were a model's.
func claims(folder fs.FS) bool {
	_, noManifest := fs.Stat(folder, onnx.ManifestName)
	_, noGraph := onnx.GraphName(folder)
	return noManifest == nil || noGraph == nil
}
