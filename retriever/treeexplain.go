package retriever

import (
	"fmt"

	"github.com/rerankd/rerankd/retriever/fusion"
)

// explain says how a retriever came to the score of the document at a place of
// the list that it delivered.
func (e *Standing) explain(n *node, list fusion.List, place int) []byte {
	h := list[place]
	if !n.compound() {
		return e.found.documents[h.Doc].places[n.leaf]
	}
	switch n.name {
	case nameRRF:
		return e.explainRRF(n, h)
	case nameLinear:
		return e.explainLinear(n, h)
	}
	var below []byte
	if at := placeOf(e.inputs[n][0], h.Doc); at >= 0 {
		below = e.explain(n.children[0], e.inputs[n][0], at)
	}
	switch {
	case n.name == Name:
		return n.rerank.explained(h.Score, below)
	case n.name == namePinned && h.Score > maxOrganic:
		return explanation(h.Score, "Pinned document, original explanation:", below)
	}
	return explanation(float32(place+1), fmt.Sprintf("doc [%d] with an original score of [%s] is at rank [%d] from the following source queries.",
		uint32(e.found.documents[h.Doc].order), FormatScore(h.Score), place+1), below)
}

// placeOf is where a list holds a document, from 0; -1 for nowhere.
func placeOf(list fusion.List, doc int) int {
	for i, h := range list {
		if h.Doc == doc {
			return i
		}
	}
	return -1
}

// queryAt is how the explanation of a fusion calls a child.
func queryAt(i int, c *node) string {
	if c.named == "" {
		return fmt.Sprintf("at index [%d]", i)
	}
	return fmt.Sprintf("at index [%d] [%s]", i, c.named)
}

func (e *Standing) explainRRF(n *node, h fusion.Hit) []byte {
	details := make([][]byte, len(n.children))
	var ranks joinedList
	for i, c := range n.children {
		place := placeOf(e.inputs[n][i], h.Doc)
		ranks.add("%d", place+1)
		if place < 0 {
			details[i] = explanation(0, "rrf score: [0], result not found in query "+queryAt(i, c))
			continue
		}
		rank := place + 1
		details[i] = explanation(float32(rank), fmt.Sprintf("rrf score: [%s], for rank [%d] in query %s computed as [1 / (%d + %d)], for matching query with score",
			FormatScore(1/float32(rank+n.constant)), rank, queryAt(i, c), rank, n.constant), e.explain(c, e.inputs[n][i], place))
	}
	return explanation(h.Score, fmt.Sprintf("rrf score: [%s] computed for initial ranks [%s] with rankConstant: [%d] as sum of [1 / (rank + rankConstant)] for each query",
		FormatScore(h.Score), ranks, n.constant), details...)
}

func (e *Standing) explainLinear(n *node, h fusion.Hit) []byte {
	details := make([][]byte, len(n.children))
	var scores, weights joinedList
	for i, c := range n.children {
		score := float32(0)
		place := placeOf(e.inputs[n][i], h.Doc)
		if place >= 0 {
			score = n.normalizers[i].Apply(e.inputs[n][i])[place].Score
		}
		scores.add("%s", FormatScore(score))
		weights.add("%s", FormatScore(n.weights[i]))
		if place < 0 || !(score > 0) {
			details[i] = explanation(0, "weighted score: [0], result not found in query "+queryAt(i, c))
			continue
		}
		value := n.weights[i] * score
		details[i] = explanation(value, fmt.Sprintf(
			"weighted score: [%s] in query %s computed as [%s * %s] using score normalizer [%s] for original matching query with score:",
			FormatScore(value), queryAt(i, c), FormatScore(n.weights[i]), FormatScore(score), n.normalizers[i]), e.explain(c, e.inputs[n][i], place))
	}
	return explanation(h.Score, fmt.Sprintf(
		"weighted linear combination score: [%s] computed for normalized scores [%s] and weights [%s] as sum of (weight[i] * score[i]) for each query.",
		FormatScore(h.Score), scores, weights), details...)
}

// joinedList is values with commas between them.
type joinedList string

func (j *joinedList) add(format string, value any) {
	if *j != "" {
		*j += ", "
	}
	*j += joinedList(fmt.Sprintf(format, value))
}
