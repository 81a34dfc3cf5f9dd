package retriever

import "strings"

// accepted are the keys of the reranker's body that suggestions are drawn from.
var accepted = []string{
	"retriever", "inference_id", "inference_text", "field", "rank_window_size",
	"allow_rerank_failures", "chunk_rescorer", "filter", "min_score", "_name",
}

// given tells what the request named itself and what defaults may fill.
type given struct{ window bool }

// parseReranker reads the reranker's own body in the order it stands, so that
// the first fault in the text is the one reported.
func (s *Search) parseReranker(v span) (given, error) {
	doc := s.request.Body
	list, err := members(doc, v)
	if err != nil {
		return given{}, err
	}
	if err := checkDuplicates(doc, list); err != nil {
		return given{}, err
	}
	r := reader{doc: doc, parser: Name}
	var g given
	for _, m := range list {
		if err := s.parseMember(r, m, &g); err != nil {
			return given{}, err
		}
	}
	var missing []string
	for _, name := range []string{"retriever", "inference_text", "field"} {
		if _, ok := find(list, name); !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return given{}, BadRequest("illegal_argument_exception", "Required [%s]", strings.Join(missing, ", "))
	}
	return g, nil
}

func (s *Search) parseMember(r reader, m member, g *given) (err error) {
	switch m.name {
	case "retriever":
		if s.below != nil {
			return s.below(m)
		}
		if err = r.object(m); err == nil {
			s.child, err = parseChild(r.doc, m.value)
		}
	case "inference_id":
		s.InferenceID, err = r.str(m)
	case "inference_text":
		s.Query, err = r.str(m)
	case "field":
		s.Field, err = r.str(m)
	case "rank_window_size":
		s.Window, err = r.integer(m)
		g.window = true
	case "allow_rerank_failures":
		var lenient bool
		lenient, err = r.boolean(m)
		s.Lenient = &lenient
	case "min_score":
		var least float32
		least, err = r.float(m)
		s.MinScore = &least
	case "filter":
		err = r.filter(m)
		s.filter = &m
	case "_name":
		s.name, err = r.str(m)
	case "chunk_rescorer":
		s.Chunks, err = parseChunks(r, m)
	default:
		err = contentError(r.doc, m.key.off, nil, "[%s] unknown field [%s]%s", Name, m.name, suggest(m.name, accepted))
	}
	return err
}
