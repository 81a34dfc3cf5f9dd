package retriever

import (
	"errors"
	"fmt"
	"slices"
)

// treeParser reads a tree of retrievers. Faults are reported in the order in
// which they stand in the text.
type treeParser struct {
	search    *Search
	doc       []byte
	options   Options
	leaves    []*node
	rerankers int
	depth     int
}

// parseTree reads the tree at the top of a search.
func (s *Search) parseTree(o Options) error {
	p := &treeParser{search: s, doc: s.request.Body, options: o}
	top, err := s.topMember()
	if err != nil {
		return err
	}
	root, err := p.retriever(top)
	if err != nil {
		return err
	}
	t := &Tree{search: s, root: root, leaves: p.leaves}
	root.walk(func(n *node) {
		switch {
		case n.name == namePinned:
			t.pinned = append(t.pinned, n)
		case n.rerank != nil:
			t.fields = append(t.fields, n.rerank.source.toFetch(func(f string) bool { return slices.Contains(t.fields, f) })...)
		}
	})
	s.tree = t
	return nil
}

// retriever reads the retriever that a member names.
func (p *treeParser) retriever(m member) (*node, error) {
	n := &node{name: m.name, title: m.name, body: m.value, leaf: -1}
	parse := map[string]func(*node) error{
		Name: p.reranker, nameRRF: p.rrf, nameLinear: p.linear, namePinned: p.pinnedRetriever, nameRescorer: p.rescorer,
		nameStandard: p.standard, nameKNN: p.knn,
	}[m.name]
	if parse == nil {
		return nil, p.foreign(m)
	}
	if p.depth++; p.depth > maxTreeDepth {
		return nil, Unsupported("retrievers nested deeper than %d", maxTreeDepth)
	}
	defer func() { p.depth-- }()
	var err error
	if n.keys, err = members(p.doc, m.value); err != nil {
		return nil, err
	}
	if err := checkDuplicates(p.doc, n.keys); err != nil {
		return nil, err
	}
	if err := parse(n); err != nil {
		return nil, err
	}
	for _, c := range n.children {
		c.above = n
	}
	return n, nil
}

// known are retrievers of Elasticsearch that a tree executed here can't hold.
var known = []string{"rule", "diversify", "random_reranker"}

func (p *treeParser) foreign(m member) error {
	if slices.Contains(known, m.name) {
		return Unsupported("a [%s] in one tree with what it executes itself", m.name)
	}
	e := contentError(p.doc, m.key.off, nil, "unknown field [%s]", m.name)
	e.Cause.Type = "named_object_not_found_exception"
	return e
}

// only reads the member "retriever" of a body, which names one child.
func (p *treeParser) only(m member) (*node, error) {
	list, err := members(p.doc, m.value)
	if err != nil {
		return nil, err
	}
	switch {
	case len(list) == 0:
		return nil, p.foreign(member{name: m.name, key: span{m.value.end - 1, m.value.end}})
	case len(list) > 1:
		return nil, &RequestError{Status: 500, at: list[1].key.off, Cause: &Cause{
			Type: "illegal_state_exception", Reason: "parser for [retriever] did not end on END_OBJECT",
		}}
	case kindOf(p.doc, list[0].value) != kindObject:
		err = p.foreign(list[0])
		if isRequest(err) && slices.Contains(known, list[0].name) {
			return nil, err
		}
	default:
		var n *node
		if n, err = p.retriever(list[0]); err == nil {
			return n, nil
		}
	}
	return nil, p.within(err, list[0].value, "[retriever] failed to parse field [%s]", list[0].name)
}

func isRequest(err error) bool {
	var bad *RequestError
	return errors.As(err, &bad)
}

// child reads the member "retriever" of a body and reports what is wrong with it
// in the words of the parser of that body.
func (p *treeParser) child(n *node, r reader, m member) error {
	if err := r.object(m); err != nil {
		return err
	}
	c, err := p.only(m)
	if err != nil {
		if bad, ok := errors.AsType[*RequestError](err); ok && bad.Status != 400 {
			return err
		}
		return p.within(err, m.value, "[%s] failed to parse field [%s]", r.parser, m.name)
	}
	n.children = append(n.children, c)
	return nil
}

