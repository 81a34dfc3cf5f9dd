package model

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/rerankd/rerankd/scorer/onnx"
)

// ErrNoManifest reports a folder without rerankd.json, or with one that lists no
// files, which nothing can be held against.
var ErrNoManifest = errors.New("no " + onnx.ManifestName + " that lists files")

// Progress is told how far long work is: Begin announces so many steps, step is
// called after each, and done at the end. nil is told nothing.
type Progress interface {
	Begin(what, unit string, total int) (step, done func())
}

// Verify compares every file that the manifest of a model folder lists with its
// checksum, also those that are not loaded, and returns the names of files in the
// folder that the manifest does not list. All that is wrong is in the error.
func Verify(ctx context.Context, folder fs.FS, p Progress) (unlisted []string, err error) {
	m, err := onnx.ReadManifest(folder)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(m.Files) == 0 {
		return nil, ErrNoManifest
	}
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(folder, ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, listed := m.Files[e.Name()]; !listed && e.Name() != onnx.ManifestName && e.Name()[0] != '.' {
			unlisted = append(unlisted, e.Name())
		}
	}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		wrong = append(wrong, verifyFile(ctx, folder, name, m, p))
	}
	return unlisted, errors.Join(wrong...)
}

func verifyFile(ctx context.Context, folder fs.FS, name string, m onnx.Manifest, p Progress) error {
	file, err := openFile(folder, name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	size := int64(0)
	if info, err := fs.Stat(folder, name); err == nil {
		size = info.Size()
	}
	sum, err := digest(ctx, io.Discard, file, meter(p, "reading "+name, size))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return mismatch(name, m, sum)
}

// mismatch is nil if the checksum is the one that the manifest wants.
func mismatch(name string, m onnx.Manifest, sum [sha256.Size]byte) error {
	if m.Matches(name, sum) {
		return nil
	}
	return fmt.Errorf("%w: %s has the SHA-256 %x, %s wants %s", ErrChecksum, name, sum, onnx.ManifestName, m.Files[name])
}

// ErrChecksum reports a file whose content is not the one that the manifest lists.
var ErrChecksum = errors.New("wrong checksum")
