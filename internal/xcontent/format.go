package xcontent

import (
	"errors"
	"fmt"
	"strings"
)

// Format is a content type of Elasticsearch.
type Format string

// The formats, by the names that the URL parameter format takes.
const (
	JSON  Format = "json"
	YAML  Format = "yaml"
	CBOR  Format = "cbor"
	Smile Format = "smile"
)

const (
	mediaPrefix  = "application/"
	vendorPrefix = "vnd.elasticsearch+"
)

// Of reads the format out of a media type, with or without the vendor form; the
// vendor form's version, "" for another form or none; and false for what is no
// format. Lists and ranges of media types are none.
func Of(mediaType string) (f Format, version string, ok bool) {
	name, parameters, _ := strings.Cut(strings.ToLower(mediaType), ";")
	name, found := strings.CutPrefix(strings.TrimSpace(name), mediaPrefix)
	if !found || strings.Contains(mediaType, ",") {
		return "", "", false
	}
	name, vendor := strings.CutPrefix(name, vendorPrefix)
	switch f = Format(name); f {
	case JSON, YAML, CBOR, Smile:
	default:
		return "", "", false
	}
	if vendor {
		_, version, _ = strings.Cut(parameters, "compatible-with=")
		version = digits(version)
	}
	return f, version, true
}

// digits is the number that a text begins with, of up to three digits.
func digits(s string) string {
	n := 0
	for n < len(s) && n < 3 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// MediaType is the Content-Type by which Elasticsearch answers in a format: the
// vendor form where the version of one was asked for.
func (f Format) MediaType(version string) string {
	if version != "" {
		return mediaPrefix + vendorPrefix + string(f) + ";compatible-with=" + version
	}
	return mediaPrefix + string(f)
}

// ErrSyntax marks a body that isn't of its format, or that holds what JSON has
// nothing for.
var ErrSyntax = errors.New("malformed body")

// ErrFormat reports a format that isn't read or written here.
var ErrFormat = errors.New("format not supported")

// ToJSON reads a body of a format as JSON. The error wraps ErrSyntax or ErrFormat.
func ToJSON(f Format, body []byte) ([]byte, error) {
	switch f {
	case JSON:
		return body, nil
	case YAML:
		return yamlToJSON(body)
	case CBOR:
		return cborToJSON(body)
	default:
		return nil, fmt.Errorf("%w: %s", ErrFormat, f)
	}
}

// FromJSON writes one JSON value in a format, as Elasticsearch does. The error
// wraps ErrSyntax or ErrFormat.
func FromJSON(f Format, body []byte) ([]byte, error) {
	switch f {
	case JSON:
		return body, nil
	case YAML:
		return jsonToYAML(body)
	case CBOR:
		return jsonToCBOR(body)
	default:
		return nil, fmt.Errorf("%w: %s", ErrFormat, f)
	}
}
