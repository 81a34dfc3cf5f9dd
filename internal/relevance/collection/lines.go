package collection

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Limits of a file, after decompression.
const (
	// MaxLine is the longest line in bytes, which bounds a document.
	MaxLine = 16 << 20
	// MaxFile is the greatest size in bytes. A corpus is held in memory, and a
	// small gzip file can claim to be any size.
	MaxFile = 16 << 30
	// MaxID is the longest id of a query or a document in bytes.
	MaxID = 1024
)

var byteOrderMark = []byte("\xef\xbb\xbf")

// eachLine calls use with every line that has something in it, without its end.
// The line is valid during the call only. Errors are led by name and line
// number.
func eachLine(r io.Reader, name string, use func(line []byte) error) error {
	limited := &io.LimitedReader{R: r, N: MaxFile + 1}
	scanner := bufio.NewScanner(limited)
	scanner.Buffer(nil, MaxLine)
	number := 0
	for scanner.Scan() {
		number++
		line := scanner.Bytes()
		if number == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		err := use(line)
		if cut := scanner.Err(); cut != nil {
			err = cut // the line lacks its end
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	err := scanner.Err()
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("%s:%d: the line is longer than %d bytes", name, number+1, MaxLine)
	case err != nil:
		return fmt.Errorf("%s:%d: %w", name, number+1, err)
	case limited.N <= 0:
		return fmt.Errorf("%s:%d: the file is larger than %d bytes", name, number, int64(MaxFile))
	}
	return nil
}

// openEither opens the file of that name or its gzipped form and returns the
// name it found. The error wraps [fs.ErrNotExist] when there is neither.
func openEither(folder fs.FS, name string) (io.ReadCloser, string, error) {
	for _, candidate := range []string{name, name + ".gz"} {
		f, err := folder.Open(candidate)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, candidate, err
		}
		r, err := unpacked(f, candidate)
		return r, candidate, err
	}
	return nil, name, fmt.Errorf("open %s or %s.gz: %w", name, name, fs.ErrNotExist)
}

// openPath opens a file by its path, gzipped if its name says so.
func openPath(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return unpacked(f, path)
}

func unpacked(f io.ReadCloser, name string) (io.ReadCloser, error) {
	if !strings.HasSuffix(name, ".gz") {
		return f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", name, err), f.Close())
	}
	return gzipFile{Reader: z, file: f}, nil
}

// gzipFile closes the file beneath as well.
type gzipFile struct {
	*gzip.Reader
	file io.Closer
}

func (g gzipFile) Close() error { return errors.Join(g.Reader.Close(), g.file.Close()) }

func checkID(what, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("the %s is empty", what)
	case len(id) > MaxID:
		return fmt.Errorf("the %s is longer than %d bytes", what, MaxID)
	}
	return nil
}
