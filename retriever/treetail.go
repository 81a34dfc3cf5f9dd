package retriever

import (
	"net/url"
	"time"

	"github.com/rerankd/rerankd/retriever/fusion"
)

// writeTail writes the query that matches what a retriever matches, without any
// window: the union of what its leaves match and of what is pinned. Names of
// retrievers are those of their queries.
func (n *node) writeTail(c *composed, doc []byte) {
	if n.named != "" && n.above != nil {
		c.write(`{"bool":{"must":[`)
		defer func() { c.write(`],"_name":%s}}`, marshal(n.named)) }()
	}
	switch {
	case n.name == nameKNN:
		c.write(`{"knn":`)
		n.writeKNN(c, doc)
		c.write(`}`)
	case !n.compound():
		n.writeStandardTail(c, doc)
	default:
		n.writeUnion(c, doc)
	}
}

func (n *node) writeStandardTail(c *composed, doc []byte) {
	if n.least != nil {
		c.write(`{"function_score":{"query":`)
		defer func() { c.write(`,"functions":[],"min_score":%s}}`, number(*n.least)) }()
	}
	n.writeQuery(c, doc)
}

func (n *node) writeUnion(c *composed, doc []byte) {
	c.write(`{"bool":{"should":[`)
	for i, child := range n.children {
		if i > 0 {
			c.write(`,`)
		}
		child.writeTail(c, doc)
	}
	if len(n.pins) > 0 {
		c.write(`,`)
		n.writePins(c, false)
	}
	c.write(`]}}`)
}

// FinalSearch is the search, to be sent without an index, that gives the answer.
// Its answer is for [Standing.Finish].
func (e *Standing) FinalSearch() (url.Values, []byte) {
	t := e.found.tree
	var tail composed
	t.root.writeTail(&tail, t.search.request.Body)
	return t.search.finalSearch(ranking{
		docs: e.found.scored(e.list), tail: tail.bytes, name: t.root.named, least: e.least, pit: e.found.pit,
	})
}

// scored is a list with the names of its documents.
func (f *Found) scored(list fusion.List) []scored {
	docs := make([]scored, len(list))
	for i, h := range list {
		d := f.documents[h.Doc]
		docs[i] = scored{d.index, d.id, h.Score}
	}
	return docs
}

// Finish completes the answer to the final search. took is the time the whole
// search has needed. ErrAnswer means that the bytes are no search answer.
func (e *Standing) Finish(answer []byte, took time.Duration) ([]byte, error) {
	t := e.found.tree
	return t.search.finish(answer, took, notes{
		explanation: func(key string) []byte {
			if doc, ok := e.found.numbers[key]; ok {
				if place := placeOf(e.list, doc); place >= 0 {
					return e.explain(t.root, e.list, place)
				}
			}
			return notRanked(t.root.window)
		},
		passage: func(key string) []byte {
			if doc, ok := e.found.numbers[key]; ok && placeOf(e.list, doc) >= 0 {
				return e.passages[doc]
			}
			return nil
		},
	})
}
