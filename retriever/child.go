package retriever

// compoundWindow is the window of a compound retriever that names none.
const compoundWindow = 10

// child is the retriever below the reranker: the first stage. What it holds is
// the cluster's to understand, but for the few keys that concern the reranker.
type child struct {
	at     span   // the object that names it: {"standard": {…}}
	name   string // standard, knn, …
	title  string // its _name, or its name: how failures call it
	body   span   // {…}
	keys   []member
	window int    // what it can deliver at most; 0: as much as it is asked for
	limit  string // the key that holds window
	sorted bool   // its hits come with sort values instead of scores
}

// parseChild reads the retriever that v names.
func parseChild(doc []byte, v span) (child, error) {
	list, err := members(doc, v)
	if err != nil {
		return child{}, err
	}
	if len(list) == 0 {
		return child{}, unknownChild(doc, v.end-1, "retriever")
	}
	m := list[0]
	if len(list) > 1 {
		return child{}, &RequestError{Status: 500, Cause: &Cause{
			Type: "illegal_state_exception", Reason: "parser for [retriever] did not end on END_OBJECT",
		}}
	}
	if kindOf(doc, m.value) != kindObject {
		return child{}, unknownChild(doc, m.key.off, m.name)
	}
	c := child{at: v, name: m.name, title: m.name, body: m.value}
	if c.keys, err = members(doc, m.value); err != nil {
		return child{}, err
	}
	if err := checkDuplicates(doc, c.keys); err != nil {
		return child{}, err
	}
	if name, ok := find(c.keys, "_name"); ok && kindOf(doc, name.value) == kindString {
		c.title = text(doc, name.value)
	}
	_, c.sorted = find(c.keys, "sort")
	c.window, c.limit = c.readWindow(doc)
	return c, nil
}

// unknownChild is the chain of errors about a child that no parser is known for:
// each level of the request wraps the one inside.
func unknownChild(doc []byte, off int, name string) *RequestError {
	innermost := contentError(doc, off, nil, "unknown field [%s]", name).Cause
	innermost.Type = "named_object_not_found_exception"
	middle := contentError(doc, off, innermost, "[retriever] failed to parse field [%s]", name).Cause
	return contentError(doc, off, middle, "[%s] failed to parse field [retriever]", Name)
}

// readWindow finds how many hits the child can deliver. Leaf retrievers deliver
// what they are asked for; every other kind has a window, 10 when it names none.
func (c child) readWindow(doc []byte) (window int, key string) {
	r := reader{doc: doc}
	switch c.name {
	case "standard", "knn":
		return 0, ""
	case "rescorer":
		return c.rescorerWindow(r), "window_size"
	}
	if m, ok := find(c.keys, "rank_window_size"); ok {
		if n, err := r.integer(m); err == nil {
			return n, "rank_window_size"
		}
	}
	return compoundWindow, "rank_window_size"
}

// rescorerWindow is the smallest window_size of the rescorers.
func (c child) rescorerWindow(r reader) int {
	rescore, ok := find(c.keys, "rescore")
	if !ok {
		return compoundWindow
	}
	list := []span{rescore.value}
	if kindOf(r.doc, rescore.value) == kindArray {
		if items, err := elements(r.doc, rescore.value); err == nil && len(items) > 0 {
			list = items
		}
	}
	least := 0
	for _, v := range list {
		n := compoundWindow
		if keys, err := members(r.doc, v); err == nil {
			if m, ok := find(keys, "window_size"); ok {
				if given, err := r.integer(m); err == nil {
					n = given
				}
			}
		}
		if least == 0 || n < least {
			least = n
		}
	}
	return least
}

// restrictions refuses what a retriever below a compound one may not hold, at
// any depth along "retriever", and what this program can't take apart.
func (c child) restrictions(doc []byte) error {
	for range maxTreeDepth {
		for _, m := range c.keys {
			switch {
			case c.name == "standard" && (m.name == "search_after" || m.name == "terminate_after"):
				return BadRequest("illegal_argument_exception", "[%s] cannot be used in children of compound retrievers", m.name)
			case c.name == "standard" && m.name == "collapse":
				return Unsupported("[collapse] in a [standard] retriever below a [%s]", Name)
			}
		}
		inner, ok := find(c.keys, "retriever")
		if !ok || kindOf(doc, inner.value) != kindObject {
			return nil
		}
		next, err := parseChild(doc, inner.value)
		if err != nil {
			return nil //nolint:nilerr // deeper than the first level, faults are the cluster's to report
		}
		c = next
	}
	return nil
}
