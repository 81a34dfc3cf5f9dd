package proxy

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-chi/chi/v5"

	"github.com/rerankd/rerankd/retriever"
)

// parseMulti reads every search; ours is how many of them hold a reranker.
func (p *Proxy) parseMulti(q inquiry, query url.Values, read reader) (searches []multi, ours int, err error) {
	items, err := retriever.SplitMulti(q.body)
	if err != nil {
		if !(&nameFinder{}).feed(q.body) {
			err = nil // no reranker is in it: what is wrong with it is the cluster's to say
		}
		return nil, 0, err
	}
	searches = make([]multi, len(items))
	for i, item := range items {
		s := &searches[i]
		s.item = item
		if p.o.Retriever.MayHold(item.Body) {
			if err := p.parseItem(q.r, s, query, read); err != nil {
				return nil, 0, err
			}
		}
		if read == nil && s.search == nil && len(p.o.Rules) > 0 && ours < mostOfMulti {
			p.ruleItem(q.r, s, query, q.wish)
		}
		if s.ours() || !s.open() {
			ours++
		}
	}
	if ours > mostOfMulti {
		return nil, 0, tooManyOfMulti()
	}
	return searches, ours, nil
}

// sharedParameters are those of a multi search's URL that its searches inherit.
var sharedParameters = []string{"typed_keys", "rest_total_hits_as_int", "human", "error_trace", "search_type", "ccs_minimize_roundtrips"}

// target is the index of one search of the multi search r, and what it takes as
// URL parameters: its own, and those that it inherits.
func (s *multi) target(r *http.Request, query url.Values) (index string, own url.Values, err error) {
	index, own, err = s.item.Target()
	if err != nil {
		return "", nil, err
	}
	if index == "" {
		index = chi.URLParam(r, "index")
		if decoded, err := url.PathUnescape(index); err == nil {
			index = decoded
		}
	}
	for _, name := range sharedParameters {
		if query.Has(name) && !own.Has(name) {
			own[name] = query[name]
		}
	}
	return index, own, nil
}

// parseItem reads one search of the multi search r. A search without a reranker
// stays the cluster's. A fault in what a template gives is that search's own
// answer.
func (p *Proxy) parseItem(r *http.Request, s *multi, query url.Values, read reader) error {
	index, own, err := s.target(r, query)
	if err != nil {
		return err
	}
	body := s.item.Body
	if read != nil {
		if body, err = read(r.Context(), body); errors.Is(err, errNotRendered) {
			return nil
		} else if err != nil {
			return err
		}
	}
	search, err := retriever.Parse(retriever.Request{
		Body: body, Query: own, Indexed: index != "", Passages: wantsPassages(r),
	}, p.o.Retriever)
	fault, faulty := errors.AsType[*retriever.RequestError](err)
	switch {
	case errors.Is(err, retriever.ErrNotOurs):
		return nil
	case faulty && read != nil:
		s.answer = fault.Body()
		return nil
	case err != nil:
		return err
	}
	s.search, s.index, s.query = search, index, own
	return nil
}

// ruling reports that a rule may apply to searches of a multi search.
func (p *Proxy) ruling(r *http.Request) bool {
	if len(p.o.Rules) == 0 {
		return false
	}
	w := wishOf(r)
	return slices.ContainsFunc(p.o.Rules, func(rule Rule) bool { return rule.wanted(w.rerank) })
}

// ruleItem looks for a rule for an ordinary search. What can't be reordered stays
// the cluster's, and so does what is wrong with it.
func (p *Proxy) ruleItem(r *http.Request, s *multi, query url.Values, w wish) {
	index, own, err := s.target(r, query)
	if err != nil {
		return
	}
	rule := p.ruleFor(index, w)
	if rule == nil {
		return
	}
	if _, err := rule.plain(s.item.Body, own); err == nil {
		s.rule, s.index, s.query = rule, index, own
	}
}

// itemInquiry is a ruled search of a multi search as one that came alone.
func (p *Proxy) itemInquiry(one *http.Request, s *multi) inquiry {
	pass := func(w http.ResponseWriter) {
		again := one.Clone(one.Context())
		again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(s.item.Body)), int64(len(s.item.Body))
		p.pass(w, again)
	}
	return inquiry{pass: pass, r: one, body: s.item.Body, rule: s.rule}
}
