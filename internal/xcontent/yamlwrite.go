package xcontent

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// jsonToYAML writes block style as Elasticsearch does: names plain where they can
// be, texts in double quotes, lists no deeper than the name above them. A JSON
// string is a YAML text in double quotes, and a JSON number a YAML number, so
// both keep their spelling.
func jsonToYAML(body []byte) ([]byte, error) {
	w := yamlWriter{out: []byte("---\n"), most: yamlGrowth*len(body) + yamlRoom}
	if err := walk(body, &w); err != nil {
		return nil, err
	}
	return append(w.out, '\n'), nil
}

// The bounds of what is written for each byte of JSON, and beyond that: each value
// of a deep list has a line as wide as it is deep.
const (
	yamlGrowth = 8
	yamlRoom   = 1 << 20
)

type yamlWriter struct {
	out    []byte
	most   int // bytes of out
	blocks []block
}

// block is an object or array that is written in lines of its own.
type block struct {
	object bool
	indent int
	begun  bool // its first line is written
	inline bool // its first line goes on from the line above
}

// line begins the next line of the innermost block.
func (w *yamlWriter) line() {
	top := &w.blocks[len(w.blocks)-1]
	if top.begun || !top.inline {
		w.out = append(w.out, '\n')
		w.out = append(w.out, strings.Repeat(" ", top.indent)...)
	}
	top.begun = true
}

// item begins a value of an array.
func (w *yamlWriter) item() error {
	if len(w.out) > w.most {
		return fmt.Errorf("%w: more than %d bytes of YAML", ErrSyntax, w.most)
	}
	if len(w.blocks) > 0 && !w.blocks[len(w.blocks)-1].object {
		w.line()
		w.out = append(w.out, "- "...)
	}
	return nil
}

func (w *yamlWriter) open(object, empty bool) error {
	if err := w.item(); err != nil {
		return err
	}
	b := block{object: object, inline: true}
	if n := len(w.blocks); n > 0 {
		above := w.blocks[n-1]
		b.indent, b.inline = above.indent+2, !above.object
		if above.object && !object {
			b.indent = above.indent
		}
	}
	if empty {
		w.out = append(w.out, map[bool]string{true: "{}", false: "[]"}[object]...)
	} else if !b.inline { // the lines begin below its name
		w.out = w.out[:len(w.out)-1]
	}
	w.blocks = append(w.blocks, b)
	return nil
}

func (w *yamlWriter) shut() error {
	w.blocks = w.blocks[:len(w.blocks)-1]
	return nil
}

// plainName is a name that YAML reads as a text without quotes.
var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_. -]*$`)

// notNames are words that YAML reads as something else than a text.
var notNames = map[string]bool{"true": true, "false": true, "null": true, "yes": true, "no": true, "on": true, "off": true, "y": true, "n": true}

func (w *yamlWriter) name(text string) error {
	w.line()
	if plainName.MatchString(text) && !strings.HasSuffix(text, " ") && !notNames[strings.ToLower(text)] {
		w.out = append(w.out, text...)
	} else {
		quoted, err := yamlText(text)
		if err != nil {
			return err
		}
		w.out = append(w.out, quoted...)
	}
	w.out = append(w.out, ": "...)
	return nil
}

func (w *yamlWriter) scalar(value any) error {
	if err := w.item(); err != nil {
		return err
	}
	switch v := value.(type) {
	case string:
		quoted, err := yamlText(v)
		if err != nil {
			return err
		}
		w.out = append(w.out, quoted...)
	case json.Number:
		w.out = append(w.out, v...)
	case bool:
		w.out = fmt.Appendf(w.out, "%t", v)
	default:
		w.out = append(w.out, "null"...)
	}
	return nil
}

// yamlText is a text in double quotes. Characters that may not stand in YAML as
// they are, which JSON allows, are escaped.
func yamlText(s string) ([]byte, error) {
	quoted, err := quote(s)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(quoted))
	for i := 0; i < len(quoted); {
		r, size := utf8.DecodeRune(quoted[i:])
		if r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = append(out, quoted[i:i+size]...)
		}
		i += size
	}
	return out, nil
}
