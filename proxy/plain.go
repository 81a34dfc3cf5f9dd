package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/rerankd/rerankd/internal/rerank"
	"github.com/rerankd/rerankd/internal/xcontent"
	"github.com/rerankd/rerankd/retriever"
	"github.com/rerankd/rerankd/scorer"
)

// byRule reranks an ordinary search that a rule applies to. It is without what
// asked for it. A search whose hits can't be reordered is passed on, and so is
// one that the cluster refuses in the form that reranking needs: the answer is
// then that to the caller's own form.
func (p *Proxy) byRule(w http.ResponseWriter, q inquiry) {
	r, rule := q.r, q.rule
	start := time.Now()
	query, malformed := url.ParseQuery(r.URL.RawQuery)
	if malformed != nil || of(w).form.format == xcontent.Smile {
		q.pass(w)
		return
	}
	s, err := rule.plain(q.body, query)
	if err != nil {
		q.pass(w)
		return
	}
	rec := of(w)
	rec.route = RouteRerank
	sum := &rec.summary
	if sum.limit, err = p.deadline(r); err != nil {
		p.fail(w, r, err)
		return
	}
	r, leave, err := p.admission.admit(r, len(q.body))
	defer leave()
	if err != nil {
		p.crowded(w, q, err)
		return
	}
	sum.endpoint, sum.window, sum.parse = rule.Endpoint, rule.Window, time.Since(start)
	answer, header, err := p.askPlain(r, s, sum)
	if no, ok := errors.AsType[*refused](err); ok {
		_ = no.res.Body.Close() // of a search that the caller has not sent
		rec.route = RoutePassthrough
		q.pass(w)
		return
	}
	if err != nil {
		p.crowded(w, q, err)
		return
	}
	page, err := s.Read(answer)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	ranked, err := p.scorePlain(r, s, page, rule, sum)
	switch {
	case err != nil && (p.o.FailOnRerank || r.Context().Err() != nil):
		p.fail(w, r, err)
		return
	case err != nil:
		rec.lapse(r, err, ranked != nil)
	}
	start = time.Now()
	final := page.Answer(ranked, time.Since(rec.start))
	sum.splice = time.Since(start)
	p.answer(w, r, header, final)
}

func (p *Proxy) askPlain(r *http.Request, s *retriever.Plain, sum *summary) ([]byte, http.Header, error) {
	start := time.Now()
	defer func() { sum.upstream = time.Since(start) }()
	query, body := s.Upstream()
	out := r
	if r.Header.Get("Content-Type") == "" { // a search without a body says no type
		out = r.WithContext(r.Context())
		out.Header = r.Header.Clone()
		out.Header.Set("Content-Type", mediaJSON)
	}
	target := &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, Opaque: rawPath(r), RawQuery: query.Encode()}
	return p.ask(r.Context(), out, r.Method, target, body)
}

// scorePlain gives the order of the window. A rule's endpoint exists, and its
// texts are scored without a least score: no document may be lost.
func (p *Proxy) scorePlain(r *http.Request, s *retriever.Plain, page *retriever.PlainPage, rule *ruled, sum *summary) ([]retriever.Ranked, error) {
	texts := page.Texts()
	if len(texts) == 0 {
		return nil, nil
	}
	endpoint, ok := p.o.Endpoint(rule.Endpoint)
	if !ok {
		return nil, newError(http.StatusNotFound, "resource_not_found_exception", "Inference endpoint not found [%s]", rule.Endpoint)
	}
	ctx, cancel := context.WithTimeout(scorer.WithStats(r.Context(), &sum.scoring), sum.limit)
	defer cancel()
	ranking, err := p.score(ctx, endpoint, rerank.Request{Query: s.Query, Passages: texts}, s.Depth(), sum)
	return ranked(ranking, rerank.Choice{}), err
}
