package retriever

import (
	"bytes"
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Ties is the search, to be sent at the same path, that tells which of the
// documents with equal scores on the page comes first: Elasticsearch orders them by
// shard and document, which the answer of one search doesn't show. ok is false
// where nothing is to be asked: no scores on the page are equal, or the first stage
// has ordered those documents by shard and document itself, since it scored them
// equally, too.
func (f *FirstStage) Ties(o Order) (query url.Values, body []byte, ok bool) {
	tied := f.tied(o)
	if len(tied) == 0 {
		return nil, nil, false
	}
	docs := make([]scored, len(tied))
	for i, at := range tied {
		h := f.hits[o.list[at].hit]
		docs[i] = scored{h.index.of(f.doc), h.id.of(f.doc), 1}
	}
	query = f.search.plainQuery()
	for _, name := range openParameters {
		if values, ok := f.search.request.Query[name]; ok {
			query[name] = values
		}
	}
	body = append(body, `{"query":{"bool":{"should":[`...)
	body = appendRanked(body, docs)
	body = fmt.Appendf(body, `]}},"sort":["_doc"],"explain":true,"_source":false,"track_total_hits":false,"size":%d}`, len(docs))
	return query, body, true
}

// tied are the places in an order whose documents may stand in the wrong order.
func (f *FirstStage) tied(o Order) (places []int) {
	end := min(f.search.From+f.search.Size, len(o.list))
	for i := 0; i < end; {
		j := i + 1
		for j < len(o.list) && o.list[j].score == o.list[i].score {
			j++
		}
		if j > f.search.From && !f.settled(o.list[i:j]) {
			for ; i < j; i++ {
				places = append(places, i)
			}
		}
		i = j
	}
	return places
}

// settled reports documents whose order is right: one, or some that the first
// stage scored equally. Documents that can't be named stay as they are.
func (f *FirstStage) settled(group []placed) bool {
	first := f.hits[group[0].hit]
	same := !f.search.child.sorted
	for _, p := range group {
		h := f.hits[p.hit]
		if !f.isString(h.index) || !f.isString(h.id) {
			return true
		}
		same = same && h.score != nil && first.score != nil && bytes.Equal(h.score.of(f.doc), first.score.of(f.doc))
	}
	return same || len(group) == 1
}

// place is where a document stands in the cluster.
type place struct {
	shard int
	index string
	doc   int64
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.shard, q.shard), cmp.Compare(p.index, q.index), cmp.Compare(p.doc, q.doc))
}

// Settle orders documents of equal scores by what the answer to [FirstStage.Ties]
// says. Documents that it doesn't tell of keep their order behind the others.
// ErrAnswer means that the bytes are no such answer.
func (f *FirstStage) Settle(o Order, answer []byte) (Order, error) {
	places, err := readPlaces(answer)
	if err != nil {
		return o, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	at := func(p placed) (place, bool) {
		h := f.hits[p.hit]
		there, ok := places[string(h.index.of(f.doc))+string(h.id.of(f.doc))]
		return there, ok
	}
	o.list = slices.Clone(o.list)
	slices.SortStableFunc(o.list, func(a, b placed) int {
		if a.score != b.score {
			return cmp.Compare(b.score, a.score)
		}
		p, knownP := at(a)
		q, knownQ := at(b)
		switch {
		case knownP && knownQ:
			return p.compare(q)
		case knownP:
			return -1
		case knownQ:
			return 1
		}
		return 0
	})
	return o, nil
}

// readPlaces reads where the hits of an answer stand, by index and id as they are
// spelt.
func readPlaces(answer []byte) (map[string]place, error) {
	items, err := hitsIn(answer)
	if err != nil {
		return nil, err
	}
	places := make(map[string]place, len(items))
	for _, item := range items {
		keys, err := members(answer, item)
		if err != nil {
			return nil, err
		}
		var names [2][]byte
		var there place
		for _, m := range keys {
			switch m.name {
			case "_index":
				names[0] = m.value.of(answer)
			case "_id":
				names[1] = m.value.of(answer)
			case "_shard": // [index][0]
				there.index, there.shard, err = readShard(answer, m.value)
			case "sort":
				there.doc, err = readOrder(answer, m.value)
			}
			if err != nil {
				return nil, err
			}
		}
		places[string(names[0])+string(names[1])] = there
	}
	return places, nil
}

func readShard(doc []byte, v span) (index string, shard int, err error) {
	if kindOf(doc, v) != kindString {
		return "", 0, errSyntax
	}
	name := text(doc, v)
	at := strings.LastIndexByte(name, '[')
	if at < 0 {
		return "", 0, errSyntax
	}
	shard, err = strconv.Atoi(strings.TrimSuffix(name[at+1:], "]"))
	return name[:at], shard, err
}
