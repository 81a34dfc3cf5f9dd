package retriever

import (
	"fmt"
	"math"
	"net/url"
	"slices"

	"github.com/rerankd/rerankd/retriever/fusion"
)

var nan = float32(math.NaN())

// Work is what the evaluation of a tree has others do.
type Work interface {
	// Rerank orders texts by what a reranker says of them, the best first; each
	// text at most once, those below its least score left out. With degraded it
	// gave up: the documents keep their order. An error ends the evaluation.
	Rerank(s *Search, texts []string) (ranked []Ranked, degraded bool, err error)
	// Search runs a search without an index and returns its answer.
	Search(query url.Values, body []byte) ([]byte, error)
}

// Standing is the final order of the documents of a tree.
type Standing struct {
	found  *Found
	list   fusion.List
	inputs map[*node][]fusion.List // what each compound retriever ranked
	// passages are, by document, the entries of the fields: of several rerankers
	// that rated a document, the last one's.
	passages map[int][]byte
	least    *float32 // the score floor of the final search
	loose    bool     // the reranker at the top gave up: floors don't hold
}

// Evaluate ranks what the leaves have found, from the leaves up. An error is that
// of the work, or ErrAnswer.
func (f *Found) Evaluate(w Work) (*Standing, error) {
	e := &Standing{found: f, inputs: map[*node][]fusion.List{}, passages: map[int][]byte{}}
	list, err := e.rank(w, f.tree.root)
	if err != nil {
		return nil, err
	}
	e.list = list
	if e.loose {
		return e, nil
	}
	if floor := f.tree.search.floor; floor != nil {
		e.list = list.Above(*floor)
	}
	e.least = f.tree.floor()
	return e, nil
}

// floor is the least score of the final search: that of the caller or of the
// retriever at the top, or what leaves out the unranked documents where a
// retriever just below has one, as in Elasticsearch.
func (t *Tree) floor() *float32 {
	least := t.search.floor
	if own := t.root.least; own != nil && (least == nil || *own > *least) {
		least = own
	}
	for _, c := range t.root.children {
		if least == nil && c.least != nil {
			smallest := float32(math.SmallestNonzeroFloat32)
			least = &smallest
		}
	}
	return least
}

// rank is what a retriever delivers: at most its window, above its least score.
func (e *Standing) rank(w Work, n *node) (fusion.List, error) {
	if !n.compound() {
		return e.found.leaves[n.leaf], nil
	}
	lists := make([]fusion.List, len(n.children))
	for i, c := range n.children {
		below, err := e.rank(w, c)
		if err == nil && c.compound() && n.name == nameRescorer {
			below, err = e.rescored(w, n, below)
		}
		if err != nil {
			return nil, err
		}
		lists[i] = below.Top(n.window)
	}
	e.inputs[n] = lists
	if n.rerank != nil {
		return e.reranked(w, n, lists[0])
	}
	list := e.fused(n, lists).Top(n.window)
	if n.least != nil {
		list = list.Above(*n.least)
	}
	return list, nil
}

// fused is the one list that a retriever without a model makes of those below.
func (e *Standing) fused(n *node, lists []fusion.List) fusion.List {
	switch n.name {
	case nameRRF:
		return fusion.RRF(lists, n.weights, n.constant)
	case nameLinear:
		return fusion.Linear(lists, n.weights, n.normalizers)
	case namePinned:
		return e.found.pin(n, lists[0])
	default: // a rescorer, whose scores are the cluster's
		return lists[0]
	}
}

// reranked is the list in the order of a reranker: documents with a text, by
// their new scores.
func (e *Standing) reranked(w Work, n *node, list fusion.List) (fusion.List, error) {
	var texts []string
	var docs []int
	for _, h := range list {
		values := e.found.documents[h.Doc].texts
		if value := n.rerank.source.text(func(field string) *string { return values[field] }); value != nil {
			texts, docs = append(texts, *value), append(docs, h.Doc)
		}
	}
	ranked, degraded, err := w.Rerank(n.rerank, texts)
	if err != nil {
		return nil, err
	}
	var out fusion.List
	if degraded {
		e.loose = e.loose || n.above == nil && n.rerank.Lenient == nil
		return byPlace(n, list), nil
	}
	for _, r := range ranked {
		out = append(out, fusion.Hit{Doc: docs[r.Text], Score: r.Score})
		if entry := e.found.tree.search.passageOf(r, texts[r.Text]); entry != nil {
			e.passages[docs[r.Text]] = entry
		}
	}
	out.Sort()
	return out, nil
}

// byPlace is the list for a reranker that gave up, with the scores 1, 1/2, 1/3, …;
// the least score holds for them where the request itself allows the failure.
func byPlace(n *node, list fusion.List) fusion.List {
	var out fusion.List
	for i, h := range list {
		score := 1 / float32(i+1)
		if n.least == nil || n.rerank.Lenient == nil || score >= *n.least {
			out = append(out, fusion.Hit{Doc: h.Doc, Score: score})
		}
	}
	return out
}

// maxOrganic is the greatest score that a document which is not pinned can have
// below a pinned retriever. Pins score the float32 numbers above the next one.
var maxOrganic = float32(math.Ldexp(1, 127))

// pin puts the pinned documents before the others.
func (f *Found) pin(n *node, organic fusion.List) fusion.List {
	scores := map[int]float32{}
	for _, h := range f.pinned[f.tree.pinnedAt(n)] {
		above := 1 + len(n.pins) - int(h.Score)
		scores[h.Doc] = math.Float32frombits(math.Float32bits(maxOrganic) + uint32(above))
	}
	list := make(fusion.List, 0, len(scores)+len(organic))
	for doc, score := range scores {
		list = append(list, fusion.Hit{Doc: doc, Score: score})
	}
	for _, h := range organic {
		if _, pinned := scores[h.Doc]; !pinned {
			h.Score = min(h.Score, maxOrganic)
			list = append(list, h)
		}
	}
	list.Sort()
	return list
}

func (t *Tree) pinnedAt(n *node) int { return slices.Index(t.pinned, n) }

// rescored has the cluster rescore a list: the search for its documents, by their
// scores, with the retriever's rescorers.
func (e *Standing) rescored(w Work, n *node, list fusion.List) (fusion.List, error) {
	f := e.found
	if len(list) == 0 {
		return nil, nil
	}
	doc := f.tree.search.request.Body
	var c composed
	c.write(`{"query":{"bool":{"should":[`)
	c.bytes = appendRanked(c.bytes, f.scored(list))
	c.write(`]}},"pit":%s,"size":%d,"_source":false,"track_total_hits":false,"rescore":`,
		f.tree.search.pointInTime(f.pit), min(n.window, len(list)))
	c.copy(doc, n.rescore, n, "rescore")
	c.write(`}`)
	answer, err := w.Search(f.tree.search.plainQuery(), c.bytes)
	if err != nil {
		return nil, err
	}
	out, err := f.readRescored(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return out, nil
}

// readRescored reads hits that the leaves have found before.
func (f *Found) readRescored(answer []byte) (fusion.List, error) {
	hits, err := f.hitsOf(answer)
	if err != nil {
		return nil, err
	}
	var list fusion.List
	for _, v := range hits {
		d, score, err := f.readDocument(answer, v, -1)
		if err != nil {
			return nil, err
		}
		number, ok := f.numbers[string(d.index)+string(d.id)]
		if !ok {
			return nil, errSyntax
		}
		list = append(list, fusion.Hit{Doc: number, Score: score})
	}
	return list, nil
}
