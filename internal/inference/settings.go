package inference

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/rerankd/rerankd/retriever"
)

// serviceParser reads service settings and collects what is wrong with them.
type serviceParser struct {
	doc     []byte
	s       ServiceSettings
	v       validation
	unknown []member
}

func parseServiceSettings(doc []byte, section member) (ServiceSettings, error) {
	if kindOf(section.value) != "START_OBJECT" {
		return ServiceSettings{}, notOfType(section, "Map")
	}
	o, err := membersOf(doc, section.off, section.value)
	if err != nil {
		return ServiceSettings{}, err
	}
	p := serviceParser{doc: doc}
	for _, m := range o.members {
		if err := p.member(m); err != nil {
			return p.s, err
		}
	}
	p.require(o)
	if err := p.v.err("validation_exception"); err != nil {
		return p.s, err
	}
	if len(p.unknown) > 0 {
		return p.s, unknownSettings(p.unknown)
	}
	if p.s.adapts() && p.s.NumAllocations != nil {
		return p.s, retriever.BadRequest("illegal_argument_exception", "[num_allocations] cannot be set if adaptive allocations is enabled")
	}
	return p.s, nil
}

func (p *serviceParser) member(m member) (err error) {
	switch m.name {
	case "model_id":
		if kindOf(m.value) != "VALUE_STRING" {
			p.v.add("%s", typeFinding(m, "String"))
		} else if p.s.ModelID = stringOf(m.value); p.s.ModelID == "" {
			p.v.add("[service_settings] Invalid value empty string. [model_id] must be a non-empty string")
		}
	case "num_threads":
		p.s.NumThreads = p.positive(m)
	case "num_allocations":
		if n := p.positive(m); n > 0 {
			p.s.NumAllocations = &n
		}
	case "adaptive_allocations":
		p.s.Adaptive, err = parseAdaptive(p.doc, m)
	case "long_document_strategy":
		p.strategy(m)
	case "max_chunks_per_doc":
		p.s.MaxChunksPerDoc = p.positive(m)
	case "deployment_id":
		err = retriever.Unsupported("[deployment_id] in [service_settings]: an endpoint has workers of its own; name the model by [model_id]")
	default:
		p.unknown = append(p.unknown, m)
	}
	return err
}

// require finds what is missing, in the order and the words of the original.
func (p *serviceParser) require(o object) {
	if _, has := o.one("num_threads"); !has {
		p.v.add("[service_settings] does not contain the required setting [num_threads]")
	}
	_, fixed := o.one("num_allocations")
	_, adaptive := o.one("adaptive_allocations")
	if !fixed && !adaptive {
		p.v.add("[service_settings] does not contain one of the required settings [num_allocations, adaptive_allocations]")
	}
	if _, has := o.one("model_id"); !has {
		p.v.add("[service_settings] does not contain the required setting [model_id]")
	}
	if _, has := o.one("max_chunks_per_doc"); has && p.s.LongDocumentStrategy != StrategyChunk {
		p.v.add("The [max_chunks_per_doc] setting requires [long_document_strategy] to be set to [chunk]")
	}
}

func (p *serviceParser) strategy(m member) {
	if kindOf(m.value) != "VALUE_STRING" {
		p.v.add("%s", typeFinding(m, "String"))
		return
	}
	switch s := stringOf(m.value); s {
	case StrategyTruncate, StrategyChunk:
		p.s.LongDocumentStrategy = s
	default:
		p.v.add("[service_settings] Invalid value [%s] received. [long_document_strategy] must be one of [chunk, truncate]", clip(s))
	}
}

// positive reads a positive integer, 0 for what is none.
func (p *serviceParser) positive(m member) int {
	n, ok := integerOf(m.value)
	switch {
	case !ok:
		p.v.add("%s", typeFinding(m, "Integer"))
	case n < 1:
		p.v.add("[service_settings] Invalid value [%d]. [%s] must be a positive integer", n, m.name)
		n = 0
	}
	return n
}

// adaptiveParser is how the original's errors call the reader of this section.
const adaptiveParser = "adaptive_allocations"

