package retriever

import (
	"fmt"
	"unicode/utf16"
)

// Passage is the part of a document's text by which the document was rated.
type Passage struct {
	Start, End int     // bytes of the text, the end not included
	Logit      float32 // what the model said of it
}

// passageField is the name that a passage has among the fields of its hit. There
// clients take any name with any array, where they may refuse a member of the hit
// that they don't know.
const passageField = "_rerankd.passage"

// entry is the member of "fields" that tells the passage. Offsets count UTF-16
// units, as Elasticsearch's do.
func (p *Passage) entry(text string) []byte {
	start := units(text[:p.Start])
	passage := text[p.Start:p.End]
	return fmt.Appendf(nil, `%q:[{"text":%s,"start_offset":%d,"end_offset":%d,"relevance_score":%s}]`,
		passageField, marshal(passage), start, start+units(passage), FormatScore(p.Logit))
}

func units(text string) int {
	n := 0
	for _, c := range text {
		n += max(utf16.RuneLen(c), 1)
	}
	return n
}

// passageOf is the entry for a ranked text, nil where the caller doesn't want it
// or there is none.
func (s *Search) passageOf(r Ranked, text string) []byte {
	if !s.request.Passages || r.Passage == nil {
		return nil
	}
	return r.Passage.entry(text)
}

// withPassage puts an entry into the fields of a hit, which end at fields, or into
// new ones at the end of the hit if that is 0; empty tells a hit without members.
func withPassage(hit span, fields int, empty bool, entry []byte) edit {
	if fields > 0 {
		return edit{span{fields, fields}, append([]byte{','}, entry...)}
	}
	comma := ","
	if empty {
		comma = ""
	}
	end := hit.end - 1
	return edit{span{end, end}, fmt.Appendf(nil, `%s"fields":{%s}`, comma, entry)}
}

// fieldsEnd is where the fields of a hit end; 0 if it has none.
func fieldsEnd(doc []byte, keys []member) int {
	if m, ok := find(keys, "fields"); ok {
		if fields, err := members(doc, m.value); err == nil && len(fields) > 0 {
			return m.value.end - 1
		}
	}
	return 0
}
