package configs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// endpointID is what can be an inference id: no character that would need to be
// escaped in a path, a list or a log line.
var endpointID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,256}$`)

func validateEndpoints(p *problems, endpoints []Endpoint, testModels bool) {
	between(p, "endpoints", len(endpoints), 1, maxNodes)
	seen := make(map[string]bool)
	for i, e := range endpoints {
		path := fmt.Sprintf("endpoints[%d]", i)
		switch {
		case !endpointID.MatchString(e.ID):
			p.add(path+".id", "want 1 to 256 letters, digits, dots, dashes and underscores, got %q", clip(e.ID))
		case seen[e.ID]:
			p.add(path+".id", "%q is there twice", e.ID)
		}
		seen[e.ID] = true
		p.model(path+".model", e.Model, testModels)
		if e.Deadline != 0 {
			within(p, path+".deadline", e.Deadline, time.Millisecond, time.Hour)
		}
		e.validateCascade(p, path, testModels)
		e.validatePatience(p, path)
		e.validateTask(p, path)
	}
}

// maxTopN bounds [Endpoint.TopN] and [Endpoint.MaxChunks].
const maxTopN = 10000

// validateTask checks what a call gets of an endpoint.
func (e Endpoint) validateTask(p *problems, path string) {
	between(p, path+".top_n", e.TopN, 0, maxTopN)
	between(p, path+".max_chunks_per_doc", e.MaxChunks, 0, maxTopN)
	if e.LongDocuments != "" {
		p.oneOf(path+".long_document_strategy", e.LongDocuments, LongDocumentsTruncate, LongDocumentsChunk)
	}
	chunk := e.LongDocuments == LongDocumentsChunk
	if chunk && e.First != "" {
		p.add(path+".long_document_strategy", "is not for a cascade, which keeps so many passages and not chunks")
	}
	if e.MaxChunks > 0 && !chunk {
		p.add(path+".max_chunks_per_doc", "needs %s.long_document_strategy to be %s", path, LongDocumentsChunk)
	}
}

func (e Endpoint) validateCascade(p *problems, path string, testModels bool) {
	switch {
	case e.First == "" && e.Keep != 0:
		p.add(path+".keep", "is for a cascade: set first, or leave it out")
	case e.First != "" && e.First == e.Model:
		p.add(path+".first", "is the same as model: %q", clip(e.First))
	case e.First != "":
		p.model(path+".first", e.First, testModels)
		between(p, path+".keep", e.Keep, 1, 10000)
	}
}

func (e Endpoint) validatePatience(p *problems, path string) {
	between(p, path+".patience", e.Patience, 0, 10000)
	switch {
	case e.Patience > 0 && e.First != "":
		p.add(path+".patience", "is not for a cascade, whose first model scores all passages and whose second one the best")
	case e.Patience > 0 && e.LongDocuments == LongDocumentsChunk:
		p.add(path+".patience", "is not for long_document_strategy %s: it counts passages and not chunks", LongDocumentsChunk)
	}
}

// model wants the name of a model or of its folder.
func (p *problems) model(path, model string, testModels bool) {
	switch model {
	case "":
		p.add(path, "want %s, %s or a model folder", ModelBuiltin, ModelTiny)
	case ModelOverlap, ModelNumeric, ModelFailing, ModelShort:
		if !testModels {
			p.add(path, "%q is for tests only; a folder of this name is ./%s", model, model)
		}
	default:
		p.path(path, model)
	}
}

// endpointKeys are the keys of an endpoint in its text after id=model, in order.
var endpointKeys = []string{"deadline", "first", "keep", "patience", "top_n", "scores_only", "long_document_strategy", "max_chunks_per_doc"}

// parseEndpoints reads endpoints from a variable or flag: id=model, more key=value
// pairs after semicolons, and endpoints separated by commas.
func parseEndpoints(text string) ([]Endpoint, error) {
	var list []Endpoint
	for _, one := range splitList(text) {
		head, rest, more := strings.Cut(one, ";")
		id, model, found := strings.Cut(head, "=")
		if !found {
			return nil, fmt.Errorf("want id=model pairs separated by commas, got %q", clip(head))
		}
		e := Endpoint{ID: strings.TrimSpace(id), Model: strings.TrimSpace(model)}
		if more {
			for pair := range strings.SplitSeq(rest, ";") {
				key, value, _ := strings.Cut(pair, "=")
				if err := e.set(strings.TrimSpace(key), strings.TrimSpace(value)); err != nil {
					return nil, err
				}
			}
		}
		list = append(list, e)
	}
	return list, nil
}

func (e *Endpoint) set(key, value string) (err error) {
	switch key {
	case "deadline":
		if e.Deadline, err = time.ParseDuration(value); err != nil {
			return fmt.Errorf("deadline: want a duration such as 200ms, got %q", clip(value))
		}
	case "first":
		e.First = value
	case "keep":
		e.Keep, err = wholeNumber(key, value)
	case "patience":
		e.Patience, err = wholeNumber(key, value)
	case "top_n":
		e.TopN, err = wholeNumber(key, value)
	case "scores_only":
		if value != "true" && value != "false" {
			return fmt.Errorf("scores_only: want true or false, got %q", clip(value))
		}
		e.ScoresOnly = value == "true"
	case "long_document_strategy":
		e.LongDocuments = value
	case "max_chunks_per_doc":
		e.MaxChunks, err = wholeNumber(key, value)
	default:
		return fmt.Errorf("an endpoint has no key %q, want one of %s", clip(key), strings.Join(endpointKeys, ", "))
	}
	return err
}

func wholeNumber(key, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, fmt.Errorf("%s: want a whole number, got %q", key, clip(value))
	}
	return n, nil
}

// String is the endpoint as parseEndpoints reads it, without what is left out.
func (e Endpoint) String() string {
	text := e.ID + "=" + e.Model
	if e.Deadline != 0 {
		text += ";deadline=" + durationText(e.Deadline)
	}
	if e.First != "" {
		text += ";first=" + e.First
	}
	if e.Keep != 0 {
		text += ";keep=" + strconv.Itoa(e.Keep)
	}
	if e.Patience != 0 {
		text += ";patience=" + strconv.Itoa(e.Patience)
	}
	if e.TopN != 0 {
		text += ";top_n=" + strconv.Itoa(e.TopN)
	}
	if e.ScoresOnly {
		text += ";scores_only=true"
	}
	if e.LongDocuments != "" {
		text += ";long_document_strategy=" + e.LongDocuments
	}
	if e.MaxChunks != 0 {
		text += ";max_chunks_per_doc=" + strconv.Itoa(e.MaxChunks)
	}
	return text
}
