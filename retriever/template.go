package retriever

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Rendered is the search that a template gives: the template_output of the
// cluster's answer to a rendering, with explain and profile as the request for the
// template says beside it. ErrAnswer means that the answer is none of a
// rendering.
func Rendered(answer, request []byte) ([]byte, error) {
	output, err := objectIn(answer, "template_output")
	if err != nil {
		return nil, err
	}
	keys, err := members(answer, output)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	switches := []string{"explain", "profile"}
	switches = slices.DeleteFunc(switches, func(name string) bool { return !isOn(request, name) })
	if len(switches) == 0 {
		return bytes.Clone(output.of(answer)), nil
	}
	drop := make([]bool, len(keys))
	for i, m := range keys {
		drop[i] = slices.Contains(switches, m.name)
	}
	var edits []edit
	for gone := range without(keys, drop) {
		edits = append(edits, edit{at: gone})
	}
	added := `"` + strings.Join(switches, `":true,"`) + `":true`
	if slices.Contains(drop, false) {
		added += ","
	}
	start := output.off + 1
	whole := apply(answer[:output.end], append(edits, edit{span{start, start}, []byte(added)}))
	return whole[output.off:], nil
}

// Stored reports that a request for a template names a stored one, whose text is
// not in the request.
func Stored(request []byte) bool {
	return bytes.Contains(request, []byte(`"id"`))
}

// Refused reports that an answer is an error in Elasticsearch's form.
func Refused(answer []byte) bool {
	_, err := objectIn(answer, "error")
	return err == nil
}

// objectIn finds an object by its name in an answer.
func objectIn(answer []byte, name string) (span, error) {
	top, err := root(answer)
	if err != nil {
		return span{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	keys, err := members(answer, top)
	if err != nil {
		return span{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	m, ok := find(keys, name)
	if !ok || kindOf(answer, m.value) != kindObject {
		return span{}, fmt.Errorf("%w: no %s in it", ErrAnswer, name)
	}
	return m.value, nil
}

// isOn reports a member of an object that is true.
func isOn(doc []byte, name string) bool {
	if validJSON(doc) != nil {
		return false
	}
	top, err := root(doc)
	if err != nil {
		return false
	}
	keys, err := members(doc, top)
	if err != nil {
		return false
	}
	m, ok := find(keys, name)
	return ok && strings.Trim(string(m.value.of(doc)), `"`) == "true"
}
