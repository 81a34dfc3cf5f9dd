package model

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rerankd/rerankd/scorer/onnx"
)

const (
	// mostFailures bounds attempts at a file that bring nothing.
	mostFailures = 5
	// mostAttempts bounds attempts at a model: a mirror could give a byte at a time.
	mostAttempts = 1000
	longestPause = 30 * time.Second
)

// ErrTooLarge reports files with more bytes than allowed.
var ErrTooLarge = errors.New("too large")

// final is an error that would come again.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// persist repeats an attempt, which tells how many bytes it brought, until it
// succeeds, its error is final, or several in a row brought nothing.
func (p *puller) persist(ctx context.Context, attempt func() (int64, error)) error {
	pause := p.Pause
	for failures := 0; ; {
		n, err := attempt()
		if err == nil {
			return nil
		}
		if f, ok := errors.AsType[final](err); ok {
			return f.error
		}
		failures++
		if n > 0 {
			failures, pause = 0, p.Pause
		}
		p.attempts++
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if failures >= mostFailures || p.attempts >= mostAttempts {
			return err
		}
		if p.Notice != nil {
			p.Notice(fmt.Sprintf("%v; the mirror is asked again in %v", err, pause))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		pause = min(2*pause, longestPause)
	}
}

// manifest fetches the mirror's manifest.
func (p *puller) manifest(ctx context.Context) (data []byte, err error) {
	err = p.persist(ctx, func() (int64, error) {
		return 0, p.get(ctx, onnx.ManifestName, 0, func(res *http.Response, body io.Reader) (err error) {
			if res.StatusCode != http.StatusOK {
				return statusError(res)
			}
			limit := onnx.SizeLimit(onnx.ManifestName)
			data, err = io.ReadAll(io.LimitReader(body, limit+1))
			if int64(len(data)) > limit {
				return final{fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)}
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", onnx.ManifestName, err)
	}
	return data, nil
}

// download fetches a file of at most limit bytes into part, from where that ends.
// joined tells that not all came with one answer.
func (p *puller) download(ctx context.Context, name, part string, limit int64) (joined bool, err error) {
	err = p.persist(ctx, func() (n int64, err error) {
		file, err := p.staging.root.OpenFile(part, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return 0, final{err}
		}
		defer func() { err = errors.Join(err, file.Sync(), file.Close()) }()
		offset, err := file.Seek(0, io.SeekEnd)
		if err != nil {
			return 0, final{err}
		}
		err = p.get(ctx, name, offset, func(res *http.Response, body io.Reader) error {
			if res.StatusCode == http.StatusRequestedRangeNotSatisfiable && offset > 0 {
				joined = true
				return nil // either all is there, or the part is of another file: the checksum tells
			}
			offset, err := continues(res, file, offset)
			if err != nil {
				return err
			}
			joined = offset > 0
			n, err = p.append(ctx, file, body, res.ContentLength, offset, limit, "fetching "+name)
			return err
		})
		return n, err
	})
	return joined, err
}

// continues returns where the answer goes on in the file, which is its beginning
// where the mirror does not give a part.
func continues(res *http.Response, file *os.File, offset int64) (int64, error) {
	switch {
	case res.StatusCode == http.StatusPartialContent && offset > 0:
		if got := res.Header.Get("Content-Range"); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", offset)) {
			return 0, final{fmt.Errorf("the mirror was asked for bytes from %d on and gave %.100q", offset, got)}
		}
		return offset, nil
	case res.StatusCode == http.StatusOK:
		if err := file.Truncate(0); err != nil {
			return 0, final{err}
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return 0, final{err}
		}
		return 0, nil
	}
	return 0, statusError(res)
}

// append writes a body of length bytes, -1 if nobody knows, behind offset, and
// returns how many there were.
func (p *puller) append(ctx context.Context, file *os.File, body io.Reader, length, offset, limit int64, what string) (int64, error) {
	tooLarge := final{fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)}
	if offset > limit || length > limit-offset {
		return 0, tooLarge
	}
	c := meter(p.Progress, what, length)
	_, err := digest(ctx, file, io.LimitReader(body, limit-offset+1), c)
	if offset+c.count > limit {
		return c.count, tooLarge
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		err = final{err} // the disk
	}
	return c.count, err
}

// get asks for a file of the mirror from offset on and hands the answer to use. It
// cuts the connection when the mirror is silent for too long.
func (p *puller) get(ctx context.Context, name string, offset int64, use func(*http.Response, io.Reader) error) error {
	ctx, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	silent := fmt.Errorf("the mirror sent nothing for %v", p.Silence)
	watch := time.AfterFunc(p.Silence, func() { cut(silent) })
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Source.JoinPath(name).String(), http.NoBody)
	if err != nil {
		return final{err}
	}
	req.Header.Set("Accept-Encoding", "identity") // positions and checksums are those of the file
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	fault := func(err error) error {
		switch _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); {
		case err != nil && errors.Is(context.Cause(ctx), silent):
			return silent
		case untrusted:
			err = final{err}
		}
		if f, ok := errors.AsType[final](err); ok {
			return f
		}
		if u, ok := errors.AsType[*url.Error](err); ok {
			return u.Err // it would show the whole URL, of which the rest of the message tells enough
		}
		return err
	}
	res, err := p.Client.Do(req)
	if err != nil {
		return fault(err)
	}
	defer func() { _ = res.Body.Close() }()
	return fault(use(res, readerFunc(func(buffer []byte) (int, error) {
		n, err := res.Body.Read(buffer)
		watch.Reset(p.Silence)
		return n, err
	})))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(buffer []byte) (int, error) { return f(buffer) }

// statusError is an answer without a file.
func statusError(res *http.Response) error {
	err := fmt.Errorf("the mirror answered %s", http.StatusText(res.StatusCode))
	if http.StatusText(res.StatusCode) == "" {
		err = fmt.Errorf("the mirror answered with status %d", res.StatusCode)
	}
	switch {
	case res.StatusCode >= http.StatusInternalServerError,
		res.StatusCode == http.StatusTooManyRequests, res.StatusCode == http.StatusRequestTimeout:
		return err
	}
	return final{err}
}
