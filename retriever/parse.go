package retriever

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Name is the retriever that this program executes itself.
const Name = "text_similarity_reranker"

// Options are the settings of the proxy that stand in for what a request leaves
// out, and its limits.
type Options struct {
	// DefaultWindow is the rank_window_size of a request without one. At least 1.
	DefaultWindow int
	// MaxWindow is the largest rank_window_size accepted. At least 1.
	MaxWindow int
	// DefaultEndpoint is the inference_id of a request without one.
	DefaultEndpoint string
	// PassFusion leaves rrf, linear and pinned retrievers below a reranker to the
	// cluster. Without it they are executed here, as clusters may lack them or
	// refuse them by their licence.
	PassFusion bool
	// FuseAlone executes rrf and linear retrievers here in searches without a
	// reranker, too.
	FuseAlone bool
	// FieldTemplates lets [field] hold a template over several fields, such as
	// {{title}}. {{body}}, in the place of a name.
	FieldTemplates bool
}

// DefaultPage is the page size of a request that names neither a size nor a
// rank_window_size.
const DefaultPage = 10

// Request is a search as it came in.
type Request struct {
	Body    []byte     // JSON, decompressed; not changed and not kept after the Search is dropped
	Query   url.Values // URL parameters; not changed
	Indexed bool       // the path names an index
	// Passages adds to each ranked hit the passage by which it was rated, under
	// "_rerankd.passage" of its "fields": an array of one object with text,
	// start_offset, end_offset and relevance_score.
	Passages bool
}

// Search is a checked search with one text_similarity_reranker at the top of its
// retriever tree. It keeps the request's body. It is read-only.
type Search struct {
	Field       string   // the document field whose text is scored, or a template over several
	Query       string   // inference_text
	InferenceID string   // the endpoint, the default one if the request names none
	Window      int      // how many first-stage hits are reranked, at least 1
	From, Size  int      // the page, cut from the reranked window
	MinScore    *float32 // least raw logit of a hit; nil: none
	Chunks      *Chunks  // chunk_rescorer; nil: a document is scored by its whole text
	// Lenient is allow_rerank_failures: true and false decide what a failed
	// rerank gives, nil leaves it to the proxy's own policy.
	Lenient *bool

	request  Request
	child    child
	filter   *member     // the reranker's filter, pushed down to the child
	top      []member    // the members of the body
	retrieve member      // the member "retriever" of the body
	paths    *FilterPath // filter_path, applied to the final answer
	floor    *float32    // top-level min_score, compared with the score shown
	source   source      // what Field means
	wanted   []string    // fields of the source that the caller's own fields hold
	name     string      // _name, which is that of the hits' matched query
	pit      string      // the id of the caller's own point in time
	explain  bool
	untold   bool // two phases are needed, but no query says what the child matches
	twoPhase bool
	tail     []byte             // in two phases: the query for all that the child matches
	tree     *Tree              // for searches that are executed as a tree
	below    func(member) error // while a reranker of a tree is parsed: reads its child
}

// MayHold reports whether body can hold a text_similarity_reranker at all. It
// reads the bytes once and parses nothing; false is certain. A name may be
// spelt with \u escapes, so a body with one near the letters of a key is
// reported as well.
func MayHold(body []byte) bool {
	return bytes.Contains(body, []byte(Name)) || escapedName(body)
}

// MayHold reports whether body can hold a retriever that is executed here: a
// text_similarity_reranker or, with FuseAlone, a fusion. false is certain.
func (o Options) MayHold(body []byte) bool {
	if MayHold(body) {
		return true
	}
	return o.FuseAlone && bytes.Contains(body, []byte(`"retriever"`)) &&
		(bytes.Contains(body, []byte(`"`+nameRRF+`"`)) || bytes.Contains(body, []byte(`"`+nameLinear+`"`)))
}

// escapedName reports an object key that holds a \u escape: the only other way
// to spell the retriever's name. One pass over the strings of the body.
func escapedName(body []byte) bool {
	escape := []byte(`\u`)
	if !bytes.Contains(body, escape) {
		return false
	}
	for i := bytes.IndexByte(body, '"'); i >= 0; {
		end, err := skipString(body, i)
		if err != nil {
			return false
		}
		if next := skipSpace(body, end); next < len(body) && body[next] == ':' && bytes.Contains(body[i:end], escape) {
			return true
		}
		quote := bytes.IndexByte(body[end:], '"')
		if quote < 0 {
			return false
		}
		i = end + quote
	}
	return false
}

