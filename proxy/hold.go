package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// held is a request body of which the beginning has been read. Whatever comes of
// it, the bytes that go on to the cluster are the ones that came.
type held struct {
	raw   []byte // as read from the client
	text  []byte // the same, decompressed; equal to raw for a plain body
	over  bool   // there is more than the limit
	whole bool   // text is the whole body: not over the limit, and readable
	plain bool   // raw is text
}

// hold reads the body of r until it ends or more than limit bytes of it are
// there. A compressed body counts by what it decompresses to, and by what it is,
// so that one that decompresses to nothing can't go on for ever. A body whose
// compression is faulty is held as far as it is readable, and is not whole. The
// error wraps errCaller: the client's side failed.
func hold(r *http.Request, limit int64) (held, error) {
	if !packed(r.Header) {
		raw, err := readAtMost(r.Body, r.ContentLength, limit+1)
		if err != nil {
			return held{}, fmt.Errorf("read request body: %w: %w", errCaller, err)
		}
		over := int64(len(raw)) > limit
		return held{raw: raw, text: raw, over: over, whole: !over, plain: true}, nil
	}
	source := &sourceReader{r: r.Body}
	var raw bytes.Buffer
	text, err := unpack(r.Header, io.TeeReader(io.LimitReader(source, limit+1), &raw), limit+1)
	if source.err != nil {
		return held{}, fmt.Errorf("read request body: %w: %w", errCaller, source.err)
	}
	over := int64(len(text)) > limit || int64(raw.Len()) > limit
	return held{raw: raw.Bytes(), text: text, over: over, whole: err == nil && !over}, nil
}

// unpack decompresses r, by the Content-Encoding in h, until it ends or limit
// bytes are there.
func unpack(h http.Header, r io.Reader, limit int64) ([]byte, error) {
	zr, err := unpacker(h, r)
	if err != nil {
		return nil, fmt.Errorf("read compression header: %w", err)
	}
	text, err := readAtMost(zr, -1, limit)
	if err != nil {
		return text, fmt.Errorf("read compressed body: %w", err)
	}
	return text, nil
}

// unpacker decompresses gzip, and deflate with or without a zlib header, as
// Elasticsearch does.
func unpacker(h http.Header, r io.Reader) (io.Reader, error) {
	if strings.HasSuffix(encodingOf(h), "gzip") {
		return gzip.NewReader(r)
	}
	peeked := bufio.NewReader(r)
	head, err := peeked.Peek(2)
	if err != nil {
		return nil, err
	}
	const method = 8 // of zlib, in the low bits of a header that 31 divides
	if head[0]&0x0f == method && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(peeked)
	}
	return flate.NewReader(peeked), nil
}

func encodingOf(h http.Header) string {
	return strings.ToLower(strings.TrimSpace(strings.Join(h["Content-Encoding"], ",")))
}

// firstBuffer is how much is set aside on the word of a Content-Length; more is
// only taken as bytes arrive.
const firstBuffer = 64 << 10

// readAtMost reads r until it ends or limit bytes are there. size is the length
// that was announced, -1 for none.
func readAtMost(r io.Reader, size, limit int64) ([]byte, error) {
	if size >= 0 {
		return readInto(make([]byte, 0, int(min(size, limit, firstBuffer))+bytes.MinRead), r, limit)
	}
	scratch := copyBuffers{}.Get()
	defer copyBuffers{}.Put(scratch)
	read, err := readInto(scratch[:0], r, min(limit, copyBufferSize))
	if err != nil || int64(len(read)) < min(limit, copyBufferSize) {
		return bytes.Clone(read), err
	}
	return readInto(append(make([]byte, 0, 2*len(read)), read...), r, limit)
}

// readInto appends to read what r has, until it ends or limit bytes are there.
func readInto(read []byte, r io.Reader, limit int64) ([]byte, error) {
	for int64(len(read)) < limit {
		if len(read) == cap(read) {
			read = slices.Grow(read, cap(read)) // twice as much: few copies of a large body
		}
		n, err := r.Read(read[len(read):min(int64(cap(read)), limit)])
		read = read[:len(read)+n]
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
	return read, nil
}

// sourceReader remembers by which error its source ended, which a decompressor
// over it would hide.
type sourceReader struct {
	r   io.Reader
	err error // other than io.EOF
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// packed reports whether a body is compressed in a way that can be undone here.
func packed(h http.Header) bool {
	switch encodingOf(h) {
	case "gzip", "x-gzip", "deflate", "x-deflate":
		return true
	}
	return false
}

// opaque reports whether a body is compressed in a way that can't be undone here.
func opaque(h http.Header) bool {
	encoding := encodingOf(h)
	return encoding != "" && encoding != "identity" && !packed(h)
}

// heldBody is a body of bytes that are there already.
type heldBody struct {
	bytes.Reader
	io.Closer
}

// replay gives r its body back, held bytes first. With a watch, the rest of a
// plain body is read through it: where the watch fails, the cluster gets an
// incomplete request, which it drops.
func (h held) replay(r *http.Request, watch *nameWatch) *http.Request {
	again := r.WithContext(r.Context())
	var rest io.Reader = r.Body
	if watch != nil && h.plain {
		watch.r = r.Body
		rest = watch
	}
	body := &heldBody{Closer: r.Body}
	body.Reset(h.raw)
	again.Body = body
	if !h.whole {
		again.Body = rejoined(body, rest, r.Body)
	}
	if r.Header.Get("Expect") != "" {
		// The body is on its way already: nobody is to wait for another 100.
		again.Header = r.Header.Clone()
		again.Header.Del("Expect")
	}
	return again
}

// rejoined is a body of which a part has been read: that part, then the rest.
func rejoined(read, rest io.Reader, body io.Closer) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(read, rest), body}
}