// within wraps a fault into that of the level around it, which stands at the same
// place: where the inner one has none, at the end of v, where Elasticsearch's
// parser has come to. What this program can't do is told as it is.
func (p *treeParser) within(err error, v span, format string, args ...any) error {
	bad, ok := errors.AsType[*RequestError](err)
	if !ok || bad.final {
		return err
	}
	at := bad.at
	if at == 0 {
		at = v.end - 1
	}
	return contentError(p.doc, at, bad.Cause, "%s", fmt.Sprintf(format, args...))
}

// base reads the members that every retriever has; ok is false for others.
func (p *treeParser) base(n *node, r reader, m member) (ok bool, err error) {
	switch m.name {
	case "filter":
		return true, r.filter(m)
	case "min_score":
		least, err := r.float(m)
		n.least = &least
		return true, err
	case "_name":
		n.named, err = r.str(m)
		n.title = n.named
		return true, err
	}
	return false, nil
}

// rest reads a member that is none of a retriever's own: one that every retriever
// has, or an unknown one.
func (p *treeParser) rest(n *node, r reader, m member, own ...string) error {
	if ok, err := p.base(n, r, m); ok {
		return err
	}
	return unknownKey(r, m, append(own, "filter", "min_score", "_name"))
}

func unknownKey(r reader, m member, accepted []string) error {
	return contentError(r.doc, m.key.off, nil, "[%s] unknown field [%s]%s", r.parser, m.name, suggest(m.name, accepted))
}

// required is the fault of a body without a member that it must have.
func (p *treeParser) required(n *node, names ...string) error {
	missing := slices.DeleteFunc(names, func(name string) bool { _, ok := n.key(name); return ok })
	if len(missing) == 0 {
		return nil
	}
	return requiredError(missing, n.body.end-1)
}

// unbuilt is the fault of a body whose members don't go together.
func unbuilt(parser string, at int, format string, args ...any) error {
	return &RequestError{Status: 400, at: at, Cause: &Cause{
		Type: "x_content_parse_exception", Reason: "Failed to build [" + parser + "] after last required field arrived",
		CausedBy: &Cause{Type: "illegal_argument_exception", Reason: fmt.Sprintf(format, args...)},
	}}
}

// reworded is a fault as the retrievers report it that catch what their own
// parser throws.
func (p *treeParser) reworded(err error, v span) error {
	bad, ok := errors.AsType[*RequestError](err)
	if !ok || bad.final {
		return err
	}
	at := bad.at
	if at == 0 {
		at = v.end - 1
	}
	e := parsingError(p.doc, at, "%s", bad.Cause.Reason)
	e.Cause.CausedBy, e.logged = bad.Cause, bad.logged
	return e
}

// reranker reads a text_similarity_reranker.
func (p *treeParser) reranker(n *node) error {
	if p.rerankers++; p.rerankers > maxRerankers {
		return Unsupported("more than %d [%s] in one search", maxRerankers, Name)
	}
	s := p.search
	own := &Search{request: s.request, top: s.top, retrieve: s.retrieve}
	own.below = func(m member) error { return p.child(n, reader{doc: p.doc, parser: Name}, m) }
	g, err := own.parseReranker(n.body)
	own.below = nil
	if err == nil {
		own.source, err = newSource(own.Field, p.options.FieldTemplates)
	}
	if err != nil {
		return err
	}
	if own.InferenceID == "" {
		own.InferenceID = p.options.DefaultEndpoint
	}
	own.child = child{name: n.children[0].name, title: n.children[0].title}
	n.rerank, n.window, n.given, n.least = own, own.Window, g.window, own.MinScore
	if n.named = own.name; n.named != "" {
		n.title = n.named
	}
	return nil
}
