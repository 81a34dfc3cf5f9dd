package retriever

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
)

// removed are the members that the first stage must not see: the page is cut
// here, index boosts don't reach a reranked search, and a score floor compares
// reranked scores.
var removed = []string{"from", "size", "indices_boost", "min_score", "explain", "profile"}

// Upstream is the search that the cluster is to run instead, at the same path:
// the child retriever with the reranker's filter pushed down, as many hits as the
// window holds, and the text of the field to score beside what the caller asked
// for. The body is new memory.
//
// Partial results are switched off: Elasticsearch fails a reranked search when a
// shard fails.
func (s *Search) Upstream() (url.Values, []byte) {
	query := make(url.Values, len(s.request.Query)+1)
	for name, values := range s.request.Query {
		if !slices.Contains([]string{"from", "size", "explain", "filter_path", "pretty"}, name) {
			query[name] = values
		}
	}
	query.Set("allow_partial_search_results", "false")
	return query, apply(s.request.Body, append(s.editTop(), s.editTree()...))
}

// editTree puts the child in the place of the reranker that holds it.
func (s *Search) editTree() []edit {
	doc := s.request.Body
	before := span{s.retrieve.value.off, s.child.at.off}
	edits := []edit{{before, blank(doc, before)}}
	if s.filterFollows() {
		return append(edits, s.keepFilter()...)
	}
	after := span{s.child.at.end, s.retrieve.value.end}
	pushed, grown := s.pushFilter()
	return append(append(edits, pushed...), edit{after, shortened(blank(doc, after), grown)})
}

// shortened takes the room of what was inserted before them from blanks, as far
// as the line goes, so that the rest of it stays in its columns.
func shortened(blanks []byte, by int) []byte {
	room := bytes.IndexByte(blanks, '\n')
	if room < 0 {
		room = len(blanks)
	}
	return blanks[min(by, room):]
}

// filterFollows reports a filter that can become the child's without moving: it
// stands behind the child, which has none.
func (s *Search) filterFollows() bool {
	_, own := find(s.child.keys, "filter")
	return s.filter != nil && !own && s.filter.key.off >= s.child.at.end
}

// keepFilter makes the reranker's filter the child's last member, where it
// stands: the two brackets that end the child move behind it, into the room of
// the two that ended the reranker.
func (s *Search) keepFilter() []edit {
	doc := s.request.Body
	between := span{s.child.body.end - 1, s.filter.key.off}
	gap := blank(doc, between)
	if len(s.child.keys) > 0 {
		gap[0] = ','
	}
	after := span{s.filter.value.end, s.retrieve.value.end}
	return []edit{{between, gap}, {after, append([]byte("}}"), shortened(blank(doc, after), len("}}"))...)}}
}

// pushFilter adds the reranker's filter to the child's own, and tells by how
// many bytes that makes the child longer.
func (s *Search) pushFilter() ([]edit, int) {
	if s.filter == nil {
		return nil, 0
	}
	doc := s.request.Body
	pushed := inner(doc, s.filter.value)
	if len(pushed) == 0 {
		return nil, 0
	}
	own, ok := find(s.child.keys, "filter")
	if !ok {
		added := slices.Concat([]byte(`"filter":[`), pushed, []byte(`]`))
		if len(s.child.keys) > 0 {
			added = append([]byte{','}, added...)
		}
		end := s.child.body.end - 1
		return []edit{{span{end, end}, added}}, len(added)
	}
	both := slices.Concat([]byte{'['}, joined(inner(doc, own.value), pushed), []byte{']'})
	return []edit{{own.value, both}}, len(both) - (own.value.end - own.value.off)
}

// inner is the list inside an array, without its brackets, or the one value.
func inner(doc []byte, v span) []byte {
	if kindOf(doc, v) != kindArray {
		return v.of(doc)
	}
	return bytes.TrimSpace(doc[v.off+1 : v.end-1])
}

// editTop takes out what the first stage must not see and adds what it needs.
func (s *Search) editTop() []edit {
	doc := s.request.Body
	drop := make([]bool, len(s.top))
	var last, fields span // the last member that stays, and the caller's own "fields"
	for i, m := range s.top {
		if drop[i] = slices.Contains(removed, m.name); drop[i] {
			continue
		}
		last = m.value
		if m.name == "fields" {
			fields = m.value
		}
	}
	var edits []edit
	for gone := range without(s.top, drop) {
		edits = append(edits, edit{gone, blank(doc, gone)})
	}
	added := append([]byte(`,"size":`), strconv.Itoa(s.Window)...)
	if names := s.source.toFetch(s.wants); len(names) > 0 {
		list := marshal(names)
		if fields.end > 0 {
			edits = append(edits, s.appendFields(fields.end-1, list))
		} else {
			added = append(append(added, `,"fields":`...), list...)
		}
	}
	return append(edits, edit{span{last.end, last.end}, added})
}

// appendFields adds an array of names at the end of the caller's own array of
// fields.
func (s *Search) appendFields(end int, list []byte) edit {
	names := list[1 : len(list)-1]
	before := bytes.TrimRight(s.request.Body[:end], " \t\r\n")
	if before[len(before)-1] != '[' {
		names = append([]byte{','}, names...)
	}
	return edit{span{end, end}, names}
}
