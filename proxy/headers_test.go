package proxy

import (
	"net/http"
	"net/url"
	"testing"
)

func TestAnswerTypeMirrorsWhatWasAsked(t *testing.T) {
	for _, tc := range []struct{ accept, contentType, want string }{
		{"", "", "application/json"},
		{"*/*", "application/json; charset=UTF-8", "application/json"},
		{"application/vnd.elasticsearch+json;compatible-with=9", "", "application/vnd.elasticsearch+json;compatible-with=9"},
		{"application/vnd.elasticsearch+json; compatible-with=8,text/plain", "", "application/vnd.elasticsearch+json;compatible-with=8"},
		{"", "application/vnd.elasticsearch+x-ndjson; compatible-with=8", "application/vnd.elasticsearch+json;compatible-with=8"},
		{"APPLICATION/VND.ELASTICSEARCH+JSON; COMPATIBLE-WITH=8", "", "application/vnd.elasticsearch+json;compatible-with=8"},
		{"application/vnd.elasticsearch+json", "", "application/vnd.elasticsearch+json"},
		{"application/vnd.elasticsearch+json;compatible-with=<x>", "", "application/vnd.elasticsearch+json"},
		{"application/vnd.elasticsearch+json;compatible-with=123456", "", "application/vnd.elasticsearch+json;compatible-with=123"},
		{"text/html", "text/plain", "application/json"},
	} {
		r := &http.Request{Header: http.Header{"Accept": {tc.accept}, "Content-Type": {tc.contentType}}}
		if got := answerType(r); got != tc.want {
			t.Errorf("Accept %q, Content-Type %q: %q, want %q", tc.accept, tc.contentType, got, tc.want)
		}
	}
}

func TestTheFormOfAnAnswerIsTheOneThatElasticsearchChooses(t *testing.T) {
	for _, tc := range []struct{ query, accept, contentType, format, version string }{
		{"", "", "application/json", "json", ""},
		{"", "application/yaml", "application/json", "yaml", ""},
		{"", "", "application/yaml", "yaml", ""},
		{"", "*/*", "application/yaml", "yaml", ""},
		{"", "application/json", "application/yaml", "json", ""},
		{"", "application/cbor", "application/json", "cbor", ""},
		{"", "text/html,application/yaml", "application/json", "json", ""},
		{"format=yaml", "", "application/json", "yaml", ""},
		{"format=application%2Fcbor", "", "application/json", "cbor", ""},
		{"format=json", "application/yaml", "application/json", "json", ""},
		{"format=txt", "application/yaml", "application/json", "json", ""},
		{"", "application/vnd.elasticsearch+cbor;compatible-with=8", "application/vnd.elasticsearch+json;compatible-with=8", "cbor", "8"},
		{"", "application/vnd.elasticsearch+yaml;compatible-with=<x>", "", "yaml", ""},
		{"", "text/plain", "application/json", "json", ""},
		{"", "application/smile", "application/json", "smile", ""},
		{"", "", "application/x-ndjson", "json", ""},
		{"source=a&source_content_type=application/yaml", "", "", "yaml", ""},
	} {
		r := &http.Request{URL: &url.URL{RawQuery: tc.query}, Header: http.Header{"Accept": {tc.accept}, "Content-Type": {tc.contentType}}}
		if got := formOf(r); string(got.format) != tc.format || got.version != tc.version {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
}

func TestGzipIsSentOnlyWhereItIsAccepted(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "br, GZIP": true, "gzip;q=0": false, "gzip; q=0.0": false, "gzip;q=0.1": true,
		"gzip;q=x": false, "identity": false, "x-gzip": false, "deflate,gzip;level=1": true,
	} {
		if got := acceptsGzip(http.Header{"Accept-Encoding": {accept}}); got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
		}
	}
}

func TestTrailerNamesAreTokens(t *testing.T) {
	for name, want := range map[string]bool{"X-Sum": true, "a1!~": true, "": false, "a b": false, "a:b": false, "é": false, "a\x00": false} {
		if got := validToken(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
