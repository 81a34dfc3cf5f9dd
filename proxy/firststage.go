package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rerankd/rerankd/retriever"
)

// ownHeaders of a request don't go with the first stage: they speak of a body, or
// of an answer, that is another one there.
var ownHeaders = []string{
	"Content-Length", "Content-Encoding", "Accept-Encoding", "Expect",
	"Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
}

// refused is an answer of the cluster other than a success. It is relayed as it
// is. Whoever handles it closes the body.
type refused struct{ res *http.Response }

func (e *refused) Error() string { return "upstream answered " + e.res.Status }

// hold reads the answer into memory, as far as refusalLimit, so that it can be
// relayed after the request it answers has ended.
func (e *refused) hold() {
	source := e.res.Body
	body, err := readAtMost(source, e.res.ContentLength, refusalLimit)
	var again io.Reader = bytes.NewReader(body)
	if err != nil || len(body) == refusalLimit {
		again = io.MultiReader(again, source) // relayed as far as it goes
	}
	e.res.Body = struct {
		io.Reader
		io.Closer
	}{again, source}
}

// ask sends a request of our own in the place of the caller's, with the caller's
// headers, and holds the answer. The answer is uncompressed, for none was
// offered. An answer that is no success is a *refused error.
func (p *Proxy) ask(ctx context.Context, r *http.Request, method string, target *url.URL, body []byte) ([]byte, http.Header, error) {
	if p.o.Upstream.flavourFor(r) == FlavourOpenSearch {
		return p.askOpenSearch(ctx, r, method, target, body)
	}
	return p.send(ctx, r, method, target, body)
}

// send is ask for a cluster that is spoken to as it stands.
func (p *Proxy) send(ctx context.Context, r *http.Request, method string, target *url.URL, body []byte) ([]byte, http.Header, error) {
	out, err := http.NewRequestWithContext(ctx, method, "", bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("create first-stage request: %w", err)
	}
	out.URL = target
	out.Header = r.Header.Clone()
	stripHopByHop(out.Header)
	p.dropOwnHeaders(out.Header)
	for _, name := range ownHeaders {
		out.Header.Del(name)
	}
	res, err := p.o.Upstream.RoundTrip(out)
	if err != nil {
		return nil, nil, err
	}
	p.o.Observer.Upstream(res.StatusCode)
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, nil, &refused{res}
	}
	defer func() { _ = res.Body.Close() }() // read to its end or given up: there is nothing to tell
	answer, err := p.readAnswer(ctx, res)
	return answer, res.Header, err
}

// readAnswer holds an answer of the cluster. It refuses one beyond the limit,
// and one that isn't plain JSON.
func (p *Proxy) readAnswer(ctx context.Context, res *http.Response) ([]byte, error) {
	limit := p.o.AnswerLimit
	if res.ContentLength > limit {
		return nil, answerTooLarge(limit)
	}
	if !isJSON(res.Header.Get("Content-Type")) || res.Header.Get("Content-Encoding") != "" {
		return nil, fmt.Errorf("%w: content type %q, encoding %q", retriever.ErrAnswer,
			res.Header.Get("Content-Type"), res.Header.Get("Content-Encoding"))
	}
	answer, err := readAtMost(counted(ctx, res.Body), res.ContentLength, limit+1)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, errNoPlace):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("read first-stage answer: %w: %w", errUnreachable, err)
	case int64(len(answer)) > limit:
		return nil, answerTooLarge(limit)
	}
	return answer, nil
}

// relayAnswer gives an answer of the cluster on as it is, or in the form that the
// caller has asked for.
func relayAnswer(w http.ResponseWriter, res *http.Response) {
	stripHopByHop(res.Header)
	if f := of(w).form; !f.json() && isJSON(res.Header.Get("Content-Type")) {
		reform(f, res)
	}
	maps.Copy(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	buf := copyBuffers{}.Get()
	defer copyBuffers{}.Put(buf)
	if _, err := io.CopyBuffer(onlyWriter{w}, res.Body, buf); err != nil {
		of(w).err = fmt.Errorf("relay answer: %w", err)
		panic(http.ErrAbortHandler) // the header is out: all that is left is to break off
	}
}

// reform writes an error of the cluster in another form than JSON.
func reform(f form, res *http.Response) {
	source := res.Body
	body, err := readAtMost(source, res.ContentLength, refusalLimit)
	var again io.Reader = bytes.NewReader(body)
	if err != nil || len(body) == refusalLimit {
		again = io.MultiReader(again, source)
	} else {
		body = f.written(res.Header, body)
		again = bytes.NewReader(body)
		res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{again, source}
}

// onlyWriter hides ReadFrom, so that io.CopyBuffer uses its buffer.
type onlyWriter struct{ io.Writer }

// copyAnswerHeader copies what an answer of the cluster says, without what
// belongs to its connection or to the bytes of its body.
func copyAnswerHeader(to, from http.Header) {
	from = from.Clone()
	stripHopByHop(from)
	for _, name := range []string{"Content-Length", "Etag", "Last-Modified", "Accept-Ranges", "Content-Md5", "Digest"} {
		from.Del(name)
	}
	maps.Copy(to, from)
}