// Parse reads a search body. It returns ErrNotOurs when the retriever tree holds
// no text_similarity_reranker, and a *RequestError for a request that
// Elasticsearch would refuse or that this program can't answer as Elasticsearch
// would. Work is linear in the size of the body and of the retrievers in it, those
// inside others counted again.
func Parse(r Request, o Options) (*Search, error) {
	if !json.Valid(r.Body) {
		r.Body = withoutComments(r.Body)
	}
	if err := validJSON(r.Body); err != nil {
		return nil, err
	}
	doc := r.Body
	body, err := root(doc)
	if err != nil || kindOf(doc, body) != kindObject {
		return nil, ErrNotOurs
	}
	top, err := members(doc, body)
	if err != nil {
		return nil, err
	}
	tree, ok := find(top, "retriever")
	if !ok {
		return nil, ErrNotOurs
	}
	seen := look(doc, tree.value)
	if seen.rerankers == 0 && !seen.alone(o) {
		return nil, ErrNotOurs // what is wrong with it is the cluster's to say
	}
	if seen.bytes > maxLookedAt {
		return nil, Unsupported("retrievers of more than [%d] bytes together, where those inside others count again", maxLookedAt)
	}
	if err := checkDuplicates(doc, top); err != nil {
		return nil, err
	}
	s := &Search{request: r, top: top, retrieve: tree}
	if seen.single(o) {
		err := s.parseSingle(o)
		if !s.untold || seen.foreign || seen.fusions == 0 {
			return s, err
		}
		s = &Search{request: r, top: top, retrieve: tree} // the cluster's for one phase alone
	}
	if slices.ContainsFunc(seen.above, foreign) {
		return nil, Unsupported("a [%s] inside [%s]", Name, strings.Join(seen.above, "] inside ["))
	}
	return s, s.parseWhole(o)
}

// parseWhole reads a search whose retrievers are executed here as a tree.
func (s *Search) parseWhole(o Options) error {
	if err := s.parseTree(o); err != nil {
		return err
	}
	page, err := s.parsePage()
	if err != nil {
		return err
	}
	s.tree.fillWindows(o)
	s.Window = s.tree.root.window
	s.fillSize(s.tree.root.given || s.tree.root.rerank == nil, page)
	if err := s.validate(o, page); err != nil {
		return err
	}
	if err := s.tree.checkChunks(); err != nil {
		return err
	}
	if s.paths, err = filterPathOf(s.request.Query); err != nil {
		return err
	}
	return s.planTree()
}

// parseSingle reads a search with one reranker, at the top, over a child that is
// the cluster's to understand.
func (s *Search) parseSingle(o Options) error {
	own, err := s.topMember()
	if err != nil {
		return err
	}
	given, err := s.parseReranker(own.value)
	if err != nil {
		return err
	}
	if s.source, err = newSource(s.Field, o.FieldTemplates); err != nil {
		return err
	}
	page, err := s.parsePage()
	if err != nil {
		return err
	}
	s.fillDefaults(o, given)
	s.fillSize(given.window, page)
	if err := s.validate(o, page); err != nil {
		return err
	}
	if err := s.Chunks.check(); err != nil {
		return err
	}
	if err := s.child.restrictions(s.request.Body); err != nil {
		return err
	}
	if s.paths, err = filterPathOf(s.request.Query); err != nil {
		return err
	}
	return s.plan()
}

// topMember is the retriever at the top, which must be alone there.
func (s *Search) topMember() (member, error) {
	doc := s.request.Body
	list, err := members(doc, s.retrieve.value)
	if err != nil {
		return member{}, err
	}
	first := list[0] // the survey found a name in it
	switch {
	case kindOf(doc, first.value) != kindObject:
		return member{}, parsingError(doc, first.value.off, "[%s] retriever malformed, no [START_OBJECT] after retriever name", first.name)
	case len(list) > 1:
		return member{}, parsingError(doc, list[1].key.off,
			"[%s] malformed retriever, expected [END_OBJECT] but found [FIELD_NAME]", first.name)
	}
	return first, nil
}

// validJSON refuses a body that isn't JSON. Such a body is answered here, since
// the cluster would report the retriever that it doesn't know before it came to
// the fault.
func validJSON(doc []byte) error {
	if json.Valid(doc) {
		return nil
	}
	return syntaxFault(doc)
}

// checkDuplicates refuses an object that says a name twice.
func checkDuplicates(doc []byte, list []member) error {
	seen := make(map[string]bool, len(list))
	for _, m := range list {
		if seen[m.name] {
			return duplicated(doc, m)
		}
		seen[m.name] = true
	}
	return nil
}
