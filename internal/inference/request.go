package inference

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

	"github.com/rerankd/rerankd/retriever"
)

// requestParser is how the original's errors call the reader of a request.
const requestParser = "cluster:internal/xpack/inference"

// Rerank is the body of an inference call to a rerank endpoint.
type Rerank struct {
	Query string
	Input []string
	// ReturnDocuments and TopN are nil where the request leaves them to the
	// endpoint. TopN is at least 1.
	ReturnDocuments *bool
	TopN            *int
}

// ParseRerank reads the body of an inference call. Errors are
// *retriever.RequestError in Elasticsearch's words. most bounds the texts of the
// input; a body with more is refused.
func ParseRerank(doc []byte, most int) (Rerank, error) {
	o, err := parseObject(doc)
	if err != nil {
		return Rerank{}, err
	}
	var p rerankParser
	for _, m := range o.members {
		if err := p.member(doc, m, most); err != nil {
			return Rerank{}, err
		}
	}
	if err := p.validate(); err != nil {
		return Rerank{}, err
	}
	// The request's own values beat those of its task settings.
	if p.r.ReturnDocuments == nil {
		p.r.ReturnDocuments = p.settings.ReturnDocuments
	}
	if p.r.TopN == nil && p.settings.TopN > 0 {
		p.r.TopN = &p.settings.TopN
	}
	return p.r, nil
}

// rerankParser tells what is absent from what is empty.
type rerankParser struct {
	r                  Rerank
	query, input, kind bool
	settings           TaskSettings
}

func (p *rerankParser) member(doc []byte, m member, most int) (err error) {
	v := value{doc, m}
	switch m.name {
	case "query":
		p.r.Query, err = v.text()
		p.query = true
	case "input":
		p.r.Input, err = v.texts(most)
		p.input = true
	case "return_documents":
		p.r.ReturnDocuments, err = v.boolean()
	case "top_n":
		p.r.TopN, err = v.integer()
	case "input_type":
		_, err = v.text()
		p.kind = true
	case "task_settings":
		if kindOf(m.value) != "START_OBJECT" {
			return v.wrongType()
		}
		p.settings, err = parseTaskSettings(doc, m)
	default:
		err = contentError(doc, m.key, nil, "[%s] unknown field [%s]", requestParser, m.name)
	}
	return err
}

func (p *rerankParser) validate() error {
	var v validation
	if !p.input {
		v.add("Field [input] cannot be null")
	} else if len(p.r.Input) == 0 {
		v.add("Field [input] cannot be an empty array")
	}
	if !p.query {
		v.add("Field [query] cannot be null for task type [%s]", TaskType)
	} else if p.r.Query == "" {
		v.add("Field [query] cannot be empty for task type [%s]", TaskType)
	}
	if p.kind {
		v.add("Field [input_type] cannot be specified for task type [%s]", TaskType)
	}
	if p.r.TopN != nil && *p.r.TopN < 1 {
		v.add("Field [top_n] must be a positive integer, got [%d]", *p.r.TopN)
	}
	return v.err("action_request_validation_exception")
}

// value reads one member by the rules of Elasticsearch's object parser.
type value struct {
	doc []byte
	member
}

func (v value) wrongType() error {
	return contentError(v.doc, v.off, nil, "[%s] %s doesn't support values of type: %s", requestParser, v.name, kindOf(v.value))
}

func (v value) bad(typ, reason string) error {
	return contentError(v.doc, v.off, &retriever.Cause{Type: typ, Reason: reason}, "[%s] failed to parse field [%s]", requestParser, v.name)
}

func (v value) text() (string, error) {
	if kindOf(v.value) != "VALUE_STRING" {
		return "", v.wrongType()
	}
	return stringOf(v.value), nil
}

// boolean takes true, false and the same in a string.
func (v value) boolean() (*bool, error) {
	literal := string(v.value)
	switch kindOf(v.value) {
	case "VALUE_BOOLEAN":
	case "VALUE_STRING":
		literal = stringOf(v.value)
	default:
		return nil, v.wrongType()
	}
	if literal != "true" && literal != "false" {
		return nil, v.bad("illegal_argument_exception", "Failed to parse value ["+literal+"] as only [true] or [false] are allowed.")
	}
	yes := literal == "true"
	return &yes, nil
}

// integer takes a number or a string that holds one, and cuts a fraction off.
func (v value) integer() (*int, error) {
	literal := string(v.value)
	switch kindOf(v.value) {
	case "VALUE_NUMBER":
	case "VALUE_STRING":
		literal = stringOf(v.value)
	default:
		return nil, v.wrongType()
	}
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil || math.IsNaN(f) {
		return nil, v.bad("number_format_exception", `For input string: "`+literal+`"`)
	}
	if f < math.MinInt32 || f > math.MaxInt32 {
		return nil, v.bad("illegal_argument_exception", "Value ["+literal+"] is out of range for an integer")
	}
	n := int(f)
	return &n, nil
}

// texts takes a string, or an array of single values.
func (v value) texts(most int) ([]string, error) {
	switch kindOf(v.value) {
	case "VALUE_STRING":
		return []string{stringOf(v.value)}, nil
	case "START_ARRAY":
	default:
		return nil, v.wrongType()
	}
	dec := json.NewDecoder(bytes.NewReader(v.value))
	if _, err := dec.Token(); err != nil {
		return nil, malformed(v.doc)
	}
	list := []string{}
	for dec.More() {
		var one json.RawMessage
		if err := dec.Decode(&one); err != nil {
			return nil, malformed(v.doc)
		}
		switch kind := kindOf(one); kind {
		case "START_OBJECT", "START_ARRAY", "VALUE_NULL":
			return nil, v.bad("illegal_state_exception", "expected value but got ["+kind+"]")
		case "VALUE_STRING":
			list = append(list, stringOf(one))
		default:
			list = append(list, string(one))
		}
		if len(list) > most {
			return nil, retriever.BadRequest("illegal_argument_exception",
				"Field [input] may hold at most [%d] texts; rerankd is configured so by [limits.window]", most)
		}
	}
	return list, nil
}

// stringOf decodes a JSON string. What is not UTF-8 becomes U+FFFD.
func stringOf(value []byte) string {
	var s string
	// The value was found to be a string of valid JSON.
	_ = json.Unmarshal(value, &s)
	return s
}
