package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rerankd/rerankd/scorer/onnx"
)

// graphName is what the graph of a folder made here is called, whatever its precision.
const graphName = "model.onnx"

// ImportOptions say what a model folder is made of.
type ImportOptions struct {
	// Source is the folder of an export: tokenizer.json in it, and the graph in it
	// or in a folder onnx below. Required.
	Source string
	// Destination is where the folder appears; nothing may be there. Required.
	Destination string
	// Graph is the path of the graph in Source, with slashes. "" takes model.onnx or
	// onnx/model.onnx, or the only file there is.
	Graph string
	// Int8 takes, instead of that, the int8 graph that is best for this processor.
	Int8 bool
	// Manifest brings what the caller knows: ID, Revision, Licence and Origin. What
	// is empty is taken from Source where that tells it.
	Manifest onnx.Manifest
	// Check tries the model and tells what it is, before the folder appears. Required.
	Check Check
	// Progress is told of long work; nil: nobody is.
	Progress Progress
}

// Check tries whether the model in a folder works, and tells what it is.
type Check func(ctx context.Context, folder string) (onnx.Info, error)

// Import makes a model folder out of an export in the layout of Hugging Face's or
// sentence-transformers' repositories, with a manifest of checksums, and returns
// the manifest. On error nothing is left behind.
func Import(ctx context.Context, o ImportOptions) (m onnx.Manifest, err error) {
	source := os.DirFS(o.Source)
	files, err := exported(source, o)
	if err != nil {
		return onnx.Manifest{}, fmt.Errorf("read %s: %w", o.Source, err)
	}
	s, err := openStaging(o.Destination)
	if err != nil {
		return onnx.Manifest{}, fmt.Errorf("import: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("import: %w", err), s.discard())
		}
		err = errors.Join(err, s.close())
	}()
	if err := s.keep(nil); err != nil {
		return onnx.Manifest{}, err
	}
	m = described(o, source)
	m.Files = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum, err := s.copy(ctx, source, files[name], name, o.Progress)
		if err != nil {
			return onnx.Manifest{}, err
		}
		m.Files[name] = sum
	}
	info, err := o.Check(ctx, s.path)
	if err != nil {
		return onnx.Manifest{}, err
	}
	m.Graph = files[graphName]
	m.Precision, m.MaxTokens = info.Precision, info.MaxTokens
	return m, s.seal(m)
}

// copy copies a file of the source and returns its SHA-256.
func (s *staging) copy(ctx context.Context, source fs.FS, from, to string, p Progress) (string, error) {
	in, err := openFile(source, from)
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }()
	size := int64(0)
	if info, err := fs.Stat(source, from); err == nil {
		size = info.Size()
	}
	out, err := s.create(to)
	if err != nil {
		return "", err
	}
	sum, err := digest(ctx, out, in, meter(p, "copying "+to, size))
	if err := finish(out, err); err != nil {
		return "", fmt.Errorf("copy %s: %w", from, err)
	}
	return fmt.Sprintf("%x", sum), nil
}

// seal writes the manifest, which must be one that can be read, and has the folder appear.
func (s *staging) seal(m onnx.Manifest) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if _, err := onnx.ParseManifest(data); err != nil {
		return err
	}
	if err := s.write(onnx.ManifestName, data); err != nil {
		return err
	}
	return s.install(listed(m))
}

// listed are the names of the files of a sealed folder.
func listed(m onnx.Manifest) map[string]bool {
	names := map[string]bool{onnx.ManifestName: true}
	for name := range m.Files {
		names[name] = true
	}
	return names
}

// exported finds the files of a model folder in an export: their paths by the
// names that they get.
func exported(source fs.FS, o ImportOptions) (map[string]string, error) {
	if _, err := fs.Stat(source, onnx.ManifestName); err == nil {
		return nil, fmt.Errorf("it has a %s, so it is a model folder already: copy it, or fetch it with `rerankd model pull`", onnx.ManifestName)
	}
	choose := func() (string, error) { return chooseGraph(source, o.Graph) }
	if o.Int8 {
		choose = func() (string, error) { return chooseInt8(source, thisProcessor()) }
	}
	graph, err := choose()
	if err == nil {
		err = inOneFile(source, graph)
	}
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(source, tokenizerName); err != nil {
		return nil, fmt.Errorf("find the tokenizer: %w; only tokenizer.json, which the tokenizers library writes, can be read", err)
	}
	files := map[string]string{graphName: graph, tokenizerName: tokenizerName}
	for _, name := range []string{tokenizerConfigName, configName, "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE"} {
		if _, err := fs.Stat(source, name); err == nil {
			files[name] = name
		}
	}
	return files, nil
}

