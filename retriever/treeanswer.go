package retriever

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/rerankd/rerankd/retriever/fusion"
)

// document is one document that a leaf or a pin has found.
type document struct {
	index, id []byte             // as they stand in the answers, with their quotes
	order     int64              // by shard, then within the shard
	texts     map[string]*string // by field: the text to score, nil for none
	places    map[int][]byte     // by search: the cluster's own explanation
	pin       int                // which pin found it, in the search for pins
}

// Found is what the leaves have found. It is made by [Tree.Read] and read-only.
type Found struct {
	tree      *Tree
	documents []document    // in the order that decides between equal scores
	leaves    []fusion.List // by leaf
	pinned    []fusion.List // by pinned retriever; a hit's score is the place of its pin
	numbers   map[string]int
	pit       string // the newest id of the point in time
}

// Read reads the answers to the searches of the leaves. A *RequestError reports
// leaves that failed; ErrAnswer means that the bytes are no such answer.
func (t *Tree) Read(answer []byte) (*Found, error) {
	items, err := MultiAnswers(answer)
	if err != nil {
		return nil, err
	}
	if len(items) != len(t.leaves)+len(t.pinned) {
		return nil, fmt.Errorf("%w: %d answers to %d searches", ErrAnswer, len(items), len(t.leaves)+len(t.pinned))
	}
	if err := t.failed(items); err != nil {
		return nil, err
	}
	f := &Found{tree: t, numbers: map[string]int{}}
	lists := make([]fusion.List, len(items))
	for i, item := range items {
		if lists[i], err = f.readItem(item, i); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
	}
	f.renumber(lists)
	f.leaves, f.pinned = lists[:len(t.leaves)], lists[len(t.leaves):]
	return f, nil
}

// unplaced is the order of documents that come without one, behind the others as
// they come: OpenSearch takes no sort beside a rescorer.
const unplaced = math.MaxInt64

// readItem reads the hits of one search. Documents are numbered as they come.
func (f *Found) readItem(doc []byte, leaf int) (fusion.List, error) {
	hits, err := f.hitsOf(doc)
	if err != nil {
		return nil, err
	}
	var list fusion.List
	for _, v := range hits {
		d, score, err := f.readDocument(doc, v, leaf)
		if err != nil {
			return nil, err
		}
		key := string(d.index) + string(d.id)
		number, known := f.numbers[key]
		if known {
			maps.Copy(f.documents[number].places, d.places)
			f.documents[number].order = min(f.documents[number].order, d.order)
		} else {
			number = len(f.documents)
			f.numbers[key] = number
			f.documents = append(f.documents, d)
		}
		if leaf >= len(f.tree.leaves) {
			score = float32(d.pin)
		}
		list = append(list, fusion.Hit{Doc: number, Score: score})
	}
	return list, nil
}

// hitsOf finds the hits in the answer of one search, and the id of the point in
// time beside them.
func (f *Found) hitsOf(doc []byte) ([]span, error) {
	top, err := root(doc)
	if err != nil {
		return nil, err
	}
	keys, err := members(doc, top)
	if err != nil {
		return nil, err
	}
	pit, ok := find(keys, "pit_id")
	if !ok || kindOf(doc, pit.value) != kindString {
		return nil, errSyntax
	}
	f.pit = text(doc, pit.value)
	return hitsIn(doc)
}

