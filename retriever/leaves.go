package retriever

import (
	"bytes"
	"net/url"
)

// padLimit bounds the blanks by which the searches of one multi search are told
// apart when the cluster names a column; beyond it they are not.
const padLimit = 1 << 16

// Leaves is the multi search, in lines, that fetches the hits of every leaf, and
// the documents that are pinned, on a point in time. Its answer is for [Tree.Read].
func (t *Tree) Leaves(pit string) []byte {
	var b bytes.Buffer
	for _, line := range t.lines(pit) {
		b.WriteString(`{"allow_partial_search_results":false}` + "\n")
		b.Write(line.bytes)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// LeavesQuery is the URL parameters for [Tree.Leaves].
func (t *Tree) LeavesQuery() url.Values {
	query := t.search.plainQuery()
	query.Del("allow_partial_search_results")
	return query
}

// lines are the searches of the leaves, then those for the pins. No two begin in
// the same column as long as that costs little, for the cluster names the column
// of a fault and not the search.
func (t *Tree) lines(pit string) []composed {
	list := make([]composed, 0, len(t.leaves)+len(t.pinned))
	pad := 0
	add := func(write func(*composed)) {
		var c composed
		c.write(`{%*s`, pad, "")
		write(&c)
		pad = len(c.bytes)
		c.write(`,"pit":%s,"_source":false,"track_total_hits":false`, t.search.pointInTime(pit))
		if len(t.fields) > 0 {
			c.write(`,"fields":%s`, marshal(t.fields))
		}
		if t.search.explain {
			c.write(`,"explain":true`)
		}
		c.write(`}`)
		if pad > padLimit {
			pad = 0
		}
		list = append(list, c)
	}
	for _, n := range t.leaves {
		add(func(c *composed) { n.writeSearch(c, t.search.request.Body) })
	}
	for _, n := range t.pinned {
		add(func(c *composed) {
			c.write(`"query":`)
			n.writePins(c, true)
			c.write(`,"size":%d,"sort":["_score","_shard_doc"]`, maxPinned)
		})
	}
	return list
}

// maxPinned is how many documents pins can find: an id may stand in many indices.
const maxPinned = 10 * maxPins

// writeSearch writes the members of the search that a leaf is, but for what all
// leaves have.
func (n *node) writeSearch(c *composed, doc []byte) {
	if n.name == nameKNN {
		c.write(`"knn":`)
		n.writeKNN(c, doc)
	} else {
		c.write(`"query":`)
		n.writeQuery(c, doc)
	}
	if n.least != nil {
		c.write(`,"min_score":%s`, number(*n.least))
	}
	if m, ok := n.key("collapse"); ok && n.name == nameStandard {
		c.write(`,"collapse":`)
		c.copy(doc, m.value, n, m.name)
	}
	n.writeSort(c, doc)
	c.write(`,"size":%d`, n.above.window)
	if n.above.name == nameRescorer {
		c.write(`,"rescore":`)
		c.copy(doc, n.above.rescore, n.above, "rescore")
	}
}

// writeSort orders the hits by what the leaf says, and equal ones by shard and
// document, which is what tells documents apart.
func (n *node) writeSort(c *composed, doc []byte) {
	m, ok := n.key("sort")
	c.write(`,"sort":[`)
	switch {
	case !ok || n.name != nameStandard || len(listed(doc, m.value)) == 0:
		c.write(`"_score"`)
	case kindOf(doc, m.value) == kindArray:
		c.copy(doc, span{m.value.off + 1, m.value.end - 1}, n, m.name)
	default:
		c.copy(doc, m.value, n, m.name)
	}
	c.write(`,"_shard_doc"],"track_scores":true`)
}

// writeQuery writes the query of a standard leaf with the filters of all
// retrievers above it.
func (n *node) writeQuery(c *composed, doc []byte) {
	filters := n.filters()
	if len(filters) > 0 {
		c.write(`{"bool":{"must":[`)
	}
	switch m, ok := n.key("query"); {
	case n.query != nil:
		c.write("%s", n.query)
	case ok:
		c.copy(doc, m.value, n, m.name)
	default:
		c.write(`{"match_all":{}}`)
	}
	if len(filters) > 0 {
		c.write(`],"filter":[`)
		writeFilters(c, doc, filters)
		c.write(`]}}`)
	}
}

// writeKNN writes a knn search, or the query that matches the same.
func (n *node) writeKNN(c *composed, doc []byte) {
	c.write(`{`)
	comma := ""
	for _, m := range n.keys {
		if m.name == "_name" || m.name == "min_score" || m.name == "filter" {
			continue
		}
		c.write(`%s%s:`, comma, marshal(m.name))
		c.copy(doc, m.value, n, m.name)
		comma = ","
	}
	if filters := n.filters(); len(filters) > 0 {
		c.write(`%s"filter":[`, comma)
		writeFilters(c, doc, filters)
		c.write(`]`)
	}
	c.write(`}`)
}

// owned is a filter with the retriever that it belongs to.
type owned struct {
	value span
	owner *node
}

// filters are the filters of a node and of all above it, the outermost first.
func (n *node) filters() []owned {
	if n == nil {
		return nil
	}
	list := n.above.filters()
	if n.query != nil {
		return list // the leaf of a short form, whose members are those above
	}
	if m, ok := n.key("filter"); ok {
		list = append(list, owned{m.value, n})
	}
	return list
}

func writeFilters(c *composed, doc []byte, filters []owned) {
	comma := ""
	for _, f := range filters {
		for _, item := range listed(doc, f.value) {
			c.write("%s", comma)
			c.copy(doc, item, f.owner, "filter")
			comma = ","
		}
	}
}

// writePins writes the query for the documents that are pinned. With named, each
// clause is named by the place of its pin.
func (n *node) writePins(c *composed, named bool) {
	c.write(`{"bool":{"should":[`)
	for i, p := range n.pins {
		if i > 0 {
			c.write(`,`)
		}
		c.write(`{"bool":{"filter":[{"ids":{"values":[%s]}}`, marshal(p.id))
		if p.index != "" {
			c.write(`,{"term":{"_index":%s}}`, marshal(p.index))
		}
		c.write(`]`)
		if named {
			c.write(`,"_name":"%d"`, i)
		}
		c.write(`}}`)
	}
	c.write(`]}}`)
}
