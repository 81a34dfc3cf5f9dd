package retriever

import (
	"slices"
	"strings"
)

// scoreAware are names inside aggregations whose result depends on the score of
// the documents, which is the reranked one only in a search of its own.
var scoreAware = []string{`"top_hits"`, `_score`, `"sampler"`, `"diversified_sampler"`, `"scripted_metric"`, `"rescore"`}

// secondPhase are the members that see the reranked order, the reranked scores, or
// a first stage without them.
var secondPhase = []string{"collapse", "post_filter", "pit", "script_fields", "stored_fields", "runtime_mappings"}

// plan chooses between one search and two phases, and refuses by name what
// neither can answer right.
func (s *Search) plan() error {
	doc := s.request.Body
	if err := s.refuseParameters(); err != nil {
		return err
	}
	reason, err := s.secondPhaseReason()
	if err != nil || reason == "" {
		return err
	}
	var pushed []byte
	if s.filter != nil {
		pushed = inner(doc, s.filter.value)
	}
	tail, ok := s.child.tailQuery(doc, pushed, 0)
	if !ok {
		s.untold = true
		return Unsupported("%s beside a [%s] over a [%s]", reason, Name, s.child.name)
	}
	s.twoPhase, s.tail = true, tail
	return nil
}

// secondPhaseReason names what a single search would get wrong; "" means nothing.
func (s *Search) secondPhaseReason() (string, error) {
	doc := s.request.Body
	reason := ""
	for _, m := range s.top {
		value := string(m.value.of(doc))
		switch {
		case m.name == "slice":
			return "", Unsupported("[slice] beside a [%s] retriever", Name)
		case slices.Contains(secondPhase, m.name):
			reason = "[" + m.name + "]"
			if m.name == "pit" {
				if err := s.readPointInTime(m); err != nil {
					return "", err
				}
			}
		case (m.name == "explain" || m.name == "profile") && s.isOn(m):
			reason = "[" + m.name + "]"
			s.explain = s.explain || m.name == "explain"
		case (m.name == "aggs" || m.name == "aggregations") && (s.threshold() || seesScores(value)):
			reason = "scores in [" + m.name + "]"
		}
	}
	query := s.request.Query
	if query.Has("explain") && query.Get("explain") != "false" {
		reason, s.explain = "[explain]", true
	}
	if query.Has("stored_fields") {
		reason = "[stored_fields]"
	}
	if s.name != "" {
		reason = "[_name]"
	}
	conflict, err := s.checkFields()
	if conflict {
		reason = "another form of the field [" + s.Field + "]"
	}
	return reason, err
}

func seesScores(aggregations string) bool {
	return slices.ContainsFunc(scoreAware, func(name string) bool { return strings.Contains(aggregations, name) })
}

// readPointInTime reads the id of the caller's own point in time.
func (s *Search) readPointInTime(m member) error {
	r := reader{doc: s.request.Body, parser: "point_in_time"}
	if err := r.object(m); err != nil {
		return err
	}
	keys, err := members(r.doc, m.value)
	if err != nil {
		return err
	}
	id, ok := find(keys, "id")
	if !ok {
		return BadRequest("illegal_argument_exception", "Required [id]")
	}
	s.pit, err = r.str(id)
	return err
}
