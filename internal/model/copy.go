package model

import (
	"context"
	"crypto/sha256"
	"io"
)

// Steps of progress on files.
const (
	stepUnit  = "MiB"
	stepBytes = 1 << 20
	copyBytes = 256 << 10
)

// counter tells a [Progress] of bytes.
type counter struct {
	count, told int64
	step, end   func()
}

// meter announces work on size bytes, which may be unknown: then it is not told of.
func meter(p Progress, what string, size int64) *counter {
	c := &counter{step: func() {}, end: func() {}}
	if p != nil && size > 0 {
		c.step, c.end = p.Begin(what, stepUnit, int((size+stepBytes-1)/stepBytes))
	}
	return c
}

func (c *counter) add(n int) {
	for c.count += int64(n); c.told+stepBytes <= c.count; c.told += stepBytes {
		c.step()
	}
}

// digest copies and returns the SHA-256 of what it copied. It ends the counter.
func digest(ctx context.Context, w io.Writer, r io.Reader, c *counter) (sum [sha256.Size]byte, err error) {
	defer c.end()
	hash := sha256.New()
	buffer := make([]byte, copyBytes)
	for {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		n, err := r.Read(buffer)
		_, _ = hash.Write(buffer[:n]) // a hash never fails
		if _, err := w.Write(buffer[:n]); err != nil {
			return sum, err
		}
		c.add(n)
		switch err {
		case nil:
		case io.EOF:
			return [sha256.Size]byte(hash.Sum(nil)), nil
		default:
			return sum, err
		}
	}
}
