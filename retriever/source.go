package retriever

import (
	"slices"
	"strings"
)

// Limits of a template: fetching a field costs the cluster time for each document.
const (
	maxTemplateFields = 16
	maxTemplateBytes  = 1000
)

// source is where the text of a document comes from: one field, or a template
// over several.
type source struct {
	fields []string       // to fetch, each once
	parts  []templatePart // of a template; nil: the value of the one field
}

// templatePart is a literal text, or the value of a field.
type templatePart struct {
	literal string
	field   string // "": none
}

// newSource reads the name of a field or, where templates are allowed, a template
// such as {{title}}. {{body}}.
func newSource(field string, templates bool) (source, error) {
	if !templates || !strings.Contains(field, "{{") {
		return source{fields: []string{field}}, nil
	}
	var s source
	for rest := field; rest != ""; {
		literal, after, found := strings.Cut(rest, "{{")
		s.parts = append(s.parts, templatePart{literal: literal})
		if !found {
			break
		}
		name, next, closed := strings.Cut(after, "}}")
		if name = strings.TrimSpace(name); !closed || !fetchable(name) || strings.ContainsAny(name, "{}") {
			return source{}, BadRequest("illegal_argument_exception", "[field] must be a name or a template with names in double braces, as {{title}}, but was [%s]", field)
		}
		s.parts = append(s.parts, templatePart{field: name})
		if !slices.Contains(s.fields, name) {
			s.fields = append(s.fields, name)
		}
		rest = next
	}
	if len(s.fields) > maxTemplateFields || len(field) > maxTemplateBytes {
		return source{}, BadRequest("illegal_argument_exception", "[field] may hold a template of at most [%d] fields and [%d] bytes", maxTemplateFields, maxTemplateBytes)
	}
	return s, nil
}

// text is the text of a document of which value gives the values of fields, nil
// for none. In a template a missing value is empty; without any there is no text.
func (s source) text(value func(field string) *string) *string {
	if s.parts == nil {
		return value(s.fields[0])
	}
	var b strings.Builder
	found := false
	for _, p := range s.parts {
		b.WriteString(p.literal)
		if p.field == "" {
			continue
		}
		if v := value(p.field); v != nil {
			found = true
			b.WriteString(*v)
		}
	}
	if !found {
		return nil
	}
	return new(b.String())
}

// toFetch are the fields to ask the cluster for, but for those that skip names.
func (s source) toFetch(skip func(field string) bool) []string {
	return slices.DeleteFunc(slices.Clone(s.fields), func(f string) bool { return !fetchable(f) || skip(f) })
}
