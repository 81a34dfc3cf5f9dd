package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rerankd/rerankd/retriever"
)

// multiSearch answers a multi search that holds a reranker: each such search on
// its own, and the others in one multi search on the cluster. A fault in one
// search's request fails the whole, as in Elasticsearch; a failure of its
// execution stays in its place. Multi searches without a reranker pass through.
func (p *Proxy) multiSearch(w http.ResponseWriter, r *http.Request) {
	q, ok := p.inquire(w, r, true)
	if !ok {
		return
	}
	if !p.o.Retriever.MayHold(q.body) && !p.ruling(r) {
		q.pass(w)
		return
	}
	if len(p.o.Rules) > 0 {
		q.wish = wishOf(r)
		q.r = withoutParams(q.r, wishParam, queryParam)
	}
	p.splitMulti(w, q, nil)
}

// multiType is the type of a multi search's body as that of one search: clients
// send lines of JSON under either name.
func multiType(h http.Header) string { return jsonLines(h.Get("Content-Type")) }

// jsonLines is the type of lines of JSON as that of one of them.
func jsonLines(contentType string) string { return strings.Replace(contentType, "x-ndjson", "json", 1) }

// multi is one search of a multi search.
type multi struct {
	item   retriever.MultiItem
	search *retriever.Search // of a reranker; nil: none
	rule   *ruled            // that applies to an ordinary search; nil: none
	index  string            // for our own
	query  url.Values
	answer []byte // as it stands in the final answer

	outcome string // what the headers of our own tell of it
}

// open reports a search that has no answer yet, and ours one that is executed here.
func (s *multi) open() bool { return s.answer == nil }

func (s *multi) ours() bool { return s.search != nil || s.rule != nil }

// reader makes the JSON of a search out of a line that may stand for one. nil:
// the line is it. errNotRendered leaves the search to the cluster.
type reader func(ctx context.Context, line []byte) ([]byte, error)

func (p *Proxy) splitMulti(w http.ResponseWriter, q inquiry, read reader) {
	start := time.Now()
	query, malformed := url.ParseQuery(q.r.URL.RawQuery)
	searches, ours, err := p.parseMulti(q, query, read)
	if err == nil && ours > 0 {
		_, err = retriever.Formatted(nil, query)
	}
	switch {
	case err == nil && ours > 0 && q.fault != nil:
		p.fail(w, q.r, q.fault)
		return
	case err == nil && ours > 0 && malformed != nil:
		p.fail(w, q.r, retriever.BadRequest("illegal_argument_exception", "malformed URL parameters"))
		return
	case err != nil:
		p.fail(w, q.r, err)
		return
	case ours == 0:
		q.pass(w)
		return
	}
	r, leave, err := p.admission.admit(q.r, len(q.body))
	defer leave()
	if err != nil {
		p.crowdedMulti(w, q, searches, err)
		return
	}
	q.r = r
	err = p.runMulti(q.r, query, searches)
	if err == nil && read != nil && p.takeBack(q, query, read, searches) > 0 {
		err = p.runMulti(q.r, query, searches)
	}
	if err != nil {
		p.failUpstream(w, q.r, err)
		return
	}
	p.answerMulti(w, q.r, query, searches, start)
}

// runMulti has every search answered that has no answer yet. The first error ends
// the others. All answers are held until the last one is there, so together they
// may have what one may.
func (p *Proxy) runMulti(r *http.Request, query url.Values, searches []multi) error {
	atOnce, err := concurrency(query)
	if err != nil {
		return err
	}
	// The group's own context would carry the error, and with it an answer of the
	// cluster to be relayed once, into the searches that it ends.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var failed error
	var once sync.Once
	var held atomic.Int64
	var group errgroup.Group
	group.SetLimit(atOnce)
	run := func(search func() error, answered ...*multi) {
		group.Go(func() error {
			err := search()
			for _, s := range answered {
				if held.Add(int64(len(s.answer))) > p.o.AnswerLimit && err == nil {
					err = answersTooLarge(p.o.AnswerLimit)
				}
			}
			if err != nil {
				once.Do(func() { failed = err })
				cancel()
			}
			return nil
		})
	}
	var plain, own []*multi // told apart before the first of them gets its answer
	for i := range searches {
		switch s := &searches[i]; {
		case !s.open():
		case s.ours():
			own = append(own, s)
		default:
			plain = append(plain, s)
		}
	}
	if len(plain) > 0 {
		run(func() error { return p.plainSearches(ctx, r, query, plain) }, plain...)
	}
	for _, s := range own {
		run(func() error { return p.oneOfMulti(ctx, r, s) }, s)
	}
	_ = group.Wait() // no search of it returns an error
	return failed
}

