package proxy

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/rerankd/rerankd/internal/xcontent"
	"github.com/rerankd/rerankd/retriever"
)

// inquiry is one search on its way in: as it came, and as the JSON at the path of
// a _search that it stands for.
type inquiry struct {
	pass  func(http.ResponseWriter) // passes it on as it came, byte for byte
	r     *http.Request             // the search to execute in its place
	body  []byte                    // of r
	rule  *ruled                    // that applies to it; nil: none
	wish  wish                      // what a multi search asks of the rules
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
	r, leave, ok := p.admit(w, q.r, q.body)
	if !ok {
		return
	}
	defer leave()
	p.rerank(w, r, s)
}

// ordinary passes on a search without a reranker, unless a rule applies.
func (p *Proxy) ordinary(w http.ResponseWriter, q inquiry) {
	if q.rule == nil {
		q.pass(w)
		return
	}
	of(w).summary.index = chi.URLParam(q.r, "index")
	p.byRule(w, q)
}

// inquire reads a search's JSON, from its body or from the URL. What can't hold a
// reranker is passed on, and what may hold one that can't be reached is refused;
// ok then is false. The body of several searches is lines of JSON, which clients
// send under either name. From here on answers have the form that r asks for.
func (p *Proxy) inquire(w http.ResponseWriter, r *http.Request, several bool) (q inquiry, ok bool) {
	rec := of(w)
	rec.form = formOf(r)
	if r.Body == nil || r.Body == http.NoBody {
		q, ok = p.inquireURL(w, r)
	} else {
		q, ok = p.inquireBody(w, r, several)
	}
	if ok && !rec.form.json() {
		q.r = inJSON(q.r)
	}
	if rec.form.format == xcontent.Smile {
		q.fault = retriever.Unsupported("a [%s] with an answer of type [%s]; ask for another", retriever.Name, rec.form.format)
	}
	return q, ok
}

func (p *Proxy) inquireBody(w http.ResponseWriter, r *http.Request, several bool) (q inquiry, ok bool) {
	contentType := r.Header.Get("Content-Type")
	if several {
		contentType = jsonLines(contentType)
	}
	format, _, _ := xcontent.Of(contentType)
	switch {
	case format == "", opaque(r.Header):
		p.pass(w, r) // Elasticsearch refuses the type, and knows the encoding or refuses it
		return q, false
	case format == xcontent.Smile, format != xcontent.JSON && several:
		p.passUnsupported(w, r, otherWatch(format, contentType))
		return q, false
	}
	body, err := hold(r, p.o.BodyLimit)
	switch {
	case err != nil:
		p.fail(w, r, err)
		return q, false
	case body.over:
		p.passUnlessNamed(w, r, body, &nameWatch{find: &nameFinder{anywhere: format == xcontent.CBOR}, named: tooLarge(p.o.BodyLimit)})
		return q, false
	}
	q = inquiry{pass: func(w http.ResponseWriter) { p.pass(w, body.replay(r, nil)) }, r: r, body: body.text}
	if !body.whole {
		q.pass(w)
		return q, false
	}
	return p.translated(w, q, format)
}

// translated reads a body of another format than JSON as JSON. One without the
// reranker's name is passed on unread.
func (p *Proxy) translated(w http.ResponseWriter, q inquiry, format xcontent.Format) (inquiry, bool) {
	if format == xcontent.JSON {
		return q, true
	}
	if !retriever.MayHold(q.body) {
		q.pass(w)
		return q, false
	}
	body, err := xcontent.ToJSON(format, q.body)
	if err != nil {
		p.fail(w, q.r, retriever.Unsupported("a [%s] in this body of type [%s], %v; send JSON", retriever.Name, format, err))
		return q, false
	}
	q.r, q.body = inJSON(q.r), body
	return q, true
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
	format, _, known := xcontent.Of(jsonLines(contentType))
	switch {
	case !known:
		q.pass(w) // Elasticsearch takes neither without the other
		return q, false
	case format == xcontent.Smile:
		if watch := otherWatch(format, contentType); watch.find.feed([]byte(source)) {
			p.fail(w, r, watch.named)
		} else {
			q.pass(w)
		}
		return q, false
	}
	q.r = withoutParams(r, sourceParam, sourceTypeParam)
	q.r.Header = r.Header.Clone()
	q.r.Header.Set("Content-Type", contentType)
	q.body = []byte(source)
	return p.translated(w, q, format)
}

// otherWatch looks for the retriever's name in a body that isn't read.
func otherWatch(format xcontent.Format, contentType string) *nameWatch {
	return &nameWatch{
		find:  &nameFinder{anywhere: format != xcontent.YAML},
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
