package xcontent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxDepth bounds the nesting of a JSON value; it is deeper than Elasticsearch
// nests an answer.
const maxDepth = 1000

// writer takes a JSON value piece by piece.
type writer interface {
	// open begins an object or an array; empty tells that it ends at once.
	open(object, empty bool) error
	// shut ends the innermost one.
	shut() error
	name(text string) error
	// scalar is a string, a json.Number, a bool or nil.
	scalar(value any) error
}

// level is an object or array that is open.
type level struct {
	object bool
	named  bool // the name of the next value has been read
}

// walk gives the one JSON value of body to w, names and values in their order.
func walk(body []byte, w writer) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var levels []level
	for values := 0; ; {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && values == 1:
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", ErrSyntax, err)
		case len(levels) == 0 && values == 1:
			return fmt.Errorf("%w: more than one value", ErrSyntax)
		}
		if levels, err = step(w, levels, t, !d.More()); err != nil {
			return err
		}
		if len(levels) == 0 {
			values++
		}
		if len(levels) > maxDepth {
			return fmt.Errorf("%w: nested deeper than %d", ErrSyntax, maxDepth)
		}
	}
}

// step gives one token to w. last tells that the token that follows shuts.
func step(w writer, levels []level, t json.Token, last bool) ([]level, error) {
	top := len(levels) - 1
	switch t {
	case json.Delim('{'), json.Delim('['):
		object := t == json.Delim('{')
		if top >= 0 {
			levels[top].named = false
		}
		return append(levels, level{object: object}), w.open(object, last)
	case json.Delim('}'), json.Delim(']'):
		return levels[:top], w.shut()
	}
	if name, isText := t.(string); isText && top >= 0 && levels[top].object && !levels[top].named {
		levels[top].named = true
		return levels, w.name(name)
	}
	if top >= 0 {
		levels[top].named = false
	}
	return levels, w.scalar(t)
}