func parseAdaptive(doc []byte, section member) (*AdaptiveAllocations, error) {
	if kindOf(section.value) != "START_OBJECT" {
		return nil, notOfType(section, "Map")
	}
	o, err := membersOf(doc, section.off, section.value)
	if err != nil {
		return nil, err
	}
	a := &AdaptiveAllocations{}
	for _, m := range o.members {
		if kindOf(m.value) == "VALUE_NULL" {
			continue // as absent
		}
		switch m.name {
		case "enabled":
			if kindOf(m.value) != "VALUE_BOOLEAN" {
				return nil, notOfType(m, "Boolean")
			}
			a.Enabled = string(m.value) == "true"
		case "min_number_of_allocations":
			a.Min, err = allocations(m, 0, "a non-negative integer or null")
		case "max_number_of_allocations":
			a.Max, err = allocations(m, 1, "a positive integer or null")
		default:
			err = contentError(doc, m.key, nil, "[%s] unknown field [%s]", adaptiveParser, m.name)
		}
		if err != nil {
			return nil, err
		}
	}
	if a.Min != nil && a.Max != nil && *a.Min > *a.Max {
		return nil, retriever.BadRequest("action_request_validation_exception",
			"Validation Failed: 1: [min_number_of_allocations] must not be larger than [max_number_of_allocations];")
	}
	return a, nil
}

func allocations(m member, least int, want string) (*int, error) {
	n, ok := integerOf(m.value)
	if !ok {
		return nil, notOfType(m, "Integer")
	}
	if n < least {
		return nil, retriever.BadRequest("action_request_validation_exception", "Validation Failed: 1: [%s] must be %s;", m.name, want)
	}
	return &n, nil
}

func parseTaskSettings(doc []byte, section member) (TaskSettings, error) {
	if kindOf(section.value) != "START_OBJECT" {
		return TaskSettings{}, notOfType(section, "Map")
	}
	o, err := membersOf(doc, section.off, section.value)
	if err != nil {
		return TaskSettings{}, err
	}
	var s TaskSettings
	var unknown []member
	for _, m := range o.members {
		switch m.name {
		case "return_documents":
			if kindOf(m.value) != "VALUE_BOOLEAN" {
				return s, notOfType(m, "Boolean")
			}
			yes := string(m.value) == "true"
			s.ReturnDocuments = &yes
		case "top_n":
			n, ok := integerOf(m.value)
			if !ok {
				return s, notOfType(m, "Integer")
			}
			if n < 1 {
				return s, retriever.BadRequest("validation_exception",
					"Validation Failed: 1: [task_settings] Invalid value [%d]. [top_n] must be a positive integer;", n)
			}
			s.TopN = n
		default:
			unknown = append(unknown, m)
		}
	}
	if len(unknown) > 0 {
		return s, unknownSettings(unknown)
	}
	return s, nil
}

// maxInteger bounds every number of a setting; what it means is bounded further.
const maxInteger = 1<<31 - 1

func integerOf(value []byte) (int, bool) {
	n, err := strconv.Atoi(string(value))
	return n, err == nil && n <= maxInteger && n >= -maxInteger
}

func typeFinding(m member, want string) string {
	return "field [" + m.name + "] is not of the expected type. The value [" + shown(m.value) + "] cannot be converted to a [" + want + "]"
}

func notOfType(m member, want string) error { return statusError(400, "%s", typeFinding(m, want)) }

func unknownSettings(list []member) error {
	pairs := make([]string, len(list))
	for i, m := range list {
		pairs[i] = clip(m.name) + "=" + shown(m.value)
	}
	return statusError(400, "Configuration contains settings [{%s}] unknown to the [%s] service", strings.Join(pairs, ", "), Service)
}

// shown is a value as an error quotes it.
func shown(value []byte) string {
	if kindOf(value) == "VALUE_STRING" {
		return clip(stringOf(value))
	}
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return ""
	}
	return clip(b.String())
}

// maxShown bounds what an error quotes of a request.
const maxShown = 200

func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}
