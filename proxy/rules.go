package proxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/rerankd/rerankd/retriever"
)

// Rule has ordinary searches reranked for clients that can't put a reranker into
// the body. Without rules nothing in a request does so.
type Rule struct {
	// Index is the pattern that every index of the search's path must match; in it
	// only * is special. A search without an index matches * alone.
	Index string
	// Field is the document field whose text is scored; no pattern.
	Field string
	// Endpoint is the inference id of the scorer.
	Endpoint string
	// Window is how many of the first hits are reranked. At least 1.
	Window int
	// Always has every search of the index reranked that doesn't ask to be left
	// alone. Without it a search must ask.
	Always bool
	// FromRequest takes the text to score against from the request's header or
	// URL parameter, FromBody from the search itself where the request names none.
	FromRequest, FromBody bool
}

// What a search asks a rule by. The value of the wish is true, false, or the
// endpoint of a rule. The URL parameters stand for the headers and win.
const (
	wishHeader  = "X-Rerankd-Rerank"
	queryHeader = "X-Rerankd-Query"
	wishParam   = "rerankd"
	queryParam  = "rerankd_query"
)

// ruled is a search that a rule applies to.
type ruled struct {
	*Rule

	query string // the text to score against, "" for none named
}

// wish is what a request asks of the rules.
type wish struct{ rerank, query string }

func wishOf(r *http.Request) wish {
	query := r.URL.Query()
	return wish{
		rerank: first(query.Get(wishParam), r.Header.Get(wishHeader)),
		query:  first(query.Get(queryParam), r.Header.Get(queryHeader)),
	}
}

// ruleOf finds the first rule for a search, and returns the search without what
// asked for it. Where no rule applies, the URL stays as it is: a parameter that
// asks in vain is for the cluster to refuse.
func (p *Proxy) ruleOf(r *http.Request) (*ruled, *http.Request) {
	if len(p.o.Rules) == 0 {
		return nil, r
	}
	index, err := url.PathUnescape(chi.URLParam(r, "index"))
	if err != nil {
		return nil, r
	}
	rule := p.ruleFor(index, wishOf(r))
	if rule == nil {
		return nil, r
	}
	return rule, withoutParams(r, wishParam, queryParam)
}

// ruleFor finds the first rule for a search of an index; nil: there is none.
func (p *Proxy) ruleFor(index string, w wish) *ruled {
	names := indexNames(index)
	for i := range p.o.Rules {
		rule := &p.o.Rules[i]
		if !rule.wanted(w.rerank) || !rule.covers(names) || !utf8.ValidString(w.query) {
			continue
		}
		found := &ruled{Rule: rule}
		if rule.FromRequest {
			found.query = w.query
		}
		return found
	}
	return nil
}

// plain reads an ordinary search that the rule applies to; see
// [retriever.ParsePlain].
func (r *ruled) plain(body []byte, query url.Values) (*retriever.Plain, error) {
	return retriever.ParsePlain(retriever.Request{Body: body, Query: query},
		retriever.PlainOptions{Field: r.Field, Window: r.Window, Query: r.query, FromBody: r.FromBody})
}

// wanted tells what a search's wish means to the rule.
func (r *Rule) wanted(wish string) bool {
	switch wish {
	case "":
		return r.Always
	case "true":
		return true
	case "false":
		return false
	}
	return wish == r.Endpoint
}

func (r *Rule) covers(index []string) bool {
	return !slices.ContainsFunc(index, func(name string) bool { return !matchPattern(r.Index, name) })
}

// indexNames are the names in a search's index, as they are before the cluster
// resolves them; a search without any is one over all.
func indexNames(index string) []string {
	if index == "" || index == "_all" {
		return []string{"*"}
	}
	return strings.Split(index, ",")
}

// matchPattern reports whether the whole of name matches a pattern in which only
// * is special.
func matchPattern(pattern, name string) bool {
	head, rest, open := strings.Cut(pattern, "*")
	if !open {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name, rest = name[at+len(part):], next
	}
}

// dropOwnHeaders takes out what is meant for this program alone, on the way to
// the cluster. Without rules these headers mean nothing here.
func (p *Proxy) dropOwnHeaders(h http.Header) {
	if len(p.o.Rules) > 0 {
		h.Del(wishHeader)
		h.Del(queryHeader)
	}
}

// cutParams is a query without the parameters of some names. The others stay in
// their spelling.
func cutParams(rawQuery string, names []string) string {
	parts := slices.DeleteFunc(strings.Split(rawQuery, "&"), func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		return err == nil && slices.Contains(names, name)
	})
	return strings.Join(parts, "&")
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
