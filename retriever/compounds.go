package retriever

import (
	"cmp"
	"strings"

	"github.com/rerankd/rerankd/retriever/fusion"
)

// defaultConstant is the rank_constant of an rrf retriever that names none.
const defaultConstant = 60

// rrf reads a retriever that fuses by reciprocal rank.
func (p *treeParser) rrf(n *node) error {
	r := reader{doc: p.doc, parser: nameRRF}
	n.window, n.constant = compoundWindow, defaultConstant
	var f short
	for _, m := range n.keys {
		var err error
		switch m.name {
		case "retrievers":
			err = p.entries(n, r, m, p.rrfEntry)
		case "rank_constant":
			n.constant, err = r.integer(m)
		default:
			err = p.fusionMember(n, r, m, &f, "retrievers", "rank_constant")
		}
		if err != nil {
			return err
		}
	}
	if n.constant < 1 {
		return late("[rank_constant] must be greater or equal to [1] for [%s]", nameRRF)
	}
	return p.shortForm(n, f)
}

// linear reads a retriever that fuses by weighted scores.
func (p *treeParser) linear(n *node) error {
	r := reader{doc: p.doc, parser: nameLinear}
	n.window = compoundWindow
	var f short
	var unknown string
	for _, m := range n.keys {
		var err error
		switch m.name {
		case "retrievers":
			err = p.entries(n, r, m, p.component)
		case "normalizer":
			var name string
			if name, err = r.str(m); err == nil {
				var ok bool
				if f.normalizer, ok = normalizer(name); !ok {
					unknown = name
				}
			}
		default:
			err = p.fusionMember(n, r, m, &f, "retrievers", "normalizer")
		}
		if err != nil {
			return err
		}
	}
	if unknown != "" {
		return unbuilt(nameLinear, n.body.end-1, "Unknown normalizer [%s]", unknown)
	}
	for i := range n.normalizers {
		if n.normalizers[i] == "" {
			n.normalizers[i] = cmp.Or(f.normalizer, fusion.None)
		}
	}
	return p.shortForm(n, f)
}

// fusionMember reads the members that rrf and linear share.
func (p *treeParser) fusionMember(n *node, r reader, m member, f *short, own ...string) (err error) {
	switch m.name {
	case "rank_window_size":
		n.window, err = r.integer(m)
		n.given = true
	case "query":
		var query string
		query, err = r.str(m)
		f.query = &query
	case "fields":
		f.fields, err = r.strings(m)
		f.hasFields = true
	default:
		err = p.rest(n, r, m, append(own, "rank_window_size", "query", "fields")...)
	}
	return err
}

// entries reads the array "retrievers".
func (p *treeParser) entries(n *node, r reader, m member, entry func(*node, span) error) error {
	if k := kindOf(p.doc, m.value); k != kindArray && k != kindObject {
		return r.wrongType(m)
	}
	for _, item := range listed(p.doc, m.value) {
		if kindOf(p.doc, item) != kindObject {
			return r.badContent(m, &Cause{Type: "illegal_argument_exception", Reason: "expected object but found [" + string(kindOf(p.doc, item)) + "]"})
		}
		if err := entry(n, item); err != nil {
			return p.within(err, item, "[%s] failed to parse field [%s]", r.parser, m.name)
		}
	}
	return nil
}

// rrfEntry reads one entry of an rrf retriever: a retriever, or one with a weight.
func (p *treeParser) rrfEntry(n *node, item span) error {
	list, err := members(p.doc, item)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return parsingError(p.doc, item.end-1, "retriever component must contain a retriever")
	}
	if first := list[0].name; first == "retriever" || first == "weight" {
		return p.rrfComponent(n, item, list)
	}
	c, err := p.entryRetriever(list[0])
	if err != nil {
		return err
	}
	if len(list) > 1 {
		return parsingError(p.doc, list[1].key.off, "unknown field [%s] after retriever", list[1].name)
	}
	n.children, n.weights = append(n.children, c), append(n.weights, 1)
	return nil
}

func (p *treeParser) rrfComponent(n *node, item span, list []member) error {
	r := reader{doc: p.doc, parser: nameRRF}
	var c *node
	weight := float32(1)
	for _, m := range list {
		switch m.name {
		case "retriever":
			if c != nil {
				return parsingError(p.doc, m.key.off, "only one retriever can be specified")
			}
			inner, err := members(p.doc, m.value)
			if err != nil || len(inner) != 1 {
				return parsingError(p.doc, m.value.off, "retriever must be an object")
			}
			if c, err = p.entryRetriever(inner[0]); err != nil {
				return err
			}
		case "weight":
			var err error
			if weight, err = r.float(m); err != nil {
				return err
			}
		default:
			return parsingError(p.doc, m.key.off, "unknown field [%s], expected [retriever] or [weight]", m.name)
		}
	}
	switch {
	case c == nil:
		return parsingError(p.doc, item.end-1, "retriever component must contain a retriever")
	case weight < 0:
		return illegal(item.end-1, "[weight] must be non-negative, found [%s]", FormatScore(weight))
	}
	n.children, n.weights = append(n.children, c), append(n.weights, weight)
	return nil
}

// entryRetriever reads a retriever that stands directly in an array.
func (p *treeParser) entryRetriever(m member) (*node, error) {
	if kindOf(p.doc, m.value) != kindObject {
		return nil, parsingError(p.doc, m.value.off, "[%s] retriever malformed, no [START_OBJECT] after retriever name", m.name)
	}
	return p.retriever(m)
}

// component reads one entry of a linear retriever.
func (p *treeParser) component(n *node, item span) error {
	r := reader{doc: p.doc, parser: "retriever-component"}
	list, err := members(p.doc, item)
	if err != nil {
		return err
	}
	if err := checkDuplicates(p.doc, list); err != nil {
		return err
	}
	weight, by := float32(1), fusion.Normalizer("")
	for _, m := range list {
		switch m.name {
		case "retriever":
			err = p.child(n, r, m)
		case "weight":
			weight, err = r.float(m)
		case "normalizer":
			by, err = r.normalizer(m)
		default:
			err = unknownKey(r, m, []string{"retriever", "weight", "normalizer"})
		}
		if err != nil {
			return err
		}
	}
	if _, ok := find(list, "retriever"); !ok {
		return requiredError([]string{"retriever"}, item.end-1)
	}
	if weight < 0 {
		return unbuilt(r.parser, item.end-1, "[weight] must be non-negative")
	}
	n.weights, n.normalizers = append(n.weights, weight), append(n.normalizers, by)
	return nil
}

// normalizer finds a normaliser by its name, in any case as Elasticsearch does.
func normalizer(name string) (by fusion.Normalizer, ok bool) {
	for _, by := range []fusion.Normalizer{fusion.None, fusion.MinMax, fusion.L2Norm} {
		if strings.EqualFold(name, string(by)) {
			return by, true
		}
	}
	return "", false
}

func (r reader) normalizer(m member) (fusion.Normalizer, error) {
	name, err := r.str(m)
	if err != nil {
		return "", err
	}
	by, ok := normalizer(name)
	if !ok {
		return "", r.badContent(m, &Cause{Type: "illegal_argument_exception", Reason: "Unknown normalizer [" + name + "]"})
	}
	return by, nil
}
