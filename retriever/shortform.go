package retriever

import (
	"strconv"
	"strings"

	"github.com/rerankd/rerankd/retriever/fusion"
)

// short is what the short form of rrf and linear says: a query over fields.
type short struct {
	query      *string
	fields     []string
	hasFields  bool
	normalizer fusion.Normalizer // linear only; "" for none
}

// shortForm makes the one child that a query over fields stands for: a query
// over all of them. What is wrong with the form is for the validation to say, as
// in Elasticsearch.
func (p *treeParser) shortForm(n *node, f short) error {
	n.form = f.faults(n)
	if f.query == nil || len(n.children) > 0 || len(n.form) > 0 {
		return nil
	}
	query, err := f.multiMatch(n)
	if err != nil {
		return err
	}
	c := &node{name: nameStandard, title: nameStandard, body: n.body, query: query}
	n.children, n.weights, n.normalizers = []*node{c}, []float32{1}, []fusion.Normalizer{f.normalizer}
	return p.addLeaf(c)
}

// faults are the findings about the form, in Elasticsearch's order.
func (f short) faults(n *node) validation {
	var v validation
	switch {
	case f.query == nil && f.hasFields:
		v.add("[%s] [query] must be provided when [fields] is specified", n.name)
	case f.query == nil && len(n.children) == 0:
		v.add("[%s] must provide [retrievers] or [query]", n.name)
	case f.query != nil:
		if *f.query == "" {
			v.add("[%s] [query] cannot be empty", n.name)
		}
		if f.hasFields && len(f.fields) == 0 {
			v.add("[%s] [fields] cannot be empty", n.name)
		}
		if len(n.children) > 0 {
			v.add("[%s] cannot combine [retrievers] and [query]", n.name)
		}
	}
	if n.name == nameLinear && f.query != nil && f.normalizer == "" {
		v.add("[%s] [normalizer] must be provided when [query] is specified", n.name)
	}
	return v
}

// multiMatch is the query of the short form.
func (f short) multiMatch(n *node) ([]byte, error) {
	for _, field := range f.fields {
		_, boost, ok := strings.Cut(field, "^")
		if !ok {
			continue
		}
		weight, err := strconv.ParseFloat(boost, 32)
		switch {
		case err != nil:
			return nil, late("For input string: \"%s\"", boost)
		case n.name == nameRRF && weight != 1:
			return nil, late("[%s] does not support per-field weights in [fields]", nameRRF)
		case weight < 0:
			return nil, late("[%s] per-field weights must be non-negative", nameLinear)
		}
	}
	type match struct {
		Query  string   `json:"query"`
		Type   string   `json:"type"`
		Fields []string `json:"fields,omitempty"`
	}
	return marshal(map[string]match{"multi_match": {*f.query, "most_fields", f.fields}}), nil
}
