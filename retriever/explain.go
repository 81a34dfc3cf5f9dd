package retriever

import (
	"bytes"
	"fmt"
	"slices"
)

// notes are what is told of a document, by its index and its id as they stand in
// JSON, one after the other.
type notes struct {
	explanation func(key string) []byte
	passage     func(key string) []byte // the entry of its fields; nil for none
}

// annotate puts the explanation of each hit in the place of the cluster's, and its
// passage among its fields.
func (s *Search) annotate(answer []byte, hits span, n notes) ([]edit, error) {
	if !s.explain && !s.request.Passages {
		return nil, nil
	}
	keys, err := members(answer, hits)
	if err != nil {
		return nil, err
	}
	list, ok := find(keys, "hits")
	if !ok {
		return nil, errSyntax
	}
	items, err := elements(answer, list.value)
	if err != nil {
		return nil, err
	}
	var edits []edit
	for _, item := range items {
		keys, err := members(answer, item)
		if err != nil {
			return nil, err
		}
		index, _ := find(keys, "_index")
		id, _ := find(keys, "_id")
		key := string(index.value.of(answer)) + string(id.value.of(answer))
		if m, ok := find(keys, "_explanation"); ok && s.explain {
			edits = append(edits, edit{m.value, n.explanation(key)})
		}
		if entry := n.passage(key); entry != nil {
			edits = append(edits, withPassage(item, fieldsEnd(answer, keys), len(keys) == 0, entry))
		}
	}
	return edits, nil
}

// explanation says that a reranker gave the score; its one detail is the first
// stage's own explanation.
func (f *FirstStage) explanation(p placed, ranked bool) []byte {
	if !ranked {
		return notRanked(f.search.Window)
	}
	var detail []byte
	if h := f.hits[p.hit]; h.explanation.end > 0 {
		detail = h.explanation.of(f.doc)
	}
	return f.search.explained(p.score, detail)
}

// notRanked is the explanation of a document beyond the ranked ones.
func notRanked(window int) []byte {
	return fmt.Appendf(nil, `{"value":0.0,"description":"doc not found in top %d rank docs","details":[]}`, window)
}

// explained is the explanation of a score that a reranker gave.
func (s *Search) explained(score float32, detail []byte) []byte {
	description := fmt.Sprintf("%s match using inference endpoint: [%s] on document field: [%s] matching on source query ", Name, s.InferenceID, s.Field)
	if s.child.title != s.child.name {
		description += "[" + s.child.title + "]"
	}
	if s.Chunks != nil {
		description += fmt.Sprintf("and rescoring considering only top [%d] best chunks", s.Chunks.Size)
	}
	return explanation(score, description, detail)
}

// explanation is one node of an explanation. Empty details are left out.
func explanation(value float32, description string, details ...[]byte) []byte {
	details = slices.DeleteFunc(details, func(d []byte) bool { return len(d) == 0 })
	return fmt.Appendf(nil, `{"value":%s,"description":%s,"details":[%s]}`, FormatScore(boost(value)), marshal(description), bytes.Join(details, []byte{','}))
}
