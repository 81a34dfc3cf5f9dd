package retriever

import "slices"

// The retrievers beside the reranker that this program knows.
const (
	nameStandard = "standard"
	nameKNN      = "knn"
	nameRRF      = "rrf"
	nameLinear   = "linear"
	namePinned   = "pinned"
	nameRescorer = "rescorer"
)

// maxTreeDepth bounds the retrievers inside retrievers that are looked into. It
// is far over what anyone nests and keeps hostile bodies cheap.
const maxTreeDepth = 64

// maxLookedAt bounds the bytes of all retrievers in a tree together, where those of
// one inside another count again: each level is read anew.
const maxLookedAt = 32 << 20

// survey is what a look over a retriever tree finds, before anything in it is
// checked.
type survey struct {
	rerankers int
	fused     bool     // rrf or linear is among them
	fusions   int      // rrf, linear and pinned, which need not be known to the cluster
	collapsed bool     // a standard retriever collapses
	foreign   bool     // a retriever can't be executed here
	bytes     int      // of the retrievers looked at
	above     []string // the retrievers above the first reranker, the outermost first
}

// look surveys the retriever tree at v. Faults in it are left to the parser, or
// to the cluster.
func look(doc []byte, v span) survey {
	var s survey
	s.named(doc, v, nil)
	return s
}

// named looks at one object that names a retriever: {"rrf": {…}}.
func (s *survey) named(doc []byte, v span, above []string) {
	if s.bytes += v.end - v.off; s.bytes > maxLookedAt || len(above) > maxTreeDepth || kindOf(doc, v) != kindObject {
		return
	}
	list, err := members(doc, v)
	if err != nil {
		return
	}
	for i, m := range list {
		if i > 0 && len(above) == 0 {
			return // the cluster reports the second name
		}
		s.count(m.name, above)
		s.body(doc, m, append(slices.Clip(above), m.name))
	}
}

func (s *survey) count(name string, above []string) {
	switch name {
	case Name:
		if s.rerankers++; s.rerankers == 1 {
			s.above = above
		}
	case nameRRF, nameLinear:
		s.fused = true
		s.fusions++
	case namePinned:
		s.fusions++
	}
	s.foreign = s.foreign || foreign(name)
}

// foreign reports a retriever that can't be executed here.
func foreign(name string) bool {
	switch name {
	case Name, nameRRF, nameLinear, namePinned, nameRescorer, nameStandard, nameKNN:
		return false
	}
	return true
}

// body looks at the body of a retriever: children stand under "retriever", or in
// the array "retrievers", there plain or as {"retriever": …, "weight": …}.
func (s *survey) body(doc []byte, retriever member, above []string) {
	if kindOf(doc, retriever.value) != kindObject {
		return
	}
	list, err := members(doc, retriever.value)
	if err != nil {
		return
	}
	for _, m := range list {
		switch {
		case m.name == "collapse" && retriever.name == nameStandard:
			s.collapsed = true
		case m.name == "retriever":
			s.named(doc, m.value, above)
		case m.name == "retrievers":
			for _, item := range listed(doc, m.value) {
				s.entry(doc, item, above)
			}
		}
	}
}

// entry looks at one entry of "retrievers".
func (s *survey) entry(doc []byte, item span, above []string) {
	list, err := members(doc, item)
	if err != nil {
		return
	}
	if isComponent(list) {
		if m, ok := find(list, "retriever"); ok {
			s.named(doc, m.value, above)
		}
		return
	}
	s.named(doc, item, above)
}

// isComponent tells an entry of "retrievers" with members of its own from one
// that is a retriever.
func isComponent(list []member) bool {
	return slices.ContainsFunc(list, func(m member) bool {
		return m.name == "retriever" || m.name == "weight" || m.name == "normalizer"
	})
}

// listed is the elements of an array, or the one value that stands for them.
func listed(doc []byte, v span) []span {
	if kindOf(doc, v) != kindArray {
		return []span{v}
	}
	items, err := elements(doc, v)
	if err != nil {
		return nil
	}
	return items
}

// single reports a reranker over a child that the cluster understands as a whole,
// so that no tree has to be executed here.
func (s survey) single(o Options) bool {
	top := s.rerankers == 1 && len(s.above) == 0
	return top && (s.foreign || !s.collapsed && (s.fusions == 0 || o.PassFusion))
}

// alone reports a tree without a reranker that is executed here nevertheless.
func (s survey) alone(o Options) bool {
	return o.FuseAlone && s.rerankers == 0 && s.fused && !s.foreign
}
