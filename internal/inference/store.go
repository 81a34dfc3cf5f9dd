package inference

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// fileName is the file of the endpoints that were made through the API, in the
// folder that the configuration names.
const fileName = "endpoints.json"

// fileVersion is the version of its form.
const fileVersion = 1

// maxFile bounds what is read of it: far more than the endpoints of any limit.
const maxFile = 4 << 20

// kept is what stands in the file.
type kept struct {
	Version   int          `json:"version"`
	Endpoints []Definition `json:"endpoints"`
}

// store keeps definitions in a folder; without one it keeps none.
type store struct{ folder string }

// load returns what was kept, nothing where no file is.
func (s store) load() ([]Definition, error) {
	if s.folder == "" {
		return nil, nil
	}
	path := filepath.Join(s.folder, fileName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read kept endpoints: %w", err)
	}
	defer func() { _ = f.Close() }() // only read from
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read kept endpoints: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("read kept endpoints: %s is larger than %d bytes", path, maxFile)
	}
	var k kept
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&k); err != nil {
		return nil, fmt.Errorf("read kept endpoints: decode %s: %w", path, err)
	}
	if k.Version != fileVersion {
		return nil, fmt.Errorf("read kept endpoints: %s has version %d, want %d", path, k.Version, fileVersion)
	}
	for _, d := range k.Endpoints {
		if err := d.check(); err != nil {
			return nil, fmt.Errorf("read kept endpoints: %s: endpoint %q: %w", path, clip(d.ID), err)
		}
	}
	return k.Endpoints, nil
}

// save replaces what is kept. A crash leaves the old file or the new one, whole.
func (s store) save(list []Definition) (err error) {
	if s.folder == "" {
		return nil
	}
	text, err := json.MarshalIndent(kept{fileVersion, list}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode endpoints: %w", err)
	}
	f, err := os.CreateTemp(s.folder, fileName+".*")
	if err != nil {
		return fmt.Errorf("keep endpoints: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("keep endpoints: %w", err), os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(s.folder, fileName)); err != nil {
		return err
	}
	return s.sync()
}

// sync makes the renaming outlast a loss of power. Its failure does not undo it.
func (s store) sync() error {
	d, err := os.Open(s.folder)
	if err != nil {
		return nil //nolint:nilerr // the file is in place, and will be after most crashes
	}
	_ = d.Sync() // not every file system can
	return d.Close()
}

// prepare makes the folder and finds out whether it can be written to, so that a
// mistake shows at the start and not at the first endpoint.
func (s store) prepare() error {
	if s.folder == "" {
		return nil
	}
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return fmt.Errorf("make the folder of the endpoints: %w", err)
	}
	f, err := os.CreateTemp(s.folder, fileName+".*")
	if err != nil {
		return fmt.Errorf("write to the folder of the endpoints: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// check finds what a file may hold that no API call could have made.
func (d Definition) check() error {
	s := d.ServiceSettings
	a := s.Adaptive
	switch {
	case CheckID(d.ID) != nil:
		return errors.New("invalid inference_id")
	case d.TaskType != TaskType || d.Service != Service:
		return fmt.Errorf("want task type %s and service %s", TaskType, Service)
	case s.NumThreads < 1 || s.NumAllocations != nil && *s.NumAllocations < 1:
		return errors.New("num_threads and num_allocations must be positive")
	case a != nil && (a.Min != nil && *a.Min < 0 || a.Max != nil && *a.Max < 1 || a.Min != nil && a.Max != nil && *a.Min > *a.Max):
		return errors.New("invalid adaptive_allocations")
	case s.LongDocumentStrategy != "" && s.LongDocumentStrategy != StrategyTruncate && s.LongDocumentStrategy != StrategyChunk:
		return errors.New("invalid long_document_strategy")
	case s.MaxChunksPerDoc < 0 || s.MaxChunksPerDoc > 0 && s.LongDocumentStrategy != StrategyChunk:
		return errors.New("invalid max_chunks_per_doc")
	case d.TaskSettings.TopN < 0:
		return errors.New("invalid top_n")
	}
	return nil
}
