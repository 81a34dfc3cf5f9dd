package proxy

import "net/http"

// peekLimit is how much of a body is held where a reranker is only looked for to
// refuse it. The rest is looked at while it streams on.
const peekLimit = 64 << 10

// search decides whether a search is ours. It is if its body, JSON or compressed
// JSON, holds a text_similarity_reranker in its retriever tree, or if a rule
// applies. Where a body holds a reranker that can't be reached, the request is
// refused by name rather than sent to a cluster that would answer it in its own
// way.
func (p *Proxy) search(w http.ResponseWriter, r *http.Request) {
	rule, r := p.ruleOf(r)
	if q, ok := p.inquire(w, r, false); ok {
		q.rule = rule
		p.decide(w, q)
	}
}

// passUnsupported passes on a request whose body isn't to hold a reranker. Beyond
// the body limit a compressed body isn't looked into.
func (p *Proxy) passUnsupported(w http.ResponseWriter, r *http.Request, watch *nameWatch) {
	if r.Body == nil || r.Body == http.NoBody || opaque(r.Header) {
		p.pass(w, r)
		return
	}
	limit := p.o.BodyLimit
	if !packed(r.Header) {
		limit = min(limit, peekLimit)
	}
	body, err := hold(r, limit)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.passUnlessNamed(w, r, body, watch)
}

// passUnlessNamed streams a request on, and gives it up when the retriever's name
// appears in its body.
func (p *Proxy) passUnlessNamed(w http.ResponseWriter, r *http.Request, body held, watch *nameWatch) {
	if watch.find.feed(body.text) {
		p.fail(w, r, watch.named)
		return
	}
	p.pass(w, body.replay(r, watch))
}