// readDocument reads one hit. A hit without a score, since something else sorts,
// has NaN.
func (f *Found) readDocument(doc []byte, v span, leaf int) (d document, score float32, err error) {
	keys, err := members(doc, v)
	if err != nil {
		return d, 0, err
	}
	d.order = unplaced
	d.texts, d.places = map[string]*string{}, map[int][]byte{}
	score = nan
	for _, m := range keys {
		switch m.name {
		case "_index":
			d.index = m.value.of(doc)
		case "_id":
			d.id = m.value.of(doc)
		case "_score":
			score = readScore(doc, m.value)
		case "_explanation":
			d.places[leaf] = m.value.of(doc)
		case "matched_queries":
			d.pin, err = readPin(doc, m.value)
		case "sort":
			d.order, err = readOrder(doc, m.value)
		case "fields":
			err = f.readTexts(doc, m.value, d.texts)
		}
		if err != nil {
			return d, 0, err
		}
	}
	if len(d.index) == 0 || len(d.id) == 0 || d.index[0] != '"' || d.id[0] != '"' {
		return d, 0, errSyntax
	}
	return d, score, nil
}

func readScore(doc []byte, v span) float32 {
	score, err := strconv.ParseFloat(string(v.of(doc)), 32)
	if err != nil {
		return nan
	}
	return float32(score)
}

// readOrder reads the last sort value, _shard_doc.
func readOrder(doc []byte, v span) (int64, error) {
	values, err := elements(doc, v)
	if err != nil || len(values) == 0 {
		return 0, errSyntax
	}
	return strconv.ParseInt(string(values[len(values)-1].of(doc)), 10, 64)
}

// readPin reads which pins have found a document; the first counts.
func readPin(doc []byte, v span) (int, error) {
	names, err := elements(doc, v)
	if err != nil {
		return 0, err
	}
	first := maxPins
	for _, name := range names {
		if n, err := strconv.Atoi(string(bytes.Trim(name.of(doc), `"`))); err == nil {
			first = min(first, n)
		}
	}
	return first, nil
}

func (f *Found) readTexts(doc []byte, v span, texts map[string]*string) error {
	fields, err := members(doc, v)
	if err != nil {
		return err
	}
	for _, m := range fields {
		if slices.Contains(f.tree.fields, m.name) {
			texts[m.name] = firstText(doc, m.value)
		}
	}
	return nil
}

// renumber numbers the documents by shard and within the shard, so that the
// numbers decide between equal scores as Elasticsearch does.
func (f *Found) renumber(lists []fusion.List) {
	order := make([]int, len(f.documents))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(f.documents[a].order, f.documents[b].order)
	})
	sorted, number := make([]document, len(order)), make([]int, len(order))
	for to, from := range order {
		sorted[to], number[from] = f.documents[from], to
	}
	f.documents = sorted
	for key, from := range f.numbers {
		f.numbers[key] = number[from]
	}
	for _, list := range lists {
		for i := range list {
			list[i].Doc = number[list[i].Doc]
		}
	}
}

// failed reports the leaves whose search failed: as Elasticsearch does, the
// retriever above them fails, with their errors in the suppressed exceptions and
// the gravest of their statuses.
func (t *Tree) failed(items [][]byte) error {
	var above *node
	var titles []string
	var all, brief []json.RawMessage
	status := 0
	for i, item := range items {
		var form struct {
			Error  map[string]json.RawMessage `json:"error"`
			Status int                        `json:"status"`
		}
		if !bytes.Contains(item, []byte(`"error"`)) || json.Unmarshal(item, &form) != nil || form.Error == nil {
			continue
		}
		parent, title := t.parentOf(i)
		if above == nil {
			above = parent
		}
		if parent != above {
			continue
		}
		status = max(status, form.Status)
		titles = append(titles, title)
		delete(form.Error, "root_cause")
		all = append(all, marshal(form.Error))
		delete(form.Error, "caused_by")
		brief = append(brief, marshal(form.Error))
	}
	if above == nil {
		return nil
	}
	return retrieversFailed(above.name, titles, max(status, 400), marshal(brief), marshal(all))
}

// parentOf is the retriever above a search, and how that one calls it.
func (t *Tree) parentOf(item int) (*node, string) {
	if item < len(t.leaves) {
		return t.leaves[item].above, t.leaves[item].title
	}
	pinned := t.pinned[item-len(t.leaves)]
	return pinned, pinned.children[0].title
}
