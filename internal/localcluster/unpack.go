package localcluster

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxUnpacked bounds what an archive may hold: the server is 107 MB.
	maxUnpacked = 512 << 20

	// maxFiles bounds the number of entries: the server has 238.
	maxFiles = 5000
)

// verifySHA256 compares a file with its pinned checksum (lower-case hex).
func verifySHA256(path, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("checksum of %s: SHA-256 is %s, want %s", path, got, want)
	}
	return nil
}

// unpack extracts the single folder that archive holds as target, which must
// not be there. It appears whole or not at all. Everybody may read the files,
// so that another account can run them.
func unpack(ctx context.Context, archive, target string) (err error) {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("open %s: %w", archive, err)
	}
	defer func() { _ = r.Close() }()
	if len(r.File) > maxFiles {
		return fmt.Errorf("unpack %s: %d entries, at most %d are expected", archive, len(r.File), maxFiles)
	}
	work, err := os.MkdirTemp(filepath.Dir(target), ".unpack-")
	if err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()

	left := int64(maxUnpacked)
	for _, f := range r.File {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("unpack %s: %w", archive, err)
		}
		n, err := extract(f, work, left)
		if err != nil {
			return fmt.Errorf("unpack %s: entry %q: %w", archive, f.Name, err)
		}
		left -= n
	}
	root, err := onlyFolder(work)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	if err := os.Rename(root, target); err != nil {
		return fmt.Errorf("unpack %s: %w", archive, err)
	}
	return nil
}

// extract writes one entry below dir and returns its size.
func extract(f *zip.File, dir string, limit int64) (int64, error) {
	if !filepath.IsLocal(f.Name) {
		return 0, errors.New("it leads out of the archive's folder")
	}
	path := filepath.Join(dir, filepath.FromSlash(f.Name))
	mode := f.Mode()
	if mode.IsDir() {
		return 0, os.MkdirAll(path, 0o755)
	}
	if !mode.IsRegular() {
		return 0, fmt.Errorf("it is neither a file nor a folder but %s", mode.Type())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	in, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }()
	perm := fs.FileMode(0o644)
	if mode&0o100 != 0 {
		perm = 0o755
	}
	return writeFile(path, perm, in, limit)
}

// writeFile copies at most limit bytes into a new file.
func writeFile(path string, perm fs.FileMode, in io.Reader, limit int64) (n int64, err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	n, err = io.Copy(out, io.LimitReader(in, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("the archive unpacks to more than %d bytes", maxUnpacked)
	}
	return n, err
}

func onlyFolder(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) != 1 || !entries[0].IsDir() {
		return "", fmt.Errorf("it holds %d entries at the top, want one folder", len(entries))
	}
	return filepath.Join(dir, entries[0].Name()), nil
}

// mirror builds a copy of the tree at src as dst, with hard links where the
// file system allows them: no bytes are copied then. The files keep their
// owner; only the folders are new.
func mirror(ctx context.Context, src, dst string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		to := filepath.Join(dst, strings.TrimPrefix(path, src))
		if d.IsDir() {
			return os.Mkdir(to, 0o755)
		}
		if os.Link(path, to) == nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }()
		_, err = writeFile(to, info.Mode().Perm(), in, maxUnpacked)
		return err
	})
}
