package retriever

import (
	"slices"
	"strings"
)

// maxPins is how many documents Elasticsearch lets one retriever pin.
const maxPins = 100

// pinnedRetriever reads a retriever that puts some documents first.
func (p *treeParser) pinnedRetriever(n *node) error {
	if err := p.pinnedBody(n); err != nil {
		return p.reworded(err, n.body)
	}
	return nil
}

func (p *treeParser) pinnedBody(n *node) error {
	r := reader{doc: p.doc, parser: namePinned}
	n.window = compoundWindow
	var ids, docs bool
	for _, m := range n.keys {
		var err error
		switch m.name {
		case "ids":
			ids, err = true, p.pinIDs(n, r, m)
		case "docs":
			docs, err = true, p.pinDocs(n, r, m)
		case "retriever":
			err = p.child(n, r, m)
		case "rank_window_size":
			n.window, err = r.integer(m)
			n.given = true
		default:
			err = p.rest(n, r, m, "ids", "docs", "retriever", "rank_window_size")
		}
		if err != nil {
			return err
		}
	}
	if err := p.required(n, "retriever"); err != nil {
		return err
	}
	switch {
	case ids && docs:
		return unbuilt(namePinned, n.body.end-1, "Both 'ids' and 'docs' cannot be specified at the same time")
	case len(n.pins) == 0:
		return unbuilt(namePinned, n.body.end-1, "Either 'ids' or 'docs' must be provided and non-empty for pinned retriever")
	case len(n.pins) > maxPins:
		return late("[%s] Max of %d ids exceeded: %d provided.", namePinned, maxPins, n.offered)
	}
	return p.pinnable(n.children[0])
}

// pinnable refuses to pin over an order that isn't by score.
func (p *treeParser) pinnable(c *node) error {
	if m, ok := c.key("sort"); ok && c.name == nameStandard {
		sort := strings.Trim(string(m.value.of(p.doc)), "[] \n\t\r")
		if sort != `"_score"` && sort != `{"_score":"desc"}` {
			return late("[%s] retriever only supports sorting by score, invalid sort criterion: %s", namePinned, sort)
		}
	}
	return nil
}

func (p *treeParser) pinIDs(n *node, r reader, m member) error {
	ids, err := r.strings(m)
	for _, id := range ids {
		n.addPin(pin{id: id})
	}
	return err
}

// pinDocs reads pins that may name their index.
func (p *treeParser) pinDocs(n *node, r reader, m member) error {
	if k := kindOf(p.doc, m.value); k != kindArray && k != kindObject {
		return r.wrongType(m)
	}
	for _, item := range listed(p.doc, m.value) {
		one, err := p.pinDoc(item)
		if err != nil {
			return p.within(err, item, "[%s] failed to parse field [%s]", r.parser, m.name)
		}
		n.addPin(one)
	}
	return nil
}

func (p *treeParser) pinDoc(item span) (pin, error) {
	r := reader{doc: p.doc, parser: "item"}
	if kindOf(p.doc, item) != kindObject {
		return pin{}, contentError(p.doc, item.off, nil, "[%s] Expected START_OBJECT but was: %s", r.parser, kindOf(p.doc, item))
	}
	list, err := members(p.doc, item)
	if err != nil {
		return pin{}, err
	}
	var one pin
	for _, m := range list {
		switch m.name {
		case "_index":
			one.index, err = r.str(m)
		case "_id":
			one.id, err = r.str(m)
		default:
			err = unknownKey(r, m, []string{"_index", "_id"})
		}
		if err != nil {
			return pin{}, err
		}
	}
	if _, ok := find(list, "_id"); !ok {
		return pin{}, requiredError([]string{"_id"}, item.end-1)
	}
	if strings.Contains(one.index, "*") {
		return pin{}, unbuilt(r.parser, item.end-1, "Item index cannot contain wildcard expressions")
	}
	return one, nil
}

// addPin adds a pin unless it is there. Beyond what Elasticsearch takes they are
// counted alone.
func (n *node) addPin(one pin) {
	n.offered++
	if len(n.pins) <= maxPins && !slices.Contains(n.pins, one) {
		n.pins = append(n.pins, one)
	}
}

// rescorer reads a retriever that rescores the best of its child.
func (p *treeParser) rescorer(n *node) error {
	if err := p.rescorerBody(n); err != nil {
		return p.reworded(err, n.body)
	}
	return nil
}

func (p *treeParser) rescorerBody(n *node) error {
	r := reader{doc: p.doc, parser: nameRescorer}
	for _, m := range n.keys {
		var err error
		switch m.name {
		case "retriever":
			err = p.child(n, r, m)
		case "rescore":
			if k := kindOf(p.doc, m.value); k != kindArray && k != kindObject {
				err = r.wrongType(m)
			}
			n.rescore = m.value
		default:
			err = p.rest(n, r, m, "retriever", "rescore")
		}
		if err != nil {
			return err
		}
	}
	if err := p.required(n, "retriever", "rescore"); err != nil {
		return err
	}
	if len(listed(p.doc, n.rescore)) == 0 {
		return unbuilt(nameRescorer, n.body.end-1, "Missing rescore definition")
	}
	n.window = child{keys: n.keys}.rescorerWindow(reader{doc: p.doc})
	return nil
}
