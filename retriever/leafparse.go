package retriever

// standardKeys and knnKeys are the members of the leaf retrievers, without those
// that every retriever has.
var (
	standardKeys = []string{"query", "sort", "collapse", "search_after", "terminate_after"}
	knnKeys      = []string{
		"field", "query_vector", "query_vector_builder", "k", "num_candidates", "visit_percentage", "similarity", "rescore_vector",
	}
)

// addLeaf counts a leaf.
func (p *treeParser) addLeaf(n *node) error {
	if n.leaf = len(p.leaves); n.leaf >= maxLeaves {
		return Unsupported("more than %d retrievers with a search of their own", maxLeaves)
	}
	p.leaves = append(p.leaves, n)
	return nil
}

// standard reads a leaf that is a query. What the query holds is the cluster's to
// understand.
func (p *treeParser) standard(n *node) error {
	r := reader{doc: p.doc, parser: nameStandard}
	for _, m := range n.keys {
		var err error
		switch m.name {
		case "query", "collapse":
			err = r.object(m)
		case "sort":
			if k := kindOf(p.doc, m.value); k != kindString && k != kindObject && k != kindArray {
				err = r.wrongType(m)
			}
		case "search_after", "terminate_after":
			err = late("[%s] cannot be used in children of compound retrievers", m.name)
		default:
			err = p.rest(n, r, m, standardKeys...)
		}
		if err != nil {
			return err
		}
	}
	return p.addLeaf(n)
}

// knn reads a leaf that is a search for the nearest vectors.
func (p *treeParser) knn(n *node) error {
	r := reader{doc: p.doc, parser: nameKNN}
	for _, m := range n.keys {
		isOwn := false
		for _, name := range knnKeys {
			isOwn = isOwn || name == m.name
		}
		if isOwn {
			continue // its value is the cluster's to check
		}
		if err := p.rest(n, r, m, knnKeys...); err != nil {
			return err
		}
	}
	if err := p.required(n, "field", "k", "num_candidates"); err != nil {
		return err
	}
	return p.addLeaf(n)
}