// oneOfMulti answers one search as if it had come alone, with its own log line
// and metrics, and keeps the answer. The error is that of a caller who left, or
// of a cluster that broke off in the middle of a refusal.
func (p *Proxy) oneOfMulti(ctx context.Context, r *http.Request, s *multi) (err error) {
	w := &memory{header: http.Header{}, limit: p.o.AnswerLimit}
	defer func() {
		broken := recover() != nil // http.ErrAbortHandler, which only a server may see
		switch {
		case w.over:
			err = answersTooLarge(p.o.AnswerLimit)
		case broken:
			err = fmt.Errorf("search: %w", errUnreachable)
		}
	}()
	whole := placeOf(ctx)
	ctx, done := partOf(ctx)
	defer done()
	one := r.Clone(ctx)
	one.Method = http.MethodPost
	path := "/_search"
	if s.index != "" {
		path = "/" + url.PathEscape(s.index) + "/_search"
	}
	one.URL = &url.URL{Path: path, RawPath: path, RawQuery: s.query.Encode()}
	if decoded, err := url.PathUnescape(path); err == nil {
		one.URL.Path = decoded
	}
	one.RequestURI = one.URL.RequestURI()
	one.Header.Set("Content-Type", multiType(r.Header))
	for _, name := range ownHeaders { // they speak of the whole, as of its compression
		one.Header.Del(name)
	}
	one.Body = http.NoBody
	p.observed(w, one, http.HandlerFunc(func(w http.ResponseWriter, one *http.Request) {
		rec := of(w)
		rec.route, rec.summary.index = RouteRerank, s.index
		if s.rule != nil {
			p.byRule(w, p.itemInquiry(one, s)) //nolint:contextcheck // it stands in the request
			return
		}
		p.rerank(w, one, s.search)
	}))
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("search: %w", context.Cause(ctx))
	}
	answer := w.body.Bytes()
	if passedOn := s.rule != nil || w.status != http.StatusOK; passedOn && !json.Valid(answer) {
		answer = newError(w.status, "upstream_exception", unreadable).Body()
	}
	s.answer, s.outcome = retriever.WithStatus(answer, w.status), w.header.Get(outcomeHeader)
	return whole.hold(int64(len(s.answer)))
}

// plainSearches has the cluster answer the searches that are not ours, in one
// multi search under the caller's own parameters.
func (p *Proxy) plainSearches(ctx context.Context, r *http.Request, query url.Values, searches []*multi) error {
	var body bytes.Buffer
	for _, s := range searches {
		for _, line := range [][]byte{s.item.Header, s.item.Body} {
			body.Write(line)
			body.WriteByte('\n')
		}
	}
	rest := url.Values{}
	for name, values := range query {
		if name != "filter_path" && name != "pretty" {
			rest[name] = values
		}
	}
	target := &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, Opaque: rawPath(r), RawQuery: rest.Encode()}
	answer, _, err := p.ask(ctx, r, r.Method, target, body.Bytes())
	if no, ok := errors.AsType[*refused](err); ok {
		no.hold() // ctx ends with the first error
	}
	if err != nil {
		return err
	}
	answers, err := retriever.MultiAnswers(answer)
	if err == nil && len(answers) != len(searches) {
		err = fmt.Errorf("%w: %d answers to %d searches", retriever.ErrAnswer, len(answers), len(searches))
	}
	if err != nil {
		return err
	}
	for i, s := range searches {
		s.answer = answers[i]
	}
	return nil
}

// answerMulti puts the answers together in the order of the searches.
func (p *Proxy) answerMulti(w http.ResponseWriter, r *http.Request, query url.Values, searches []multi, start time.Time) {
	answer := fmt.Appendf(nil, `{"took":%d,"responses":[`, time.Since(start).Milliseconds())
	for i, s := range searches {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = append(answer, s.answer...)
	}
	answer, err := retriever.Formatted(append(answer, "]}"...), query)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set(productHeader, product)
	h.Set("Content-Type", answerType(r))
	deliver(w, r, answer)
}

// memory is an [http.ResponseWriter] that keeps the answer, up to a limit.
type memory struct {
	header http.Header
	status int
	body   bytes.Buffer
	limit  int64
	over   bool // the answer has more
}

var errMemory = errors.New("the answer is too large to be kept")

func (m *memory) Header() http.Header { return m.header }

func (m *memory) WriteHeader(status int) { m.status = status }

func (m *memory) Write(p []byte) (int, error) {
	if m.over = m.over || int64(m.body.Len()+len(p)) > m.limit; m.over {
		return 0, errMemory
	}
	return m.body.Write(p)
}
