package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rerankd/rerankd/scorer/onnx"
)

// partEnd ends the name of a file that is not whole yet. The name before it is
// the checksum of the whole, so that nothing goes on from a part of another file.
const partEnd = ".part"

// PullOptions say where a model folder comes from and where it goes.
type PullOptions struct {
	// Source is the folder's URL on a mirror: http, https or file. Required.
	Source *url.URL
	// Destination is where the folder appears; nothing else may be there. Required.
	Destination string
	// ManifestSHA256 is the checksum that the manifest must have, in hexadecimal;
	// "" trusts the mirror.
	ManifestSHA256 string
	// MaxBytes is how large all files together may be. Required.
	MaxBytes int64
	// Client asks the mirror; see [NewClient]. Required.
	Client *http.Client
	// Silence is how long the mirror may send nothing before the connection is cut
	// and asked anew. Required.
	Silence time.Duration
	// Pause is what passes before a download that was cut goes on; it doubles with
	// each that brought nothing. Required.
	Pause time.Duration
	// Check tries the model before the folder appears; nil: nobody does.
	Check Check
	// Progress is told of long work; nil: nobody is.
	Progress Progress
	// Notice is told why the mirror is asked anew; nil: nobody is.
	Notice func(text string)
}

// Pull fetches a model folder from a mirror, which is a folder behind a web server
// or on a disk: first its manifest, then the files that the manifest lists, each
// held against its checksum, and then the whole folder appears at once. What was
// fetched before an error is kept beside the destination, and the next call goes on
// from there. Where the same model is at the destination already, it is verified,
// and already is true.
func Pull(ctx context.Context, o PullOptions) (m onnx.Manifest, already bool, err error) {
	p := &puller{PullOptions: o, left: o.MaxBytes}
	data, err := p.manifest(ctx)
	if err != nil {
		return onnx.Manifest{}, false, fmt.Errorf("pull %s: %w", shown(o.Source), err)
	}
	if m, err = checkManifest(data, o.ManifestSHA256); err != nil {
		return onnx.Manifest{}, false, fmt.Errorf("pull %s: %w", shown(o.Source), err)
	}
	p.staging, err = openStaging(o.Destination)
	if errors.Is(err, ErrExists) {
		if same, fault := p.isThere(ctx, data); same || fault != nil {
			return m, same, fault
		}
		err = fmt.Errorf("%w, and is not what the mirror has: a model is never changed in place, choose another folder", err)
	}
	if err != nil {
		return onnx.Manifest{}, false, fmt.Errorf("pull: %w", err)
	}
	defer func() { err = errors.Join(err, p.staging.close()) }()
	if err := p.fill(ctx, m, data); err != nil {
		return onnx.Manifest{}, false, fmt.Errorf("pull %s: %w", shown(o.Source), err)
	}
	return m, false, nil
}

// shown is a URL without what may be secret in it.
func shown(u *url.URL) string {
	plain := *u
	plain.RawQuery, plain.ForceQuery = "", false
	return plain.Redacted()
}

// puller is one call of Pull.
type puller struct {
	PullOptions

	staging  *staging
	left     int64 // bytes that may still come
	attempts int   // that failed
}

// checkManifest refuses a manifest that is not the wanted one or of no model.
func checkManifest(data []byte, want string) (onnx.Manifest, error) {
	if sum := fmt.Sprintf("%x", sha256.Sum256(data)); want != "" && !strings.EqualFold(sum, want) {
		return onnx.Manifest{}, fmt.Errorf("%w: %s has the SHA-256 %s, want %s", ErrChecksum, onnx.ManifestName, sum, want)
	}
	m, err := onnx.ParseManifest(data)
	if err != nil {
		return onnx.Manifest{}, err
	}
	if len(m.Files) == 0 {
		return onnx.Manifest{}, ErrNoManifest
	}
	hasGraph := slices.ContainsFunc(slices.Collect(maps.Keys(m.Files)), func(name string) bool { return strings.HasSuffix(name, ".onnx") })
	if m.Files[tokenizerName] == "" || !hasGraph {
		return onnx.Manifest{}, fmt.Errorf("%s lists no graph and %s, so this is no model", onnx.ManifestName, tokenizerName)
	}
	for name := range m.Files {
		if strings.HasSuffix(name, partEnd) {
			return onnx.Manifest{}, fmt.Errorf("%s lists %s, which is the name of an unfinished download", onnx.ManifestName, name)
		}
	}
	return m, nil
}

// isThere reports whether the destination is a whole folder with this manifest.
func (p *puller) isThere(ctx context.Context, manifest []byte) (bool, error) {
	folder := os.DirFS(p.Destination)
	if data, err := readFile(folder, onnx.ManifestName); err != nil || string(data) != string(manifest) {
		return false, nil //nolint:nilerr // what can't be read is not the folder
	}
	if _, err := Verify(ctx, folder, p.Progress); err != nil {
		return false, fmt.Errorf("verify %s, which is there already: %w", p.Destination, err)
	}
	return true, nil
}

// fill fetches what is missing in the staging folder and has it appear.
func (p *puller) fill(ctx context.Context, m onnx.Manifest, manifest []byte) error {
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		if err := p.file(ctx, name, m); err != nil {
			return err
		}
	}
	if err := p.staging.write(onnx.ManifestName, manifest); err != nil {
		return err
	}
	if p.Check != nil {
		if _, err := p.Check(ctx, p.staging.path); err != nil {
			return fmt.Errorf("try the model, which is kept in %s: %w", filepath.Base(p.staging.path), err)
		}
	}
	return p.staging.install(listed(m))
}

// file fetches one file unless it is there from an earlier attempt.
func (p *puller) file(ctx context.Context, name string, m onnx.Manifest) error {
	folder := p.staging.root.FS()
	if verifyFile(ctx, folder, name, m, p.Progress) == nil {
		return p.count(folder, name)
	}
	part := strings.ToLower(m.Files[name]) + partEnd
	for restarted := false; ; restarted = true {
		joined, err := p.download(ctx, name, part, min(onnx.SizeLimit(name), p.left))
		if err != nil {
			return fmt.Errorf("fetch %s: %w", name, err)
		}
		err = p.accept(ctx, name, part, m)
		if err == nil {
			return p.count(folder, name)
		}
		if err := p.staging.root.Remove(part); err != nil {
			return err
		}
		// Parts that don't fit together show only at the end: once, the file is
		// then fetched from its beginning.
		if !joined || restarted {
			return err
		}
	}
}

// accept gives a downloaded part the name of its file if it is that file.
func (p *puller) accept(ctx context.Context, name, part string, m onnx.Manifest) error {
	file, err := p.staging.root.Open(part)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	sum, err := digest(ctx, io.Discard, file, meter(nil, "", 0))
	if err != nil {
		return err
	}
	if err := mismatch(name, m, sum); err != nil {
		return err
	}
	return p.staging.root.Rename(part, name)
}

// count takes a finished file off what may come.
func (p *puller) count(folder fs.FS, name string) error {
	info, err := fs.Stat(folder, name)
	if err != nil {
		return err
	}
	if p.left -= info.Size(); p.left < 0 {
		return fmt.Errorf("%w: the files have more than %d bytes", ErrTooLarge, p.MaxBytes)
	}
	return nil
}

// IsChecksum reports whether a text is a SHA-256 in hexadecimal.
func IsChecksum(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == sha256.Size
}
