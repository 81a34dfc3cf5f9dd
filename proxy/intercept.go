package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/rerankd/rerankd/retriever"
)

// peekLimit is how much of a body is held where a reranker is only looked for to
// refuse it. The rest is looked at while it streams on.
const peekLimit = 64 << 10

// search decides whether a search is ours. It is if its body, JSON or compressed
// JSON, holds a text_similarity_reranker in its retriever tree. Where a body
// holds one that can't be reached, the request is refused by name rather than
// sent to a cluster that would answer it in its own way.
//
// Where a rule applies, an ordinary search is ours as well.
func (p *Proxy) search(w http.ResponseWriter, r *http.Request) {
	rule, r := p.ruleOf(r)
	if r.Body == nil || r.Body == http.NoBody {
		p.searchWithoutBody(w, r, rule)
		return
	}
	contentType := r.Header.Get("Content-Type")
	kind := kindOfMedia(contentType)
	switch {
	case kind == mediaOther, opaque(r.Header):
		p.pass(w, r) // Elasticsearch refuses the type, and knows the encoding or refuses it
		return
	case kind == mediaBinary:
		p.passUnsupported(w, r, &nameWatch{
			find:  &nameFinder{anywhere: !strings.Contains(strings.ToLower(contentType), "yaml")},
			named: retriever.Unsupported("a [%s] in a body of type [%s]; send JSON", retriever.Name, clip(contentType)),
		})
		return
	}
	body, err := hold(r, p.o.BodyLimit)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	switch {
	case body.over:
		p.passUnlessNamed(w, r, body, &nameWatch{find: &nameFinder{}, named: tooLarge(p.o.BodyLimit)})
	case !body.whole:
		p.pass(w, body.replay(r, nil))
	case p.o.Retriever.MayHold(body.text):
		p.parse(w, r, body, rule)
	default:
		p.ordinary(w, r, body, rule)
	}
}

// ordinary passes on a search without a reranker, unless a rule applies.
func (p *Proxy) ordinary(w http.ResponseWriter, r *http.Request, body held, rule *ruled) {
	if rule == nil {
		p.pass(w, body.replay(r, nil))
		return
	}
	p.byRule(w, r, body, rule)
}

// parse reads a body that may hold a reranker, and reranks or passes it on.
func (p *Proxy) parse(w http.ResponseWriter, r *http.Request, body held, rule *ruled) {
	start := time.Now()
	query, malformed := url.ParseQuery(r.URL.RawQuery)
	index := chi.URLParam(r, "index")
	s, err := retriever.Parse(retriever.Request{Body: body.text, Query: query, Indexed: index != ""}, p.o.Retriever)
	if errors.Is(err, retriever.ErrNotOurs) {
		p.ordinary(w, r, body, rule)
		return
	}
	rec := of(w)
	rec.route, rec.summary.index = RouteRerank, index
	if malformed != nil {
		err = retriever.BadRequest("illegal_argument_exception", "malformed URL parameters")
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	rec.summary.parse = time.Since(start)
	p.rerank(w, r, s)
}

// searchWithoutBody passes on a search whose body, if any, is in the URL.
func (p *Proxy) searchWithoutBody(w http.ResponseWriter, r *http.Request, rule *ruled) {
	if source := r.URL.Query().Get("source"); holdsName([]byte(source)) {
		p.fail(w, r, retriever.Unsupported("a [%s] in the URL parameter [source]; send it as the body", retriever.Name))
		return
	}
	p.ordinary(w, r, held{whole: true, plain: true}, rule)
}

// unsupported passes on what arrives at a path of searches that aren't reranked
// yet, and refuses by name those that hold a reranker.
func (p *Proxy) unsupported(path string) http.HandlerFunc {
	refusal := retriever.Unsupported("a [%s] in [%s]; send it to [_search]", retriever.Name, path)
	return func(w http.ResponseWriter, r *http.Request) {
		if source := r.URL.Query().Get("source"); holdsName([]byte(source)) {
			p.fail(w, r, refusal)
			return
		}
		p.passUnsupported(w, r, &nameWatch{find: &nameFinder{}, named: refusal})
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
	if !gzipped(r.Header) {
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
