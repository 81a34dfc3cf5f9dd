package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a configuration file. The parser's time grows with the square of the
// nesting, so the tokens are counted before it sees them.
const (
	maxFileBytes  = 64 << 10
	maxFileTokens = 8 << 10
	maxFlowDepth  = 16
)

// loadFile reads the file over c.
func loadFile(c *Config, path string) error {
	text, err := readFile(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	return decode(c, path, text)
}

func readFile(path string) (text []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err = io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %v", path, ByteSize(maxFileBytes))
	}
	return text, nil
}

// decode reads YAML over c. Only mappings, sequences and scalars are taken:
// anchors, aliases, merge keys and tags are refused. A section without a value
// sets nothing. name stands in errors.
func decode(c *Config, name string, text []byte) error {
	if !utf8.Valid(text) {
		return fmt.Errorf("%s: not UTF-8", name)
	}
	tokens := lexer.Tokenize(string(bytes.TrimPrefix(text, []byte("\ufeff"))))
	if err := checkTokens(name, tokens); err != nil {
		return err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return syntaxError(name, err)
	}
	d := decoder{name: name}
	switch len(file.Docs) {
	case 0:
	case 1:
		if body := file.Docs[0].Body; body != nil {
			d.value(body, reflect.ValueOf(c).Elem(), "")
		}
	default:
		return fmt.Errorf("%s: %d documents, want one", name, len(file.Docs))
	}
	return errors.Join(d.errs...)
}

func checkTokens(name string, tokens token.Tokens) error {
	if len(tokens) > maxFileTokens {
		return fmt.Errorf("%s: more than %d tokens", name, maxFileTokens)
	}
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		default:
			continue
		}
		if depth > maxFlowDepth {
			return fmt.Errorf("%s:%s: nested deeper than %d", name, place(t), maxFlowDepth)
		}
	}
	return nil
}

// maxSyntaxError cuts messages of the parser, which quote keys of any length.
const maxSyntaxError = 200

// quoted is a part of the file in a message of the parser.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// syntaxError leaves out the excerpt of the file that the parser's own errors
// carry, and what their messages quote of it: a secret may stand there.
func syntaxError(name string, err error) error {
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil {
		message := located.GetMessage()
		if !strings.HasPrefix(message, "mapping key ") { // a key that is there twice is worth naming
			message = quoted.ReplaceAllString(message, "…")
		}
		return fmt.Errorf("%s:%s: %s", name, place(located.GetToken()), cut(message, maxSyntaxError))
	}
	return fmt.Errorf("%s: not YAML", name)
}

func place(t *token.Token) string { return fmt.Sprintf("%d:%d", t.Position.Line, t.Position.Column) }

// decoder collects every problem of a file.
type decoder struct {
	name string
	errs []error
}

func (d *decoder) bad(n ast.Node, path, format string, args ...any) {
	if path != "" {
		path += ": "
	}
	d.errs = append(d.errs, fmt.Errorf("%s:%s: %s%s", d.name, place(n.GetToken()), path, fmt.Sprintf(format, args...)))
}

// value sets v, a section, a list or a single setting, from a node.
func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		switch n := n.(type) {
		case *ast.MappingNode:
			d.section(n, v, path)
		case *ast.NullNode, *ast.CommentGroupNode:
		default:
			d.bad(n, path, "want keys with values, got %s", kindOf(n))
		}
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			d.bad(n, path, "want a list, got %s", kindOf(n))
			return
		}
		v.SetZero() // an empty list is none
		if len(list.Values) > 0 {
			v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
		}
		for i, element := range list.Values {
			d.value(element, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	default:
		text, ok := scalar(n)
		if !ok {
			d.bad(n, path, "want a single value, got %s", kindOf(n))
			return
		}
		if err := setText(v, text); err != nil {
			d.bad(n, path, "%v", err)
		}
	}
}

func (d *decoder) section(n *ast.MappingNode, v reflect.Value, path string) {
	if path != "" {
		path += "."
	}
	for _, pair := range n.Values {
		key, ok := scalar(pair.Key)
		if !ok || pair.Key.IsMergeKey() {
			d.bad(pair.Key, path, "want a plain key, got %s", kindOf(pair.Key))
			continue
		}
		var known []string
		found := false
		for f := range v.Type().Fields() {
			name := f.Tag.Get("yaml")
			known = append(known, path+name)
			if name == key {
				found = true
				d.value(pair.Value, v.FieldByIndex(f.Index), path+name)
			}
		}
		if !found {
			d.bad(pair.Key, "", "%s: unknown key%s", clip(path+key), suggestKey(path, key, known))
		}
	}
}

// suggestKey prefers a key of the same section, then one of the same name in
// another. A whole path as key, as flags are written, gets told where to go.
func suggestKey(path, key string, known []string) string {
	all := paths()
	if at := strings.LastIndex(key, "."); at > 0 && slices.Contains(all, key) {
		return fmt.Sprintf(", write %s below %s", key[at+1:], key[:at])
	}
	if s := suggest(path+key, known); s != "" {
		return s
	}
	for _, p := range all {
		if strings.HasSuffix(p, "."+key) {
			return ", did you mean " + p + "?"
		}
	}
	return ""
}

// clip keeps what a message quotes of a setting short.
func clip(s string) string { return cut(s, maxName) }

// cut keeps the first bytes of a text, at most as many as given.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// scalar is the text of a single value as it stands in the file, quotes aside.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	default:
		return "", false
	}
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor, an alias or a merge, which are not supported"
	case *ast.TagNode:
		return "a tag, which is not supported"
	case *ast.MappingKeyNode:
		return "a key with a question mark, which is not supported"
	default:
		return "a single value"
	}
}
