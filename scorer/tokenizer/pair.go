package tokenizer

// Pair is a query and a passage, cut to fit and ready to be laid into the rows
// of a batch. It refers to the id slices it was made of, which must not change
// while it is in use.
type Pair struct {
	template       template
	query, passage []uint32
	length         int
}

// Pair joins ids that came from [Tokenizer.Encode]. When both together with the
// special tokens exceed maxTokens, they are cut by [Balanced]. The caller
// encodes both sides with a limit of at least maxTokens, so that the cut sees
// which side is long, and gives maxTokens >= [Tokenizer.SpecialTokens].
func (t *Tokenizer) Pair(query, passage []uint32, maxTokens int) Pair {
	q, p := Balanced(len(query), len(passage), t.special, maxTokens)
	return Pair{template: t.spec.template, query: query[:q], passage: passage[:p], length: q + p + t.special}
}

// Len returns the number of tokens, special ones included.
func (p Pair) Len() int { return p.length }

// Fill writes the ids and the type ids of the pair into the first Len elements
// of both slices, which must be at least that long.
func (p Pair) Fill(ids, typeIDs []int64) {
	n := 0
	for _, e := range p.template {
		source := e.ids
		switch e.segment {
		case segmentQuery:
			source = p.query
		case segmentPassage:
			source = p.passage
		case segmentSpecial:
		}
		for _, id := range source {
			ids[n], typeIDs[n] = int64(id), int64(e.typeID)
			n++
		}
	}
}

// Balanced returns how many leading tokens of a query and of a passage are kept
// so that they and the special tokens fit into maxTokens. It is Elasticsearch's
// "balanced" truncation: nothing is cut as long as all fits; a passage of more
// than half the room leaves the query at most the other half; a shorter passage
// is kept whole and the query gets the rest. It needs maxTokens >= special.
func Balanced(query, passage, special, maxTokens int) (keptQuery, keptPassage int) {
	if query+passage+special <= maxTokens {
		return query, passage
	}
	room := maxTokens - special
	if half := room / 2; passage > half {
		keptQuery = min(query, half)
	} else {
		keptQuery = min(query, room-passage)
	}
	return keptQuery, min(passage, room-keptQuery)
}
