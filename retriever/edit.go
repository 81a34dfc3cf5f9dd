package retriever

import (
	"cmp"
	"slices"
)

// edit replaces the bytes of a span.
type edit struct {
	at  span
	new []byte
}

// apply writes doc with the edits made into a new slice. Edits must not overlap;
// their order is free, and changed. What is inserted at the start of a replaced
// span comes before it.
func apply(doc []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.at.off, b.at.off), cmp.Compare(a.at.end, b.at.end))
	})
	size := len(doc)
	for _, e := range edits {
		size += len(e.new) - (e.at.end - e.at.off)
	}
	out := make([]byte, 0, size)
	from := 0
	for _, e := range edits {
		out = append(out, doc[from:e.at.off]...)
		out = append(out, e.new...)
		from = e.at.end
	}
	return append(out, doc[from:]...)
}

// blank returns as many bytes as the span holds, spaces but for the line ends,
// so that positions after it stay what they were.
func blank(doc []byte, s span) []byte {
	out := make([]byte, s.end-s.off)
	for i := range out {
		if out[i] = ' '; doc[s.off+i] == '\n' {
			out[i] = '\n'
		}
	}
	return out
}
