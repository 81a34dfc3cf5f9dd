package retriever

import (
	"slices"
	"strings"
)

// maxFilterPaths and maxFilterParts bound the work of a filter_path: every
// member of an answer is held against every path.
const (
	maxFilterPaths = 100
	maxFilterParts = 32
)

// FilterPath is a parsed filter_path: which parts of an answer to keep. Its rules
// are Elasticsearch's: paths are separated by commas and their parts by dots; *
// stands for any run of characters in a name and ** for any number of names; a
// path that begins with - takes out instead; arrays have no part of their own.
// It is read-only.
type FilterPath struct{ include, exclude []filterPath }

// filterPath is one path, split at its dots.
type filterPath []string

// anyDepth is the part that stands for any number of names.
const anyDepth = "**"

// ParseFilterPath reads the value of the URL parameter.
func ParseFilterPath(value string) (FilterPath, error) {
	var f FilterPath
	paths := strings.Split(value, ",")
	if len(paths) > maxFilterPaths {
		return f, BadRequest("illegal_argument_exception", "[filter_path] may hold at most [%d] paths", maxFilterPaths)
	}
	for _, path := range paths {
		path, excluded := strings.CutPrefix(strings.TrimSpace(path), "-")
		if path == "" {
			continue
		}
		parts := splitPath(path)
		if len(parts) > maxFilterParts {
			return f, BadRequest("illegal_argument_exception", "a path of [filter_path] may have at most [%d] parts", maxFilterParts)
		}
		if excluded {
			f.exclude = append(f.exclude, parts)
		} else {
			f.include = append(f.include, parts)
		}
	}
	return f, nil
}

// splitPath splits at dots that no backslash escapes.
func splitPath(path string) filterPath {
	var parts filterPath
	var part strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path) && path[i+1] == '.':
			part.WriteByte('.')
			i++
		case path[i] == '.':
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(path[i])
		}
	}
	return append(parts, part.String())
}

// Apply returns the answer with what the paths leave of it: an empty object when
// that is nothing. An answer that can't be read is ErrAnswer.
func (f FilterPath) Apply(answer []byte) ([]byte, error) {
	top, err := root(answer)
	if err != nil {
		return nil, ErrAnswer
	}
	w := filterWriter{doc: answer, out: make([]byte, 0, len(answer)/2)}
	kept, err := w.value(top, f.include, f.exclude, len(f.include) == 0, 0)
	if err != nil {
		return nil, ErrAnswer
	}
	if !kept {
		return []byte("{}"), nil
	}
	return w.out, nil
}

// filterWriter copies the kept parts of a document.
type filterWriter struct {
	doc []byte
	out []byte
}

// maxFilterDepth ends the descent into an answer; it is deeper than Elasticsearch
// nests one.
const maxFilterDepth = 1000

// value writes what is kept of the value at v and tells whether that is anything.
// include and exclude are the rests of the paths that have matched so far; all
// tells that the value is included as a whole, less what is excluded.
func (w *filterWriter) value(v span, include, exclude []filterPath, all bool, depth int) (bool, error) {
	switch kind := kindOf(w.doc, v); {
	case depth > maxFilterDepth:
		return false, errSyntax
	case all && len(exclude) == 0:
		w.out = append(w.out, v.of(w.doc)...)
		return true, nil
	case kind == kindObject:
		return w.object(v, include, exclude, all, depth)
	case kind == kindArray:
		return w.array(v, include, exclude, all, depth)
	default:
		if all {
			w.out = append(w.out, v.of(w.doc)...)
		}
		return all, nil
	}
}

func (w *filterWriter) object(v span, include, exclude []filterPath, all bool, depth int) (bool, error) {
	list, err := members(w.doc, v)
	if err != nil {
		return false, err
	}
	start := len(w.out)
	w.out = append(w.out, '{')
	first := len(w.out)
	for _, m := range list {
		out, rest := descend(exclude, m.name)
		if out {
			continue
		}
		in, deeper := descend(include, m.name)
		if !all && !in && len(deeper) == 0 {
			continue
		}
		before := len(w.out)
		if before > first {
			w.out = append(w.out, ',')
		}
		w.out = append(append(w.out, m.key.of(w.doc)...), ':')
		kept, err := w.value(m.value, deeper, rest, all || in, depth+1)
		if err != nil {
			return false, err
		}
		if !kept {
			w.out = w.out[:before]
		}
	}
	return w.close(start, first, '}', len(list) == 0 && all), nil
}

func (w *filterWriter) array(v span, include, exclude []filterPath, all bool, depth int) (bool, error) {
	items, err := elements(w.doc, v)
	if err != nil {
		return false, err
	}
	start := len(w.out)
	w.out = append(w.out, '[')
	first := len(w.out)
	for _, item := range items {
		before := len(w.out)
		if before > first {
			w.out = append(w.out, ',')
		}
		kept, err := w.value(item, include, exclude, all, depth+1)
		if err != nil {
			return false, err
		}
		if !kept {
			w.out = w.out[:before]
		}
	}
	return w.close(start, first, ']', len(items) == 0 && all), nil
}

// close ends an object or array that began at start; one that nothing was
// written into since first is taken back, unless it was empty and is wanted.
func (w *filterWriter) close(start, first int, bracket byte, empty bool) bool {
	if len(w.out) == first && !empty {
		w.out = w.out[:start]
		return false
	}
	w.out = append(w.out, bracket)
	return true
}

// descend holds a name against the paths. matched tells that one of them ends
// with this name; rest are the paths that go on below it.
func descend(paths []filterPath, name string) (matched bool, rest []filterPath) {
	for _, path := range paths {
		if path[0] == anyDepth {
			// It stands for this name and maybe more, or for none at all.
			rest = addPath(rest, path)
			if len(path) == 1 {
				return true, rest
			}
			path = path[1:]
		}
		if !covers(path[0], name) {
			continue
		}
		if len(path) == 1 {
			matched = true
			continue
		}
		rest = addPath(rest, path[1:])
	}
	return matched, rest
}

// addPath keeps the list of open paths a set: ** would double it at every level.
func addPath(list []filterPath, path filterPath) []filterPath {
	for _, have := range list {
		if slices.Equal(have, path) {
			return list
		}
	}
	return append(list, path)
}
