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

// inquiry is one search on its way in: as it came, and as the JSON at the path of
// a _search that it stands for.
type inquiry struct {
	pass  func(http.ResponseWriter) // passes it on as it came, byte for byte
	r     *http.Request             // the search to execute in its place
	body  []byte                    // of r
	rule  *ruled                    // that applies to it; nil: none
	fault error                     // what is wrong with it beside the body; reported if it is ours
}

// decide reranks a search that holds a reranker or that a rule applies to, and
// passes any other on.
func (p *Proxy) decide(w http.ResponseWriter, q inquiry) {
	if !p.o.Retriever.MayHold(q.body) {
		p.ordinary(w, q)
		return
	}
	start := time.Now()
	query, malformed := url.ParseQuery(q.r.URL.RawQuery)
	index := chi.URLParam(q.r, "index")
	s, err := retriever.Parse(retriever.Request{
		Body: q.body, Query: query, Indexed: index != "", Passages: wantsPassages(q.r),
	}, p.o.Retriever)
	if errors.Is(err, retriever.ErrNotOurs) {
		p.ordinary(w, q)
		return
	}
	rec := of(w)
	rec.route, rec.summary.index = RouteRerank, index
	switch {
	case malformed != nil:
		err = retriever.BadRequest("illegal_argument_exception", "malformed URL parameters")
	case q.fault != nil:
		err = q.fault
	}
	if err != nil {
		p.fail(w, q.r, err)
		return
	}
	rec.summary.parse = time.Since(start)
	p.rerank(w, q.r, s)
}

// ordinary passes on a search without a reranker, unless a rule applies.
func (p *Proxy) ordinary(w http.ResponseWriter, q inquiry) {
	if q.rule == nil {
		q.pass(w)
		return
	}
	p.byRule(w, q)
}

// inquire reads a search's JSON, from its body or from the URL. What can't hold a
// reranker is passed on, and what may hold one that can't be reached is refused;
// ok then is false. The body of several searches is lines of JSON, which clients
// send under either name.
func (p *Proxy) inquire(w http.ResponseWriter, r *http.Request, several bool) (q inquiry, ok bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return p.inquireURL(w, r)
	}
	contentType := r.Header.Get("Content-Type")
	if several {
		contentType = jsonLines(contentType)
	}
	switch kind := kindOfMedia(contentType); {
	case kind == mediaOther, opaque(r.Header):
		p.pass(w, r) // Elasticsearch refuses the type, and knows the encoding or refuses it
		return q, false
	case kind == mediaBinary:
		p.passUnsupported(w, r, binaryWatch(contentType))
		return q, false
	}
	body, err := hold(r, p.o.BodyLimit)
	switch {
	case err != nil:
		p.fail(w, r, err)
	case body.over:
		p.passUnlessNamed(w, r, body, &nameWatch{find: &nameFinder{}, named: tooLarge(p.o.BodyLimit)})
	case !body.whole:
		p.pass(w, body.replay(r, nil))
	default:
		return inquiry{pass: func(w http.ResponseWriter) { p.pass(w, body.replay(r, nil)) }, r: r, body: body.text}, true
	}
	return q, false
}

// The URL parameters that stand for a body and its type.
const (
	sourceParam     = "source"
	sourceTypeParam = "source_content_type"
)

// inquireURL reads a search without a body: the body may stand in the URL.
func (p *Proxy) inquireURL(w http.ResponseWriter, r *http.Request) (q inquiry, ok bool) {
	q = inquiry{pass: func(w http.ResponseWriter) { p.pass(w, r) }, r: r}
	query := r.URL.Query()
	source, contentType := query.Get(sourceParam), query.Get(sourceTypeParam)
	if source == "" {
		return q, true
	}
	switch {
	case !query.Has(sourceTypeParam):
		p.pass(w, r) // Elasticsearch takes neither without the other
		return q, false
	case kindOfMedia(jsonLines(contentType)) != mediaText:
		if holdsName([]byte(source)) {
			p.fail(w, r, binaryWatch(contentType).named)
		} else {
			p.pass(w, r)
		}
		return q, false
	}
	q.r = withoutParams(r, sourceParam, sourceTypeParam)
	q.r.Header = r.Header.Clone()
	q.r.Header.Set("Content-Type", contentType)
	q.body = []byte(source)
	return q, true
}

// binaryWatch looks for the retriever's name in a body that isn't read.
func binaryWatch(contentType string) *nameWatch {
	return &nameWatch{
		find:  &nameFinder{anywhere: !strings.Contains(strings.ToLower(contentType), "yaml")},
		named: retriever.Unsupported("a [%s] in a body of type [%s]; send JSON", retriever.Name, clip(contentType)),
	}
}

// asSearch is r at the path of the search that it stands for: tail, the end of
// its path, is replaced with _search.
func asSearch(r *http.Request, tail string) *http.Request {
	swap := func(path string) string {
		if path == "" {
			return ""
		}
		return strings.TrimSuffix(strings.TrimSuffix(path, "/"), tail) + "_search"
	}
	out := r.WithContext(r.Context())
	u := *r.URL
	u.Path, u.RawPath = swap(u.Path), swap(u.RawPath)
	out.URL = &u
	path, _, _ := strings.Cut(r.RequestURI, "?")
	out.RequestURI = swap(path)
	return out
}

// withoutParams is r without some of its URL parameters. The others stay in their
// spelling.
func withoutParams(r *http.Request, names ...string) *http.Request {
	out := r.WithContext(r.Context())
	u := *r.URL
	u.RawQuery = cutParams(u.RawQuery, names)
	out.URL = &u
	return out
}
