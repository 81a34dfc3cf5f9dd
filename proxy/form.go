package proxy

import (
	"net/http"
	"strings"

	"github.com/rerankd/rerankd/internal/xcontent"
)

// formatParam asks for an answer in a format, by its name.
const formatParam = "format"

// form is the form of an answer: its format, and the version of the vendor form of
// its media type. The zero value is JSON under the cluster's own media type.
type form struct {
	format  xcontent.Format
	version string
}

// formOf is the form that Elasticsearch answers r in: that of the URL parameter
// format, else of Accept, unless that is a list or a range, else of the body.
func formOf(r *http.Request) form {
	query := r.URL.Query()
	if name := query.Get(formatParam); name != "" {
		switch f := xcontent.Format(strings.ToLower(name)); f {
		case xcontent.JSON, xcontent.YAML, xcontent.CBOR, xcontent.Smile:
			return form{format: f}
		}
		if f, _, ok := xcontent.Of(name); ok {
			return form{format: f}
		}
	} else if f, version, ok := xcontent.Of(strings.Join(r.Header["Accept"], ",")); ok {
		return form{f, version}
	}
	contentType := r.Header.Get("Content-Type")
	if query.Has(sourceTypeParam) {
		contentType = query.Get(sourceTypeParam)
	}
	if f, version, ok := xcontent.Of(contentType); ok {
		return form{f, version}
	}
	return form{format: xcontent.JSON}
}

func (f form) json() bool { return f.format == "" || f.format == xcontent.JSON }

// written is an answer in JSON in this form, under its media type in h. An answer
// that the format can't hold stays JSON.
func (f form) written(h http.Header, body []byte) []byte {
	if f.json() {
		return body
	}
	out, err := xcontent.FromJSON(f.format, body)
	if err != nil {
		return body
	}
	h.Set("Content-Type", f.format.MediaType(f.version))
	return out
}

// inJSON is r as it would be with a body in JSON and for an answer in JSON, in
// the same version of the vendor form.
func inJSON(r *http.Request) *http.Request {
	out := withoutParams(r, formatParam)
	out.Header = r.Header.Clone()
	for _, name := range []string{"Accept", "Content-Type"} {
		if f, version, ok := xcontent.Of(out.Header.Get(name)); ok && f != xcontent.JSON {
			out.Header.Set(name, xcontent.JSON.MediaType(version))
		}
	}
	return out
}
