package xcontent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a YAML body. The parser's time grows with the square of the nesting,
// so the tokens are counted before it sees them; the lexer's with more than the
// square of a row of blank lines in a text.
const (
	maxYAMLBlank  = 64 // lines
	maxYAMLBytes  = 256 << 10
	maxYAMLTokens = 8 << 10
	maxYAMLDepth  = 64
)

// yamlToJSON reads one document of mappings, sequences and scalars. Anchors,
// aliases, merge keys and tags are refused.
func yamlToJSON(body []byte) ([]byte, error) {
	if len(body) > maxYAMLBytes || !utf8.Valid(body) {
		return nil, fmt.Errorf("%w: YAML of more than %d bytes, or not UTF-8", ErrSyntax, maxYAMLBytes)
	}
	if manyBlankLines(body) {
		return nil, fmt.Errorf("%w: YAML of more than %d blank lines in a row", ErrSyntax, maxYAMLBlank)
	}
	tokens := lexer.Tokenize(string(bytes.TrimPrefix(body, []byte("\ufeff"))))
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: not YAML", ErrSyntax) // the parser's own words quote the body
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, fmt.Errorf("%w: want one YAML document", ErrSyntax)
	}
	w := yamlReader{}
	if err := w.value(file.Docs[0].Body, 0); err != nil {
		return nil, err
	}
	return w.out, nil
}

// manyBlankLines reports a row of more lines than maxYAMLBlank with nothing in them.
func manyBlankLines(body []byte) bool {
	ends := 0
	for i, c := range body {
		switch c {
		case '\n', '\r':
			if c == '\r' || i == 0 || body[i-1] != '\r' {
				ends++
			}
		case ' ', '\t':
		default:
			ends = 0
		}
		if ends > maxYAMLBlank {
			return true
		}
	}
	return false
}

// checkTokens bounds what the parser is given: its number, and the nesting by
// brackets and by columns.
func checkTokens(tokens token.Tokens) error {
	if len(tokens) > maxYAMLTokens {
		return fmt.Errorf("%w: YAML of more than %d tokens", ErrSyntax, maxYAMLTokens)
	}
	depth := 0
	var columns []int
	line := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		default:
		}
		if t.Position.Line != line || t.Type == token.SequenceEntryType {
			line = t.Position.Line
			for len(columns) > 0 && columns[len(columns)-1] >= t.Position.Column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, t.Position.Column)
		}
		if depth+len(columns) > maxYAMLDepth {
			return fmt.Errorf("%w: YAML nested deeper than %d", ErrSyntax, maxYAMLDepth)
		}
	}
	return nil
}

// plainNumber is a number in JSON's spelling.
var plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// yamlReader writes nodes as JSON.
type yamlReader struct{ out []byte }

func (w *yamlReader) value(n ast.Node, depth int) error {
	if depth > maxYAMLDepth {
		return fmt.Errorf("%w: YAML nested deeper than %d", ErrSyntax, maxYAMLDepth)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return w.mapping(n.Values, depth)
	case *ast.MappingValueNode:
		return w.mapping([]*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		return w.sequence(n.Values, depth)
	case *ast.StringNode:
		if n.Token.Type == token.StringType && plainNumber.MatchString(n.Value) {
			w.out = append(w.out, n.Value...) // beyond the library's integers
			return nil
		}
		return w.text(n.Value)
	case *ast.LiteralNode:
		return w.text(n.Value.Value)
	case *ast.BoolNode:
		w.out = strconv.AppendBool(w.out, n.Value)
	case *ast.NullNode, *ast.CommentGroupNode:
		w.out = append(w.out, "null"...)
	case *ast.IntegerNode:
		return w.integer(n)
	case *ast.FloatNode:
		if math.IsInf(n.Value, 0) || math.IsNaN(n.Value) {
			return fmt.Errorf("%w: a number that JSON has none for", ErrSyntax)
		}
		w.out = strconv.AppendFloat(w.out, n.Value, 'g', -1, 64)
	default:
		return fmt.Errorf("%w: YAML with an anchor, an alias, a tag or a merge", ErrSyntax)
	}
	return nil
}

func (w *yamlReader) integer(n *ast.IntegerNode) error {
	switch value := n.Value.(type) {
	case int64:
		w.out = strconv.AppendInt(w.out, value, 10)
	case uint64:
		w.out = strconv.AppendUint(w.out, value, 10)
	default:
		return fmt.Errorf("%w: a whole number out of range", ErrSyntax)
	}
	return nil
}

func (w *yamlReader) mapping(pairs []*ast.MappingValueNode, depth int) error {
	w.out = append(w.out, '{')
	for i, pair := range pairs {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		name, ok := keyText(pair.Key)
		if !ok {
			return fmt.Errorf("%w: a YAML key that is no name", ErrSyntax)
		}
		if err := w.text(name); err != nil {
			return err
		}
		w.out = append(w.out, ':')
		if err := w.value(pair.Value, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, '}')
	return nil
}

// keyText is the name that a key stands for; numbers and the like are names too.
func keyText(key ast.MapKeyNode) (string, bool) {
	if key.IsMergeKey() {
		return "", false
	}
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return key.GetToken().Value, true
	default:
		return "", false
	}
}

func (w *yamlReader) sequence(items []ast.Node, depth int) error {
	w.out = append(w.out, '[')
	for i, item := range items {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		if err := w.value(item, depth+1); err != nil {
			return err
		}
	}
	w.out = append(w.out, ']')
	return nil
}

func (w *yamlReader) text(s string) error {
	quoted, err := quote(s)
	w.out = append(w.out, quoted...)
	return err
}

// quote is a text as a JSON string, with no more escapes than it needs.
func quote(s string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}
