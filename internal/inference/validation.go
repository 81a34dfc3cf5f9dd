package inference

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/rerankd/rerankd/retriever"
)

// validation collects what is wrong with a request.
type validation []string

func (v *validation) add(format string, args ...any) {
	*v = append(*v, fmt.Sprintf(format, args...))
}

// err is one exception of that type that numbers what was found, nil for nothing.
func (v validation) err(typ string) error {
	if len(v) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("Validation Failed: ")
	for i, finding := range v {
		fmt.Fprintf(&b, "%d: %s;", i+1, finding)
	}
	return retriever.BadRequest(typ, "%s", b.String())
}

func statusError(status int, format string, args ...any) *retriever.RequestError {
	return &retriever.RequestError{Status: status, Cause: &retriever.Cause{
		Type: "status_exception", Reason: fmt.Sprintf(format, args...),
	}}
}

// NotFound is the 404 for an endpoint that is not there.
func NotFound(id string) *retriever.RequestError {
	return &retriever.RequestError{Status: http.StatusNotFound, Cause: &retriever.Cause{
		Type: "resource_not_found_exception", Reason: fmt.Sprintf("Inference endpoint not found [%s]", id),
	}}
}

// Exists is the 400 for an endpoint that is to be made and is there.
func Exists(id string) *retriever.RequestError {
	return retriever.BadRequest("resource_already_exists_exception", "Inference endpoint [%s] already exists", id)
}

// unknownModel is the 404 for a model that is not configured.
func unknownModel(id string) *retriever.RequestError {
	return &retriever.RequestError{Status: http.StatusNotFound, Cause: &retriever.Cause{
		Type: "resource_not_found_exception", Reason: fmt.Sprintf("No known trained model with model_id [%s]", id),
	}}
}
