package retriever

import (
	"errors"

	"github.com/rerankd/rerankd/chunking"
)

// chunkParser is the name of the parser of chunk_rescorer in messages.
const chunkParser = "chunk_rescorer"

// Chunks are the members of a chunk_rescorer: a document is scored by passages of
// its text in the place of the whole.
type Chunks struct {
	Size     int // how many passages of each document are scored, at least 1
	Settings chunking.Settings
}

// parseChunks reads a chunk_rescorer. Members that it doesn't know are left aside,
// as in Elasticsearch.
func parseChunks(outer reader, m member) (*Chunks, error) {
	if err := outer.object(m); err != nil {
		return nil, err
	}
	list, err := members(outer.doc, m.value)
	if err != nil {
		return nil, err
	}
	if err := checkDuplicates(outer.doc, list); err != nil {
		return nil, err
	}
	b := chunkBuilder{reader: reader{doc: outer.doc, parser: chunkParser}, chunks: Chunks{Size: 1}}
	for _, own := range list {
		if err := b.member(own); err != nil {
			return nil, outer.failed(err, m)
		}
	}
	if b.built {
		return &b.chunks, nil
	}
	if err := b.build(m.value.end - 1); err != nil {
		return nil, outer.failed(err, m)
	}
	return &b.chunks, nil
}

// chunkBuilder reads the members of a chunk_rescorer in the order they stand.
// Elasticsearch puts the whole together as soon as it has both, or at the end.
type chunkBuilder struct {
	reader
	chunks   Chunks
	read     int
	settings []byte
	built    bool
}

func (b *chunkBuilder) member(m member) (err error) {
	at := m.value.off
	switch m.name {
	case "size":
		b.chunks.Size, err = b.integer(m)
	case "chunking_settings":
		switch kindOf(b.doc, m.value) {
		case kindNull:
		case kindObject:
			at = m.value.end - 1
		default:
			return b.wrongType(m)
		}
		b.settings = m.value.of(b.doc)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if b.read++; b.read < 2 {
		return nil
	}
	if err := b.build(at); err != nil {
		return b.failed(err, m)
	}
	b.built = true
	return nil
}

// build checks the settings. at is where the parser has come to.
func (b *chunkBuilder) build(at int) (err error) {
	settings := b.settings
	if settings == nil {
		settings = []byte("null")
	}
	b.chunks.Settings, err = chunking.Parse(settings, chunking.DefaultWords)
	if err == nil {
		return nil
	}
	cause := &Cause{Type: "illegal_argument_exception", Reason: err.Error()}
	if _, ok := errors.AsType[*chunking.InvalidError](err); ok {
		cause.Type = "validation_exception"
	}
	return &RequestError{Status: 400, at: at, Cause: &Cause{
		Type: "x_content_parse_exception", Reason: "Failed to build [" + chunkParser + "] after last required field arrived", CausedBy: cause,
	}}
}

// failed is the report of a member inside of which something is wrong, at the
// same place.
func (r reader) failed(err error, m member) error {
	bad, ok := errors.AsType[*RequestError](err)
	if !ok {
		return err
	}
	return contentError(r.doc, bad.at, bad.Cause, "[%s] failed to parse field [%s]", r.parser, m.name)
}

// check reports a chunk_rescorer without passages, which Elasticsearch finds after
// everything else.
func (c *Chunks) check() error {
	if c != nil && c.Size < 1 {
		return BadRequest("illegal_argument_exception", "size must be greater than 0, was: %d", c.Size)
	}
	return nil
}

// checkChunks does so for all rerankers of a tree.
func (t *Tree) checkChunks() (err error) {
	t.root.walk(func(n *node) {
		if err == nil && n.rerank != nil {
			err = n.rerank.Chunks.check()
		}
	})
	return err
}
