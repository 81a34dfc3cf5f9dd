package retriever

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// MultiItem is one search of a multi search: a line that says where and a line
// that says what.
type MultiItem struct {
	Header, Body []byte // JSON; a header may be empty
}

// SplitMulti takes the body of a multi search apart. The newline after the last
// line may be missing. A body whose lines are not pairs is a *RequestError.
func SplitMulti(body []byte) ([]MultiItem, error) {
	lines := bytes.Split(body, []byte{'\n'})
	if last := len(lines) - 1; len(bytes.TrimSpace(lines[last])) == 0 {
		lines = lines[:last]
	}
	if len(lines)%2 != 0 {
		return nil, BadRequest("illegal_argument_exception", "a multi search needs two lines for each search, found [%d] lines", len(lines))
	}
	items := make([]MultiItem, 0, len(lines)/2)
	for pair := range slices.Chunk(lines, 2) {
		items = append(items, MultiItem{Header: pair[0], Body: pair[1]})
	}
	return items, nil
}

// multiParameters are the members of a header line that are URL parameters of a
// search, besides the index.
var multiParameters = []string{
	"search_type", "request_cache", "preference", "routing", "allow_partial_search_results", "ccs_minimize_roundtrips",
	"expand_wildcards", "ignore_unavailable", "allow_no_indices", "ignore_throttled",
}

// Target reads the header line: the indices to search, separated by commas, ""
// for none named, and what a search takes as URL parameters.
func (m MultiItem) Target() (index string, query url.Values, err error) {
	query = url.Values{}
	header := bytes.TrimSpace(m.Header)
	if len(header) == 0 {
		return "", query, nil
	}
	if !json.Valid(header) || header[0] != '{' {
		return "", nil, BadRequest("illegal_argument_exception", "malformed header line of a multi search")
	}
	keys, err := members(header, span{0, len(header)})
	if err != nil {
		return "", nil, err
	}
	for _, m := range keys {
		value, ok := scalars(header, m.value)
		switch {
		case !ok:
			return "", nil, BadRequest("illegal_argument_exception", "a multi search can't read [%s] in a header line", m.name)
		case m.name == "index" || m.name == "indices":
			index = value
		case slices.Contains(multiParameters, m.name):
			query.Set(m.name, value)
		default:
			return "", nil, BadRequest("illegal_argument_exception", "key [%s] is not supported in the metadata section", m.name)
		}
	}
	return index, query, nil
}

// scalars is a string, number or boolean as text, or a list of them separated by
// commas; null is "".
func scalars(doc []byte, v span) (string, bool) {
	switch kindOf(doc, v) {
	case kindString:
		return text(doc, v), true
	case kindNumber, kindBoolean:
		return string(v.of(doc)), true
	case kindNull:
		return "", true
	case kindArray:
		items, err := elements(doc, v)
		if err != nil {
			return "", false
		}
		list := make([]string, len(items))
		for i, item := range items {
			if kindOf(doc, item) != kindString {
				return "", false
			}
			list[i] = text(doc, item)
		}
		return strings.Join(list, ","), true
	default:
		return "", false
	}
}

// MultiAnswers are the answers of a multi search, one for each search, as they
// stand. ErrAnswer means that the bytes are no such answer.
func MultiAnswers(answer []byte) ([][]byte, error) {
	top, err := root(answer)
	if err != nil {
		return nil, ErrAnswer
	}
	keys, err := members(answer, top)
	if err != nil {
		return nil, ErrAnswer
	}
	m, ok := find(keys, "responses")
	if !ok || kindOf(answer, m.value) != kindArray {
		return nil, ErrAnswer
	}
	items, err := elements(answer, m.value)
	if err != nil {
		return nil, ErrAnswer
	}
	list := make([][]byte, len(items))
	for i, item := range items {
		list[i] = item.of(answer)
	}
	return list, nil
}

// WithStatus is a search's answer as it stands in a multi search: with its status
// as the last member, if it has none.
func WithStatus(answer []byte, status int) []byte {
	top, err := root(answer)
	if err != nil {
		return answer
	}
	keys, err := members(answer, top)
	if err != nil || len(keys) == 0 {
		return answer
	}
	if _, has := find(keys, "status"); has {
		return answer[:top.end]
	}
	end := keys[len(keys)-1].value.end
	added := append([]byte(`,"status":`), strconv.Itoa(status)...)
	return apply(answer[:top.end], []edit{{span{end, end}, added}})
}

// Formatted is an answer as the URL parameters filter_path and pretty want it.
// The error is a *RequestError about the parameters.
func Formatted(answer []byte, query url.Values) ([]byte, error) {
	paths, err := filterPathOf(query)
	if err != nil {
		return nil, err
	}
	return formatted(answer, query, paths), nil
}

func filterPathOf(query url.Values) (*FilterPath, error) {
	value := query.Get("filter_path")
	if value == "" {
		return nil, nil //nolint:nilnil // no paths and no fault
	}
	paths, err := ParseFilterPath(value)
	return &paths, err
}

// formatted can only fail on bytes that are no JSON, which stay as they are.
func formatted(answer []byte, query url.Values, paths *FilterPath) []byte {
	if paths != nil {
		if left, err := paths.Apply(answer); err == nil {
			answer = left
		}
	}
	if query.Has("pretty") && query.Get("pretty") != "false" {
		var b bytes.Buffer
		if json.Indent(&b, answer, "", "  ") == nil {
			b.WriteByte('\n')
			answer = b.Bytes()
		}
	}
	return answer
}
