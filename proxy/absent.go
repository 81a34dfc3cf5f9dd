package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/rerankd/rerankd/retriever"
)

// absentLimit is more than the longest answer that says that an API is not there.
const absentLimit = 16 << 10

// absent reports whether an answer says that the cluster doesn't have the API of
// the request: it is built or run without the module. The body can still be read.
func absent(res *http.Response) bool {
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
	default:
		return false
	}
	text, ok := peek(res)
	if !ok {
		return false
	}
	var a struct {
		Error string `json:"error"`
	}
	return json.Unmarshal(text, &a) == nil &&
		(strings.HasPrefix(a.Error, "no handler found for uri [") || strings.HasPrefix(a.Error, "Incorrect HTTP method for uri ["))
}

// unlicensed reports whether an answer says that the cluster's licence doesn't
// cover the API. The body can still be read.
func unlicensed(res *http.Response) bool {
	if res.StatusCode != http.StatusForbidden {
		return false
	}
	text, ok := peek(res)
	var a struct {
		Error struct {
			Feature string `json:"license.expired.feature"`
		} `json:"error"`
	}
	return ok && json.Unmarshal(text, &a) == nil && a.Error.Feature != ""
}

// peek reads a short body and puts it back. It reports false for one that is
// longer, or can't be read.
func peek(res *http.Response) ([]byte, bool) {
	body := res.Body
	raw, err := readAtMost(body, res.ContentLength, absentLimit)
	res.Body = rejoined(bytes.NewReader(raw), body, body)
	if err != nil || len(raw) == absentLimit {
		return nil, false
	}
	if packed(res.Header) {
		raw, err = unpack(res.Header, bytes.NewReader(raw), absentLimit)
	}
	return raw, err == nil && len(raw) < absentLimit
}

// fallbackKey is the context key of what a request is answered with if the cluster
// doesn't have its API.
type fallbackKey struct{}

// fallback returns the error that stands in for the answer of a cluster without
// the API, nil where there is none.
func fallback(res *http.Response) error {
	e, ok := res.Request.Context().Value(fallbackKey{}).(*retriever.RequestError)
	if ok && absent(res) {
		return e
	}
	return nil
}
