package retriever

import (
	"bytes"
	"fmt"
)

// Hits are hits in their order, as a rated request has found them.
type Hits struct {
	list []rankedHit
}

type rankedHit struct{ index, id, score string } // JSON

func (h rankedHit) key() string { return h.index + h.id }

// ReadHits reads the hits of a search's answer. ErrAnswer means that it is none.
func ReadHits(answer []byte) (Hits, error) {
	outer, err := objectIn(answer, "hits")
	if err != nil {
		return Hits{}, err
	}
	keys, err := members(answer, outer)
	if err != nil {
		return Hits{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	m, ok := find(keys, "hits")
	if !ok || kindOf(answer, m.value) != kindArray {
		return Hits{}, fmt.Errorf("%w: no hits in it", ErrAnswer)
	}
	items, err := elements(answer, m.value)
	if err != nil {
		return Hits{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	var hits Hits
	for _, item := range items {
		hit, err := readRankedHit(answer, item)
		if err != nil {
			return Hits{}, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		hits.list = append(hits.list, hit)
	}
	return hits, nil
}

func readRankedHit(answer []byte, item span) (rankedHit, error) {
	keys, err := members(answer, item)
	if err != nil {
		return rankedHit{}, err
	}
	var values [3]string
	for i, name := range []string{"_index", "_id", "_score"} {
		m, ok := find(keys, name)
		if !ok {
			return rankedHit{}, errSyntax
		}
		values[i] = string(m.value.of(answer))
	}
	return rankedHit{values[0], values[1], values[2]}, nil
}

// Answer completes the cluster's answer to [Evaluation.Replay]: hits with the
// scores that they have, and the failures of the requests that were left out,
// each in the form {"error":{…}}. ErrAnswer means that the bytes are no answer of
// an evaluation.
func (e *Evaluation) Answer(answer []byte, found map[int]Hits, failed map[int][]byte) ([]byte, error) {
	details, err := objectIn(answer, "details")
	if err != nil {
		return nil, err
	}
	edits, err := e.restore(answer, details, found)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	failures, err := objectIn(answer, "failures")
	if err != nil {
		return nil, err
	}
	added := e.failures(failed)
	if len(added) > 0 && bytes.Contains(failures.of(answer), []byte{':'}) {
		added = append(added, ',')
	}
	start := failures.off + 1
	return apply(answer, append(edits, edit{span{start, start}, added})), nil
}

// NoneLeft is the answer to an evaluation of which every request has failed.
func (e *Evaluation) NoneLeft(failed map[int][]byte) []byte {
	return fmt.Appendf(nil, `{"metric_score":"NaN","details":{},"failures":{%s}}`, e.failures(failed))
}

// failures lists the failed requests as members of an object.
func (e *Evaluation) failures(failed map[int][]byte) []byte {
	var out []byte
	for i, r := range e.Requests {
		if failure, ok := failed[i]; ok {
			if len(out) > 0 {
				out = append(out, ',')
			}
			out = fmt.Appendf(out, `%s:%s`, marshal(r.ID), failure)
		}
	}
	return out
}

// restore gives the hits of the details their own scores.
func (e *Evaluation) restore(answer []byte, details span, found map[int]Hits) ([]edit, error) {
	keys, err := members(answer, details)
	if err != nil {
		return nil, err
	}
	byID := map[string]Hits{} // of several requests with one id the cluster keeps the last
	for i, r := range e.Requests {
		if hits, ok := found[i]; ok {
			byID[r.ID] = hits
		}
	}
	var edits []edit
	for id, hits := range byID {
		m, ok := find(keys, id)
		if !ok {
			continue
		}
		own, err := restoreHits(answer, m.value, hits)
		if err != nil {
			return nil, err
		}
		edits = append(edits, own...)
	}
	return edits, nil
}

func restoreHits(answer []byte, detail span, hits Hits) ([]edit, error) {
	keys, err := members(answer, detail)
	if err != nil {
		return nil, err
	}
	list, ok := find(keys, "hits")
	if !ok {
		return nil, nil
	}
	items, err := elements(answer, list.value)
	if err != nil {
		return nil, err
	}
	scores := make(map[string]string, len(hits.list))
	for _, h := range hits.list {
		scores[h.key()] = h.score
	}
	var edits []edit
	for _, item := range items {
		keys, err := members(answer, item)
		if err != nil {
			return nil, err
		}
		m, ok := find(keys, "hit")
		if !ok {
			continue
		}
		hit, err := readRankedHit(answer, m.value)
		if err != nil {
			return nil, err
		}
		inside, _ := members(answer, m.value) // readRankedHit has read them
		if score, ok := find(inside, "_score"); ok && scores[hit.key()] != "" {
			edits = append(edits, edit{score.value, []byte(scores[hit.key()])})
		}
	}
	return edits, nil
}

// Failure is the error of a search's answer as it stands among the failures of an
// evaluation; false: the answer is no error.
func Failure(answer []byte) ([]byte, bool) {
	failure, err := objectIn(answer, "error")
	if err != nil {
		return nil, false
	}
	return fmt.Appendf(nil, `{"error":%s}`, failure.of(answer)), true
}
