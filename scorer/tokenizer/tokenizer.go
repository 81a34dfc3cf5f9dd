package tokenizer

import (
	"errors"
	"fmt"
	"sync"

	"github.com/daulet/tokenizers"
)

// ErrClosed reports the use of a Tokenizer after Close.
var ErrClosed = errors.New("tokenizer closed")

// Files are the contents of the tokenizer's files in a model folder.
type Files struct {
	// Tokenizer is tokenizer.json. Required.
	Tokenizer []byte
	// Config is tokenizer_config.json. Optional: nil means absent.
	Config []byte
}

// Tokenizer encodes texts and joins them to pairs. It is safe for concurrent
// use, Close included. The zero value is not usable: see [New].
type Tokenizer struct {
	mu      sync.RWMutex // held for reading while the library encodes; Close must not free under it
	lib     *tokenizers.Tokenizer
	fast    *wordpiece // nil: the library does all the work
	spec    spec
	guard   guard
	special int
}

// New reads a tokenizer from the contents of its files, which it does not keep.
// The truncation and padding that the file asks for are switched off, since
// the pair is cut and padded by rules of our own. A file that does not say how
// to frame a pair is an error.
func New(f Files) (*Tokenizer, error) {
	s, stripped, err := parse(f)
	if err != nil {
		return nil, fmt.Errorf("read tokenizer: %w", err)
	}
	lib, err := tokenizers.FromBytes(stripped, tokenizers.WithEncodeSpecialTokens())
	if err != nil {
		return nil, fmt.Errorf("load tokenizer.json: %w", err)
	}
	return &Tokenizer{lib: lib, fast: newWordpiece(f.Tokenizer), spec: s, guard: newGuard(s), special: s.template.special()}, nil
}

// Encode returns the first ids of text, at most limit of them, without special
// tokens. NUL characters are dropped and invalid UTF-8 is replaced by U+FFFD
// first. The work is bounded by limit rather than by the length of the text;
// see [maxBytesPerToken] for what that means for a text of mere blanks. An
// empty text has no ids, which is no error.
func (t *Tokenizer) Encode(text string, limit int) ([]uint32, error) {
	if limit <= 0 {
		return nil, nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.lib == nil {
		return nil, ErrClosed
	}
	ids, err := encodePrefix(text, limit, t.encodeAll)
	if err != nil {
		return nil, fmt.Errorf("tokenise text of %d bytes: %w", len(text), err)
	}
	return ids, nil
}

// encodeAll encodes the whole of text, which must be what clean returned. The caller holds mu.
func (t *Tokenizer) encodeAll(text string) ([]uint32, error) {
	var ids []uint32
	var err error
	if t.fast != nil {
		ids, err = t.fast.encode(text, t.library)
	} else {
		ids, err = t.library(text)
	}
	if err != nil || !t.guard.hit(ids) {
		return ids, err
	}
	ids, err = t.library(t.guard.breakUp(text))
	if err != nil {
		return nil, err
	}
	return t.guard.scrub(ids), nil
}

func (t *Tokenizer) library(text string) ([]uint32, error) {
	if text == "" {
		return nil, nil
	}
	// EncodeWithOptionsErr without options asks for the ids alone; the plainer
	// EncodeErr would also build a string for each token.
	enc, err := t.lib.EncodeWithOptionsErr(text, false)
	return enc.IDs, err
}

// MaxTokens returns how many tokens a pair may have, special tokens included,
// according to the tokenizer's own files, or 0 when they do not say.
func (t *Tokenizer) MaxTokens() int { return t.spec.maxTokens }

// SpecialTokens returns how many special tokens frame a pair.
func (t *Tokenizer) SpecialTokens() int { return t.special }

// PadID returns the id that fills a row up to the longest of its batch. Some
// models count positions by it, so it is not arbitrary.
func (t *Tokenizer) PadID() uint32 { return t.spec.padID }

// Template returns the frame of a pair in a readable, canonical form, such as
// "101:0 A:0 102:0 B:1 102:1" (id or segment, then type id). Two tokenizers with
// equal files and equal templates build equal inputs.
func (t *Tokenizer) Template() string { return t.spec.template.String() }

// Close frees the library's memory once every running Encode has returned.
// Later calls of Encode return [ErrClosed]. Closing twice is no error.
func (t *Tokenizer) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lib == nil {
		return nil
	}
	err := t.lib.Close()
	t.lib = nil
	return err
}
