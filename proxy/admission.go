package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	"github.com/rerankd/rerankd/retriever"
)

// errNoPlace marks a request that is refused because of the others that are here.
var errNoPlace = errors.New("no place is left")

// admission bounds what requests with work for a model take from when they are
// known to be such until they are answered: how many there are, and how many bytes
// of their bodies and of the cluster's answers they hold together. Whoever finds no
// place is refused at once: nothing of its work has been done then, neither here
// nor on the cluster, and its client may try again. What passes through needs no
// place. It is safe for concurrent use.
type admission struct {
	mostRequests int
	mostBytes    int64

	mu       sync.Mutex
	requests int
	bytes    int64
}

// place is that of one request. The searches of a multi search share one.
type place struct {
	admission *admission
	bytes     int64 // held; guarded by admission.mu, as left is
	left      bool  // what is held from now on is no matter of the place any more
}

type placeKey struct{}

func placeOf(ctx context.Context) *place {
	p, _ := ctx.Value(placeKey{}).(*place)
	return p
}

// admit gives a place to a request whose body has so many bytes. leave gives it
// back with all that it holds. A request that has a place keeps it.
func (a *admission) admit(r *http.Request, body int) (admitted *http.Request, leave func(), err error) {
	if placeOf(r.Context()) != nil {
		return r, func() {}, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.requests >= a.mostRequests {
		return r, func() {}, fmt.Errorf("%w: %w", errNoPlace, tooManyRequests(a.mostRequests))
	}
	p := &place{admission: a}
	if err := p.take(int64(body)); err != nil {
		return r, func() {}, err
	}
	a.requests++
	return r.WithContext(context.WithValue(r.Context(), placeKey{}, p)), p.leave, nil
}

// take counts n bytes more. The caller holds admission.mu.
func (p *place) take(n int64) error {
	if p.admission.bytes+n > p.admission.mostBytes {
		return fmt.Errorf("%w: %w", errNoPlace, tooManyBytes(p.admission.mostBytes))
	}
	p.admission.bytes += n
	p.bytes += n
	return nil
}

// hold counts n bytes more that the request holds. Without a place nothing counts.
func (p *place) hold(n int64) error {
	if p == nil {
		return nil
	}
	p.admission.mu.Lock()
	defer p.admission.mu.Unlock()
	if p.left {
		return nil
	}
	return p.take(n)
}

// free gives back what the request holds. The caller holds admission.mu.
func (p *place) free() {
	p.admission.bytes -= p.bytes
	p.bytes, p.left = 0, true
}

func (p *place) leave() {
	p.admission.mu.Lock()
	defer p.admission.mu.Unlock()
	p.admission.requests--
	p.free()
}

// partOf is a context for a part of a request, as a search of a multi search: what
// it holds is given back when it is done, and the place stays the request's.
func partOf(ctx context.Context) (part context.Context, done func()) {
	whole := placeOf(ctx)
	if whole == nil {
		return ctx, func() {}
	}
	p := &place{admission: whole.admission}
	return context.WithValue(ctx, placeKey{}, p), func() {
		p.admission.mu.Lock()
		defer p.admission.mu.Unlock()
		p.free()
	}
}

// load tells how many requests have a place, and how many bytes they hold.
func (a *admission) load() (requests int, bytes int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests, a.bytes
}

// counted is r, each byte of which is held by the request of the context.
func counted(ctx context.Context, r io.Reader) io.Reader {
	if p := placeOf(ctx); p != nil {
		return &countedReader{r, p}
	}
	return r
}

type countedReader struct {
	r     io.Reader
	place *place
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if full := c.place.hold(int64(n)); full != nil {
		return n, full
	}
	return n, err
}

// admit gives a request its place, or answers that there is none; ok is false then.
func (p *Proxy) admit(w http.ResponseWriter, r *http.Request, body []byte) (admitted *http.Request, leave func(), ok bool) {
	admitted, leave, err := p.admission.admit(r, len(body))
	if err != nil {
		of(w).route = RouteRerank
		p.fail(w, r, err)
	}
	return admitted, leave, err == nil
}

// crowded answers a search that only a rule would have reranked, and that got no
// answer of the cluster to rerank. If that was for want of a place it passes
// through, unless the configuration wants it to fail: to the cluster it is the
// search that it was, and nothing of it is held here.
func (p *Proxy) crowded(w http.ResponseWriter, q inquiry, err error) {
	rec := of(w)
	rec.route = RouteRerank
	if !errors.Is(err, errNoPlace) || p.o.FailOnRerank {
		p.fail(w, q.r, err)
		return
	}
	rec.summary.reason = OutcomeOverloaded
	tellDegraded(w.Header(), OutcomeOverloaded)
	q.pass(w)
	if rec.outcome == OutcomeOK {
		rec.outcome, rec.err = OutcomeDegraded, err
	}
}

// crowdedMulti is crowded for a multi search: one that asks for a reranker itself is
// refused.
func (p *Proxy) crowdedMulti(w http.ResponseWriter, q inquiry, searches []multi, err error) {
	if slices.ContainsFunc(searches, func(s multi) bool { return s.search != nil || !s.open() }) {
		of(w).route = RouteRerank
		p.fail(w, q.r, err)
		return
	}
	p.crowded(w, q, err)
}

// Load tells how many requests with work for a model are here at the moment, and
// how many bytes of bodies and answers they hold together.
func (p *Proxy) Load() (requests int, bytes int64) { return p.admission.load() }

// tooManyRequests is the 429 for a request beyond the number of those that are
// handled at the same time.
func tooManyRequests(most int) *retriever.RequestError {
	return newError(http.StatusTooManyRequests, rejected,
		"rejected execution of a request with a [%s]: [%d] are executed already, by [limits.searches] of rerankd", retriever.Name, most)
}

// tooManyBytes is the 429 for a request that would hold more than there is room for.
func tooManyBytes(most int64) *retriever.RequestError {
	return newError(http.StatusTooManyRequests, rejected,
		"rejected execution of a request with a [%s]: bodies and answers of those that are executed have [%d] bytes together, by [limits.held_bytes] of rerankd",
		retriever.Name, most)
}
