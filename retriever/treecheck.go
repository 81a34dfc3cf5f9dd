package retriever

import (
	"net/url"
	"slices"
)

// fillWindows gives a window to each reranker that the request gives none: the
// proxy's default one, at least that of the retriever above, at most what its
// child delivers.
func (t *Tree) fillWindows(o Options) {
	t.root.fillWindow(o, 1)
}

func (n *node) fillWindow(o Options, need int) {
	own := n.rerank != nil && !n.given
	if own {
		n.window = max(o.DefaultWindow, need)
	}
	for _, c := range n.children {
		c.fillWindow(o, n.window)
	}
	if own && n.children[0].window > 0 {
		n.window = min(n.window, n.children[0].window)
	}
}

// validate adds the findings about a retriever and those below it, in
// Elasticsearch's order. The page is the same for all of them.
func (n *node) validate(v *validation, p page, query url.Values) {
	if !n.compound() {
		return
	}
	if p.size != nil && *p.size > n.window && n.window >= 0 {
		v.add("[%s] requires [%s: %d] be greater than or equal to [size: %d]", n.name, n.windowKey(), n.window, *p.size)
	}
	if query.Get("allow_partial_search_results") == "true" {
		v.add("cannot specify [%s] and [allow_partial_search_results]", n.name)
	}
	if query.Has("scroll") {
		v.add("cannot specify [%s] and [scroll]", n.name)
	}
	if n.window < 0 {
		v.add("[%s] parameter cannot be negative, found [%d]", n.windowKey(), n.window)
	}
	for _, c := range n.children {
		c.validate(v, p, query)
		if c.compound() && n.window > c.window {
			v.smaller(n, c.name, c.windowKey(), c.window)
		}
	}
	*v = append(*v, n.form...)
}

// smaller is the finding that a child delivers less than its parent's window.
func (v *validation) smaller(n *node, child, key string, window int) {
	v.add("[%s] requires [%s: %d] to be smaller than or equal to its sub retriever's %s [%s: %d]",
		n.name, n.windowKey(), n.window, child, key, window)
}

// planTree checks what stands beside a tree: the final search is the caller's own
// with another query, so that little is refused.
func (s *Search) planTree() error {
	s.twoPhase = true
	if s.tree.size() > maxTreeBytes {
		return Unsupported("a tree whose retrievers have more than [%d] bytes, each with the filters of all above it", maxTreeBytes)
	}
	if err := s.refuseParameters(); err != nil {
		return err
	}
	for _, m := range s.top {
		switch m.name {
		case "slice":
			return Unsupported("[slice] beside a [%s] retriever", s.tree.root.name)
		case "pit":
			if err := s.readPointInTime(m); err != nil {
				return err
			}
		case "explain":
			s.explain = s.isOn(m)
		}
	}
	if query := s.request.Query; query.Has("explain") {
		s.explain = query.Get("explain") != "false"
	}
	return nil
}

// size is how many bytes of the request the searches of all leaves hold.
func (t *Tree) size() (n int) {
	for _, leaf := range t.leaves {
		n += leaf.body.end - leaf.body.off
		for _, f := range leaf.filters() {
			n += f.value.end - f.value.off
		}
	}
	return n
}

// refuseParameters refuses by name the URL parameters that no plan can follow.
func (s *Search) refuseParameters() error {
	for _, name := range []string{"format", "source", "search_after"} {
		if got := s.request.Query.Get(name); s.request.Query.Has(name) && (name != "format" || got != "json") {
			return Unsupported("the URL parameter [%s] beside a [%s] retriever", name, Name)
		}
	}
	return nil
}

// isOn reads a member that is a switch.
func (s *Search) isOn(m member) bool {
	return !slices.Contains([]string{`false`, `"false"`}, string(m.value.of(s.request.Body)))
}
