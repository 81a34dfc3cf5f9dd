package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rerankd/rerankd/retriever"
)

// closeTimeout bounds the closing of a point in time, which goes on when the
// caller has left.
const closeTimeout = 5 * time.Second

// openTimeout bounds the opening of one that goes on when the caller has left: the
// cluster opens it all the same, and only who knows its id can close it.
const openTimeout = 5 * time.Second

// run is one reranked search on its way through the cluster: one search, or two
// on a point in time.
type run struct {
	p      *Proxy
	r      *http.Request
	s      *retriever.Search
	first  *retriever.FirstStage
	header http.Header // of the cluster's last answer
}

// firstStage asks the cluster for the window, in a search that stands for the
// caller's own or in the first of two phases. release gives the point in time
// back, if one was opened; it is never nil.
func (x *run) firstStage(ctx context.Context) (release func(), err error) {
	release = func() {}
	var answer []byte
	if !x.s.TwoPhase() {
		query, body := x.s.Upstream()
		answer, x.header, err = x.p.ask(ctx, x.r, x.r.Method, x.samePath(query), body)
	} else {
		var id string
		if id, release, err = x.pointInTime(ctx); err != nil {
			return release, err
		}
		query, body := x.s.FirstPhase(id)
		answer, x.header, err = x.search(ctx, query, body)
	}
	if err != nil {
		return release, reword(err, x.s.Refusal)
	}
	x.first, err = x.s.Read(answer)
	return release, err
}

// settled is the order with documents of equal scores as the cluster orders them:
// where one search leaves that open, it is asked. The order stays as it is if the
// cluster doesn't say.
func (x *run) settled(ctx context.Context, o retriever.Order, sum *summary) retriever.Order {
	if x.s.TwoPhase() {
		return o // the second phase orders
	}
	query, body, open := x.first.Ties(o)
	if !open {
		return o
	}
	start := time.Now()
	answer, _, err := x.p.ask(ctx, x.r, http.MethodPost, x.samePath(query), body)
	sum.upstream += time.Since(start)
	if err == nil {
		o, err = x.first.Settle(o, answer)
	}
	if no, ok := errors.AsType[*refused](err); ok {
		_ = no.res.Body.Close() // nobody reads it
	}
	if err != nil {
		x.p.o.Logger.Debug("equal scores keep the order of the first stage", keyError, err)
	}
	return o
}

// samePath is the caller's own path with other parameters.
func (x *run) samePath(query url.Values) *url.URL {
	return &url.URL{Path: x.r.URL.Path, RawPath: x.r.URL.RawPath, Opaque: rawPath(x.r), RawQuery: query.Encode()}
}

// pointInTime is the caller's own point in time, or one that is opened for this
// search and that release gives back; release is never nil.
func (x *run) pointInTime(ctx context.Context) (id string, release func(), err error) {
	release = func() {}
	id, open := x.s.PointInTime()
	if id == "" {
		opening, end := outlasting(ctx, openTimeout)
		defer end()
		if id, err = x.open(opening, open); err == nil {
			release = func() { x.close(ctx, id) }
		}
	}
	return id, release, err
}

// outlasting is a context that goes on for a time when ctx has been cancelled.
func outlasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// reword puts a refusal of the cluster to parse a part of the search into the
// words that it has where the caller put it. Refusals of another kind stay as
// they are.
func reword(err error, by func([]byte) []byte) error {
	var no *refused
	if !errors.As(err, &no) || no.res.StatusCode != http.StatusBadRequest {
		return err
	}
	source := no.res.Body
	body, readErr := readAtMost(source, no.res.ContentLength, refusalLimit)
	var again io.Reader = bytes.NewReader(body)
	if readErr != nil || len(body) == refusalLimit {
		again = io.MultiReader(again, source) // relayed as far as it goes
	} else if worded := by(body); !bytes.Equal(worded, body) {
		again = bytes.NewReader(worded)
		no.res.Header.Set("Content-Length", strconv.Itoa(len(worded)))
	}
	no.res.Body = struct {
		io.Reader
		io.Closer
	}{again, source}
	return no
}

// refusalLimit is the size up to which a refusal is looked into. Elasticsearch's
// are a few hundred bytes and quote no more than a name of the request.
const refusalLimit = 1 << 20

// answer is the final answer in the order given: out of the first stage's own, or
// from the second phase.
func (x *run) answer(ctx context.Context, o retriever.Order, start time.Time) ([]byte, error) {
	if !x.s.TwoPhase() {
		return x.first.Answer(o, time.Since(start)), nil
	}
	query, body := x.first.SecondPhase(o)
	answer, header, err := x.search(ctx, query, body)
	if err != nil {
		return nil, err
	}
	x.header = header
	return x.first.Finish(answer, o, time.Since(start))
}

// search sends a search on a point in time, which names its indices itself.
func (x *run) search(ctx context.Context, query url.Values, body []byte) ([]byte, http.Header, error) {
	return x.p.ask(ctx, x.r, http.MethodPost, &url.URL{Path: "/_search", RawQuery: query.Encode()}, body)
}

// open opens a point in time at the caller's index.
func (x *run) open(ctx context.Context, query url.Values) (id string, err error) {
	target := &url.URL{RawQuery: query.Encode()}
	if path := rawPath(x.r); path != "" {
		target.Opaque = pointInTimePath(path)
	} else {
		target.Path = pointInTimePath(x.r.URL.Path)
	}
	answer, _, err := x.p.ask(ctx, x.r, http.MethodPost, target, nil)
	if err != nil {
		return "", err
	}
	var opened struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &opened); err != nil || opened.ID == "" {
		return "", fmt.Errorf("%w: no id of a point in time in it", retriever.ErrAnswer)
	}
	return opened.ID, nil
}

// close gives a point in time back. It is done on behalf of a caller who may have
// left, so it has a time limit of its own; the cluster's is what is left if it fails.
func (x *run) close(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"id": id})
	if err == nil {
		_, _, err = x.p.ask(ctx, x.r, http.MethodDelete, &url.URL{Path: "/_pit"}, body)
	}
	if err != nil {
		x.p.o.Logger.Warn("point in time was not closed", keyError, err)
	}
}

// pointInTimePath is the path that opens a point in time where path searches.
func pointInTimePath(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(path, "/"), "_search") + "_pit"
}
