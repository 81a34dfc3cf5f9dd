package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"unicode"
)

// ManifestName is the file of a model folder that says what the folder holds.
const ManifestName = "rerankd.json"

const (
	maxManifestFiles = 32
	maxManifestText  = 1024
)

// Manifest is rerankd.json, which says what a model folder holds. Every field
// is optional.
type Manifest struct {
	ID       string `json:"id,omitempty"`
	Revision string `json:"revision,omitempty"`
	Licence  string `json:"licence,omitempty"`
	Origin   string `json:"origin,omitempty"`
	// MaxTokens is the longest pair the model was made for, special tokens included.
	MaxTokens int `json:"max_tokens,omitempty"`
	// Precision names the arithmetic, such as "fp32" or "int8".
	Precision string `json:"precision,omitempty"`
	// Graph is the path that the graph had in the export that the folder was made of.
	Graph string `json:"graph,omitempty"`
	// Files maps file names of the folder to their SHA-256 in hexadecimal.
	Files map[string]string `json:"files,omitempty"`
}

// ReadManifest reads rerankd.json out of a model folder. The error of a folder
// without one wraps [fs.ErrNotExist].
func ReadManifest(folder fs.FS) (Manifest, error) {
	data, err := read(folder, ManifestName, maxManifestBytes)
	if err != nil {
		return Manifest{}, err
	}
	return ParseManifest(data)
}

// ParseManifest reads a manifest that may come from anywhere. It is an error
// unless every file is named without a path, in letters, digits, dots, dashes
// and underscores, and has a SHA-256; names differ by more than their case, and
// texts are of one line and at most 1,024 bytes. Unknown keys are passed over.
func ParseManifest(data []byte) (Manifest, error) {
	var m Manifest
	if len(data) > maxManifestBytes {
		return Manifest{}, fmt.Errorf("decode %s: it has %d bytes, want at most %d", ManifestName, len(data), maxManifestBytes)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("decode %s: %w", ManifestName, err)
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("check %s: %w", ManifestName, err)
	}
	return m, nil
}

var (
	fileName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$`)
	checksum = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
)

func (m Manifest) check() error {
	for key, text := range map[string]string{
		"id": m.ID, "revision": m.Revision, "licence": m.Licence, "origin": m.Origin, "precision": m.Precision, "graph": m.Graph,
	} {
		odd := strings.ContainsFunc(text, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) })
		if odd || len(text) > maxManifestText {
			return fmt.Errorf("%s is no text of one line and at most %d bytes", key, maxManifestText)
		}
	}
	if m.MaxTokens < 0 {
		return fmt.Errorf("max_tokens is %d, want a positive number", m.MaxTokens)
	}
	if len(m.Files) > maxManifestFiles {
		return fmt.Errorf("files has %d names, want at most %d", len(m.Files), maxManifestFiles)
	}
	seen := map[string]bool{}
	for name, sum := range m.Files {
		folded := strings.ToLower(name)
		switch {
		case !fileName.MatchString(name):
			return fmt.Errorf("files names %.200q, want a name without a path, of letters, digits, dots, dashes and underscores", name)
		case folded == ManifestName:
			return fmt.Errorf("files names %s itself", name)
		case seen[folded]:
			return fmt.Errorf("files names %s twice in different case", folded)
		case !checksum.MatchString(sum):
			return fmt.Errorf("files: %s: want a SHA-256 of 64 hexadecimal digits, got %.100q", name, sum)
		}
		seen[folded] = true
	}
	return nil
}

// Matches reports whether the SHA-256 of a listed file's content is the one that
// the manifest wants.
func (m Manifest) Matches(name string, sum [sha256.Size]byte) bool {
	return strings.EqualFold(m.Files[name], hex.EncodeToString(sum[:]))
}

// verify compares a file with its checksum, where the manifest lists any.
func (m Manifest) verify(name string, data []byte) error {
	if len(m.Files) == 0 {
		return nil
	}
	if _, listed := m.Files[name]; !listed {
		return fmt.Errorf("verify %s: %s lists files, and not this one", name, ManifestName)
	}
	if sum := sha256.Sum256(data); !m.Matches(name, sum) {
		return fmt.Errorf("verify %s: SHA-256 is %x, %s wants %s", name, sum, ManifestName, m.Files[name])
	}
	return nil
}
