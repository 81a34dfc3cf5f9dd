package chunking

// recursion cuts one text by the separators of its settings.
type recursion struct {
	Settings
	text  string
	words boundaries
	steps int // left for the separators to search with
}

func newRecursion(text string, s Settings) *recursion {
	return &recursion{Settings: s, text: text, words: segment(text), steps: stepsPerByte*len(text) + stepsOfAnyCut}
}

// split cuts a part of the text that is too long at the separator of a depth,
// puts neighbours together again as far as they fit, and cuts what is still too
// long at the next separator; behind the last one, between sentences.
func (r *recursion) split(part Range, depth int) ([]Range, error) {
	if r.words.count(part) <= r.MaxChunkSize {
		return []Range{part}, nil
	}
	if depth == len(r.separators) {
		list := bySentences(part.Of(r.text), r.MaxChunkSize, false)
		for i := range list {
			list[i].Start += part.Start
			list[i].End += part.Start
		}
		return list, nil
	}
	pieces, err := r.pieces(part, r.separators[depth])
	if err != nil {
		return nil, err
	}
	var list []Range
	for _, piece := range r.merge(pieces) {
		if piece.words <= r.MaxChunkSize {
			list = append(list, piece.Range)
			continue
		}
		smaller, err := r.split(piece.Range, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, smaller...)
	}
	return list, nil
}

// pieces are the parts between the separators. A separator begins the piece that
// follows it.
func (r *recursion) pieces(part Range, s separator) ([]passage, error) {
	starts, err := s.starts(part.Of(r.text), &r.steps)
	if err != nil {
		return nil, err
	}
	var list []passage
	at := part.Start
	for _, start := range append(starts, part.End-part.Start) {
		piece := Range{at, part.Start + start}
		if piece.Start < piece.End {
			list = append(list, passage{piece, r.words.count(piece)})
		}
		at = piece.End
	}
	return list, nil
}

// merge puts neighbours together as long as their words fit into one passage.
func (r *recursion) merge(pieces []passage) []passage {
	merged := pieces[:1]
	for _, piece := range pieces[1:] {
		last := &merged[len(merged)-1]
		if last.words+piece.words <= r.MaxChunkSize {
			last.End = piece.End
			last.words += piece.words
			continue
		}
		merged = append(merged, piece)
	}
	return merged
}
