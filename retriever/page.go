package retriever

import (
	"net/url"
	"strconv"
	"strings"
)

// page is the size the request names, in its URL or its body; nil: none.
type page struct{ size *int }

// parsePage reads the top-level members that concern the page and the scores.
// The URL wins over the body, as in every search.
func (s *Search) parsePage() (page, error) {
	r := reader{doc: s.request.Body, parser: "search"}
	var p page
	for _, m := range s.top {
		var err error
		switch m.name {
		case "size":
			var n int
			n, err = r.integer(m)
			p.size = &n
		case "from":
			s.From, err = r.integer(m)
		case "min_score":
			var f float32
			f, err = r.float(m)
			s.floor = &f
		}
		if err != nil {
			return page{}, err
		}
	}
	for _, name := range []string{"size", "from"} {
		if !s.request.Query.Has(name) {
			continue
		}
		n, err := urlInteger(s.request.Query, name)
		if err != nil {
			return page{}, err
		}
		if name == "size" {
			p.size = &n
		} else {
			s.From = n
		}
	}
	if p.size != nil && *p.size < 0 {
		return page{}, BadRequest("illegal_argument_exception", "[size] parameter cannot be negative, found [%d]", *p.size)
	}
	if s.From < 0 {
		return page{}, BadRequest("illegal_argument_exception", "[from] parameter cannot be negative but was [%d]", s.From)
	}
	return p, nil
}

func urlInteger(q url.Values, name string) (int, error) {
	n, err := strconv.ParseInt(q.Get(name), 10, 32)
	if err != nil {
		return 0, BadRequest("illegal_argument_exception", "Failed to parse int parameter [%s] with value [%s]", name, q.Get(name))
	}
	return int(n), nil
}

// fillDefaults completes what the request leaves out. Without a window the
// proxy's default one holds, or what a compound child can deliver if that is
// less; the page then is Elasticsearch's ten. With one, the page is the window.
func (s *Search) fillDefaults(o Options, g given, p page) {
	if s.InferenceID == "" {
		s.InferenceID = o.DefaultEndpoint
	}
	if !g.window {
		s.Window = o.DefaultWindow
		if s.child.window > 0 {
			s.Window = min(s.Window, s.child.window)
		}
	}
	switch {
	case p.size != nil:
		s.Size = *p.size
	case g.window:
		s.Size = s.Window
	default:
		s.Size = min(DefaultPage, s.Window)
	}
}

// exclusive are the members that can't stand beside a retriever, in the order
// in which Elasticsearch lists them, with the URL parameter that means the same.
var exclusive = []struct{ name, parameter string }{
	{"query", "q"},
	{"knn", ""},
	{"search_after", ""},
	{"terminate_after", "terminate_after"},
	{"sort", "sort"},
	{"rank", ""},
	{"rescore", ""},
}

// validate collects every finding into one error, in Elasticsearch's order.
func (s *Search) validate(o Options, g given, p page) error {
	var v validation
	query := s.request.Query
	if p.size != nil && *p.size > s.Window && s.Window >= 0 {
		v.add("[%s] requires [rank_window_size: %d] be greater than or equal to [size: %d]", Name, s.Window, *p.size)
	}
	if query.Get("allow_partial_search_results") == "true" {
		v.add("cannot specify [%s] and [allow_partial_search_results]", Name)
	}
	if query.Has("scroll") {
		v.add("cannot specify [%s] and [scroll]", Name)
	}
	if s.child.window > 0 && s.Window > s.child.window {
		v.add("[%s] requires [rank_window_size: %d] to be smaller than or equal to its sub retriever's %s [%s: %d]",
			Name, s.Window, s.child.name, s.child.limit, s.child.window)
	}
	var beside []string
	for _, e := range exclusive {
		if _, ok := find(s.top, e.name); ok || (e.parameter != "" && query.Has(e.parameter)) {
			beside = append(beside, e.name)
		}
	}
	if len(beside) > 0 {
		v.add("cannot specify [retriever] and [%s]", strings.Join(beside, ", "))
	}
	switch {
	case s.Window < 0:
		v.add("[rank_window_size] parameter cannot be negative, found [%d]", s.Window)
	case s.Window == 0:
		v.add("[rank] requires [size] greater than [0]")
	case g.window && s.Window > o.MaxWindow:
		v.add("[rank_window_size: %d] exceeds the limit of this proxy [limits.window: %d]", s.Window, o.MaxWindow)
	}
	switch _, pit := find(s.top, "pit"); {
	case !s.request.Indexed && !pit:
		v.add("[index] is not specified")
	case s.request.Indexed && pit:
		v.add("[indices] cannot be used with point in time. Do not specify any index with point in time.")
	}
	return v.err()
}

// threshold reports that documents below the least score leave the totals too:
// unranked documents count as score zero.
func (s *Search) threshold() bool {
	return s.MinScore != nil && *s.MinScore > 0 || s.floor != nil && *s.floor > 0
}
