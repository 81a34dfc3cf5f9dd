package retriever

import (
	"fmt"
	"math"
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
			n, err = r.pageNumber(m)
			p.size = &n
		case "from":
			s.From, err = r.pageNumber(m)
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
		n, err := URLInteger(s.request.Query, name)
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

// pageNumber reads a number of the page. These are read without the object parser,
// and so with other words for what they can't be.
func (r reader) pageNumber(m member) (int, error) {
	n, err := r.integer(m)
	if err == nil {
		return n, nil
	}
	switch kind := kindOf(r.doc, m.value); kind {
	case kindString:
		return 0, BadRequest("number_format_exception", "For input string: \"%s\"", text(r.doc, m.value))
	case kindBoolean:
		token := "VALUE_" + strings.ToUpper(string(m.value.of(r.doc)))
		return 0, readerError(r.doc, m.value.end, typeSyntax, "Current token ("+token+") not numeric, can not use numeric value accessors")
	case kindNumber:
		return 0, readerError(r.doc, m.value.end, "input_coercion_exception",
			fmt.Sprintf("Numeric value (%s) out of range of int (%d - %d)", m.value.of(r.doc), math.MinInt32, math.MaxInt32))
	default:
		return 0, parsingError(r.doc, m.value.off, "Unknown key for a %s in [%s].", kind, m.name)
	}
}

// URLInteger reads a URL parameter as Elasticsearch reads a number there. The error
// is a *RequestError.
func URLInteger(q url.Values, name string) (int, error) {
	n, err := strconv.ParseInt(q.Get(name), 10, 32)
	if err != nil {
		bad := BadRequest("illegal_argument_exception", "Failed to parse int parameter [%s] with value [%s]", name, q.Get(name))
		bad.Cause.CausedBy = &Cause{Type: "number_format_exception", Reason: `For input string: "` + q.Get(name) + `"`}
		return 0, bad
	}
	return int(n), nil
}

// fillDefaults completes what the request leaves out. Without a window the
// proxy's default one holds, or what a compound child can deliver if that is
// less; the page then is Elasticsearch's ten. With one, the page is the window.
func (s *Search) fillDefaults(o Options, g given) {
	if s.InferenceID == "" {
		s.InferenceID = o.DefaultEndpoint
	}
	if !g.window {
		s.Window = o.DefaultWindow
		if s.child.window > 0 {
			s.Window = min(s.Window, s.child.window)
		}
	}
}

// fillSize finds the size of the page; given tells that it is the window where
// the request names none.
func (s *Search) fillSize(given bool, p page) {
	switch {
	case p.size != nil:
		s.Size = *p.size
	case given:
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

// validate collects every finding into one error, in Elasticsearch's order: what
// the retrievers say, then what can't stand beside them.
func (s *Search) validate(o Options, p page) error {
	var v validation
	query := s.request.Query
	if s.tree != nil {
		s.tree.root.validate(&v, p, query)
	} else {
		s.validateSingle(&v, p)
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
	s.validateWindow(&v, o)
	switch _, pit := find(s.top, "pit"); {
	case !s.request.Indexed && !pit:
		v.add("[index] is not specified")
	case s.request.Indexed && pit:
		v.add("[indices] cannot be used with point in time. Do not specify any index with point in time.")
	}
	return v.err()
}

// validateSingle checks a reranker over a child of the cluster.
func (s *Search) validateSingle(v *validation, p page) {
	n := &node{name: Name, window: s.Window, leaf: -1}
	n.validate(v, p, s.request.Query)
	if s.child.window > 0 && s.Window > s.child.window {
		v.smaller(n, s.child.name, s.child.limit, s.child.window)
	}
}

// validateWindow holds every window against what this proxy grants.
func (s *Search) validateWindow(v *validation, o Options) {
	windows := []int{s.Window}
	if s.tree != nil {
		windows = nil
		s.tree.root.walk(func(n *node) {
			if n.compound() {
				windows = append(windows, n.window)
			}
		})
	}
	for _, window := range windows {
		switch {
		case window == 0:
			v.add("[rank] requires [size] greater than [0]")
		case window > o.MaxWindow:
			v.add("[rank_window_size: %d] exceeds the limit of this proxy [limits.window: %d]", window, o.MaxWindow)
		}
	}
}

// threshold reports that documents below the least score leave the totals too:
// unranked documents count as score zero.
func (s *Search) threshold() bool {
	return s.MinScore != nil && *s.MinScore > 0 || s.floor != nil && *s.floor > 0
}