// chooseGraph returns the path of the graph in an export.
func chooseGraph(source fs.FS, wish string) (string, error) {
	found, err := graphs(source)
	if err != nil {
		return "", err
	}
	switch {
	case wish != "" && !fs.ValidPath(wish):
		return "", fmt.Errorf("the graph %q is no path in the export, with slashes and without dots", wish)
	case wish != "":
		if _, err := fs.Stat(source, wish); err != nil {
			return "", fmt.Errorf("find the graph: %w; %s", err, there(found))
		}
		return wish, nil
	case slices.Contains(found, graphName):
		return graphName, nil
	case slices.Contains(found, "onnx/"+graphName):
		return "onnx/" + graphName, nil
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return "", fmt.Errorf("find the graph: no .onnx file, also in onnx/: export the model first, see docs/models.md: %w", fs.ErrNotExist)
	}
	return "", fmt.Errorf("choose one of several graphs with --file, or the int8 one for this processor with --int8: %s", there(found))
}

// graphs are the paths of the graphs in an export.
func graphs(source fs.FS) ([]string, error) {
	var found []string
	for _, pattern := range []string{"*.onnx", "onnx/*.onnx"} {
		names, err := fs.Glob(source, pattern)
		if err != nil {
			return nil, err
		}
		found = append(found, names...)
	}
	return found, nil
}

// there tells of graphs that were found.
func there(found []string) string {
	if len(found) == 0 {
		return "there is no other"
	}
	return "there are " + strings.Join(found, ", ")
}

// inOneFile refuses a graph whose weights stand beside it: such a folder would be
// whole by its manifest and not load.
func inOneFile(source fs.FS, graph string) error {
	for _, weights := range []string{graph + "_data", graph + ".data"} {
		if _, err := fs.Stat(source, weights); err == nil {
			return fmt.Errorf("the weights of %s stand in %s: a model folder has them in one file, see docs/models.md", graph, path.Base(weights))
		}
	}
	return nil
}

// described says what the model is: what the caller knows, else what the source
// tells by the names of its folders and by its card.
func described(o ImportOptions, source fs.FS) onnx.Manifest {
	m := onnx.Manifest{ID: o.Manifest.ID, Revision: o.Manifest.Revision, Licence: o.Manifest.Licence, Origin: o.Manifest.Origin}
	folder, err := filepath.Abs(o.Source)
	if err != nil {
		folder = o.Source
	}
	id, revision, origin := filepath.Base(folder), "", ""
	// The cache of Hugging Face's library: models--owner--name/snapshots/revision.
	snapshots := filepath.Dir(folder)
	repository, isHub := strings.CutPrefix(filepath.Base(filepath.Dir(snapshots)), "models--")
	if isHub && filepath.Base(snapshots) == "snapshots" {
		origin = "https://huggingface.co/" + strings.Replace(repository, "--", "/", 1)
		id, revision = path.Base(origin), filepath.Base(folder)
	}
	for _, field := range []struct {
		to    *string
		value string
	}{{&m.ID, id}, {&m.Revision, revision}, {&m.Origin, origin}, {&m.Licence, cardLicence(source)}} {
		if *field.to == "" {
			*field.to = field.value
		}
	}
	return m
}

// cardLicence reads the licence out of the header of a model's card, README.md.
func cardLicence(source fs.FS) string {
	data, err := readFile(source, "README.md")
	if err != nil {
		return "" // a card is nothing that a model must have
	}
	header, ok := strings.CutPrefix(string(data), "---\n")
	header, _, closed := strings.Cut(header, "\n---")
	if !ok || !closed {
		return ""
	}
	for line := range strings.Lines(header) {
		if value, ok := strings.CutPrefix(line, "license:"); ok {
			return strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return ""
}
