package retriever

import "github.com/rerankd/rerankd/retriever/fusion"

// The bounds of what one search may cost: the searches on the cluster, and the
// calls of a model.
const (
	maxLeaves    = 64
	maxRerankers = 16
	// maxTreeBytes bounds the queries of all leaves together: each carries the filters
	// of all retrievers above it.
	maxTreeBytes = 32 << 20
)

// node is one retriever of a tree that is executed here. Which of its later
// fields count depends on its name.
type node struct {
	name     string
	title    string // its _name, or its name: how failures call it
	named    string // _name: the name of its matched query; "" for none
	body     span
	keys     []member
	above    *node
	children []*node
	leaf     int      // which of the leaves; -1 for none
	window   int      // how many hits it delivers; 0 for leaves: as many as they are asked for
	given    bool     // the request names the window
	least    *float32 // min_score

	rerank      *Search // a reranker: its own part, without the search around it
	constant    int     // rrf: rank_constant
	weights     []float32
	normalizers []fusion.Normalizer
	form        validation // rrf and linear: what is wrong with the form
	query       []byte     // the leaf of a short form: its query
	pins        []pin
	offered     int // how many pins the request names, the same ones counted again
	rescore     span
}

// pin is one document that a pinned retriever puts first.
type pin struct{ index, id string } // index "": any

// compound reports a retriever over others.
func (n *node) compound() bool { return n.leaf < 0 }

// windowKey is the member that holds the window.
func (n *node) windowKey() string {
	if n.name == nameRescorer {
		return "window_size"
	}
	return "rank_window_size"
}

// key finds a member of the body.
func (n *node) key(name string) (member, bool) { return find(n.keys, name) }

// walk calls visit for a node and all below it, children first.
func (n *node) walk(visit func(*node)) {
	for _, c := range n.children {
		c.walk(visit)
	}
	visit(n)
}

// Tree is a tree of retrievers that is executed here: its leaves are searches on
// the cluster, everything above them is done with their answers. It is read-only.
type Tree struct {
	search *Search
	root   *node
	leaves []*node
	pinned []*node // the pinned retrievers, whose pins are searches, too
	fields []string
}

// Tree is the tree of retrievers of a search that has to be executed as one; nil
// where the search is a reranker over a child that the cluster executes.
func (s *Search) Tree() *Tree { return s.tree }
