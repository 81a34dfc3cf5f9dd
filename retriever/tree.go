package retriever

// maxTreeDepth bounds the retrievers inside retrievers that are looked into. It
// is far over what anyone nests and keeps hostile bodies cheap.
const maxTreeDepth = 64

// locate looks for a reranker in the retriever tree at v. It returns the names
// of the retrievers above the first one it meets, the outermost first; none when
// the reranker is the top. A tree without one is ErrNotOurs: what is wrong with
// it is the cluster's to say.
func locate(doc []byte, v span) ([]string, error) {
	if above, ok := search(doc, v, 0); ok {
		return above, nil
	}
	return nil, ErrNotOurs
}

// search looks at one object that names a retriever: {"rrf": {…}}.
func search(doc []byte, v span, depth int) (above []string, ok bool) {
	if depth > maxTreeDepth || kindOf(doc, v) != kindObject {
		return nil, false
	}
	list, err := members(doc, v)
	if err != nil {
		return nil, false
	}
	for _, m := range list {
		if m.name == Name {
			if m.key.off != list[0].key.off && depth == 0 {
				continue // the cluster reports the second name
			}
			return nil, true
		}
		if inner, found := searchBody(doc, m.value, depth+1); found {
			return append([]string{m.name}, inner...), true
		}
	}
	return nil, false
}

// searchBody looks at the body of a retriever: children stand under "retriever",
// or in the array "retrievers", there plain or as {"retriever": …, "weight": …}.
func searchBody(doc []byte, v span, depth int) (above []string, ok bool) {
	if kindOf(doc, v) != kindObject {
		return nil, false
	}
	list, err := members(doc, v)
	if err != nil {
		return nil, false
	}
	for _, m := range list {
		switch {
		case m.name == "retriever":
			if above, ok = search(doc, m.value, depth); ok {
				return above, true
			}
		case m.name == "retrievers" && kindOf(doc, m.value) == kindArray:
			items, err := elements(doc, m.value)
			if err != nil {
				return nil, false
			}
			for _, item := range items {
				if above, ok = search(doc, item, depth); ok {
					return above, true
				}
				if above, ok = searchBody(doc, item, depth); ok {
					return above, true
				}
			}
		}
	}
	return nil, false
}
