package retriever

import (
	"math"
	"strconv"
	"strings"
)

// reader reads the values of one object by the rules of Elasticsearch's object
// parser: which tokens each type accepts, and what it says of others.
type reader struct {
	doc    []byte
	parser string // the name in messages
}

// wrongType is the report of a value of a token that the field doesn't take.
func (r reader) wrongType(m member) error {
	return contentError(r.doc, m.value.off, nil, "[%s] %s doesn't support values of type: %s", r.parser, m.name, kindOf(r.doc, m.value))
}

// badContent is the report of a value of the right token with a content that
// can't be read.
func (r reader) badContent(m member, by *Cause) error {
	return contentError(r.doc, m.value.off, by, "[%s] failed to parse field [%s]", r.parser, m.name)
}

func (r reader) str(m member) (string, error) {
	if kindOf(r.doc, m.value) != kindString {
		return "", r.wrongType(m)
	}
	return text(r.doc, m.value), nil
}

// strings accepts a string or an array of strings.
func (r reader) strings(m member) ([]string, error) {
	if k := kindOf(r.doc, m.value); k != kindString && k != kindArray {
		return nil, r.wrongType(m)
	}
	var list []string
	for _, item := range listed(r.doc, m.value) {
		if kindOf(r.doc, item) != kindString {
			return nil, r.badContent(m, &Cause{
				Type: "illegal_argument_exception", Reason: "expected string but found [" + string(kindOf(r.doc, item)) + "]",
			})
		}
		list = append(list, text(r.doc, item))
	}
	return list, nil
}

// number accepts a JSON number or a string that holds one.
func (r reader) number(m member) (float64, error) {
	var literal string
	switch kindOf(r.doc, m.value) {
	case kindNumber:
		literal = string(m.value.of(r.doc))
	case kindString:
		literal = text(r.doc, m.value)
	default:
		return 0, r.wrongType(m)
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(literal), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, r.badContent(m, &Cause{Type: "number_format_exception", Reason: `For input string: "` + literal + `"`})
	}
	return f, nil
}

// integer accepts what number does and cuts the fraction off, as Elasticsearch
// does: 2.5 is 2.
func (r reader) integer(m member) (int, error) {
	f, err := r.number(m)
	if err != nil {
		return 0, err
	}
	if f < math.MinInt32 || f > math.MaxInt32 {
		return 0, r.badContent(m, &Cause{
			Type:   "illegal_argument_exception",
			Reason: "Value [" + string(m.value.of(r.doc)) + "] is out of range for an integer",
		})
	}
	return int(f), nil
}

func (r reader) float(m member) (float32, error) {
	f, err := r.number(m)
	if err != nil {
		return 0, err
	}
	if math.Abs(f) > math.MaxFloat32 {
		return 0, r.badContent(m, &Cause{
			Type:   "illegal_argument_exception",
			Reason: "Value [" + string(m.value.of(r.doc)) + "] is out of range for a float",
		})
	}
	return float32(f), nil
}

// boolean accepts true, false and the same in a string.
func (r reader) boolean(m member) (bool, error) {
	literal := string(m.value.of(r.doc))
	switch kindOf(r.doc, m.value) {
	case kindBoolean:
	case kindString:
		literal = text(r.doc, m.value)
	default:
		return false, r.wrongType(m)
	}
	switch literal {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, r.badContent(m, &Cause{
		Type:   "illegal_argument_exception",
		Reason: "Failed to parse value [" + literal + "] as only [true] or [false] are allowed.",
	})
}

func (r reader) object(m member) error {
	if kindOf(r.doc, m.value) != kindObject {
		return r.wrongType(m)
	}
	return nil
}

// filter accepts an object or an array of objects.
func (r reader) filter(m member) error {
	switch kindOf(r.doc, m.value) {
	case kindObject:
		return nil
	case kindArray:
		items, err := elements(r.doc, m.value)
		if err != nil {
			return err
		}
		for _, item := range items {
			if kindOf(r.doc, item) != kindObject {
				line, col := position(r.doc, item.off)
				return r.badContent(m, &Cause{
					Type:   "parsing_exception",
					Reason: "[_na] query malformed, must start with start_object", Line: line, Col: col,
				})
			}
		}
		return nil
	default:
		return r.wrongType(m)
	}
}
