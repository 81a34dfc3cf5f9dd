package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/rerankd/rerankd/retriever"
)

// templateTail is the end of the path of a search by template.
const templateTail = "_search/template"

// searchTemplate has the cluster render a template that may hold a reranker, and
// executes what comes out. A stored template isn't known to hold one until the
// cluster, which doesn't know it or has no licence for it, refuses it by its name.
func (p *Proxy) searchTemplate(w http.ResponseWriter, r *http.Request) {
	q, ok := p.inquire(w, r, false)
	switch {
	case !ok:
		return
	case p.o.Retriever.MayHold(q.body):
	case !retriever.Stored(q.body):
		q.pass(w)
		return
	default:
		first := newTentative(of(w), refusalLimit, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound)
		q.pass(first)
		if !first.kept() {
			return
		}
		q.pass = func(http.ResponseWriter) { first.giveUp() }
		if !refusesReranker(first.text()) {
			q.pass(w)
			return
		}
	}
	body, err := p.render(r.Context(), q.r, q.body)
	switch {
	case errors.Is(err, errNotRendered), errors.Is(err, retriever.ErrAnswer):
		q.pass(w) // what is wrong with the template is the cluster's to say
		return
	case err != nil:
		p.fail(w, r, err)
		return
	}
	q.r, q.body = asSearch(q.r, templateTail), body
	p.decide(w, q)
}

// errNotRendered marks a template that the cluster doesn't render.
var errNotRendered = errors.New("the template was not rendered")

// render has the cluster render a template with the caller's credentials.
func (p *Proxy) render(ctx context.Context, r *http.Request, template []byte) ([]byte, error) {
	answer, _, err := p.ask(ctx, r, http.MethodPost, &url.URL{Path: "/_render/template"}, template)
	if no, ok := errors.AsType[*refused](err); ok {
		_ = no.res.Body.Close() // the caller has not asked for it
		return nil, errNotRendered
	}
	if err != nil {
		return nil, err
	}
	body, err := retriever.Rendered(answer, template)
	if err != nil {
		return nil, errNotRendered
	}
	return body, nil
}

// multiTemplate answers a multi search by templates, each of which may hold a
// reranker; see searchTemplate. The answer to stored ones is looked through for
// the refusal of a reranker before it goes to the caller.
func (p *Proxy) multiTemplate(w http.ResponseWriter, r *http.Request) {
	q, ok := p.inquire(w, r, true)
	if !ok {
		return
	}
	read := func(ctx context.Context, line []byte) ([]byte, error) { return p.render(ctx, asJSON(q.r), line) }
	switch {
	case p.o.Retriever.MayHold(q.body):
		p.splitMulti(w, q, read)
	case retriever.Stored(q.body):
		first := newTentative(of(w), p.o.AnswerLimit, http.StatusOK)
		q.pass(first)
		if first.kept() {
			p.storedOfMulti(w, q, read, first)
		}
	default:
		q.pass(w)
	}
}

// storedOfMulti gives the cluster's answer on, with those searches executed here
// that the cluster has refused for their reranker.
func (p *Proxy) storedOfMulti(w http.ResponseWriter, q inquiry, read reader, first *tentative) {
	start := time.Now()
	query := q.r.URL.Query()
	searches := p.answered(q, first)
	if p.takeBack(q, query, read, searches) == 0 {
		first.giveUp()
		return
	}
	r, leave, ok := p.admit(w, q.r, q.body)
	if !ok {
		return
	}
	defer leave()
	if err := p.runMulti(r, query, searches); err != nil {
		p.failUpstream(w, q.r, err)
		return
	}
	p.answerMulti(w, q.r, query, searches, start)
}

// answered pairs the searches with the answers that the cluster gave; nil when
// none of them speaks of a reranker.
func (p *Proxy) answered(q inquiry, first *tentative) []multi {
	if !refusesReranker(first.text()) {
		return nil
	}
	items, err := retriever.SplitMulti(q.body)
	if err != nil {
		return nil
	}
	answers, err := retriever.MultiAnswers(first.text())
	if err != nil || len(answers) != len(items) {
		return nil
	}
	searches := make([]multi, len(items))
	for i := range items {
		searches[i] = multi{item: items[i], answer: answers[i]}
	}
	return searches
}

// takeBack reads those searches again whose answer is the cluster's refusal of a
// reranker, so that they are executed here, and returns how many there are.
func (p *Proxy) takeBack(q inquiry, query url.Values, read reader, searches []multi) int {
	ours := 0
	for i := range searches {
		s := &searches[i]
		if s.search != nil || !retriever.Refused(s.answer) || !refusesReranker(s.answer) {
			continue
		}
		// What can't be read keeps the cluster's refusal.
		if err := p.parseItem(q.r, s, query, read); err == nil && s.search != nil {
			s.answer = nil
			ours++
		}
	}
	return ours
}

// asJSON is a request of lines of JSON as one of a single JSON.
func asJSON(r *http.Request) *http.Request {
	out := r.WithContext(r.Context())
	out.Header = r.Header.Clone()
	out.Header.Set("Content-Type", multiType(r.Header))
	return out
}
