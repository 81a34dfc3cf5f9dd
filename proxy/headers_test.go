package proxy

import (
	"net/http"
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

func TestMediaTypesAreSortedWithoutTheirParameters(t *testing.T) {
	for contentType, want := range map[string]mediaKind{
		"application/json":                                      mediaText,
		"Application/JSON ; charset=utf-8":                      mediaText,
		"application/vnd.elasticsearch+json;compatible-with=8":  mediaText,
		"application/yaml":                                      mediaBinary,
		"application/vnd.elasticsearch+cbor; compatible-with=9": mediaBinary,
		"application/smile":                                     mediaBinary,
		"application/x-ndjson":                                  mediaOther,
		"text/plain":                                            mediaOther,
		"application/jsonp":                                     mediaOther,
		"application/problem+json":                              mediaOther,
		"":                                                      mediaOther,
	} {
		if got := kindOfMedia(contentType); got != want {
			t.Errorf("%q: kind %d, want %d", contentType, got, want)
		}
	}
}

func TestClientsThatAskForAnotherFormatAreTold(t *testing.T) {
	for accept, want := range map[string]bool{
		"": true, "*/*": true, "application/json": true, "text/html,application/yaml;q=0.5,*/*": true, "text/plain": true,
		"application/vnd.elasticsearch+json;compatible-with=8,text/plain": true,
		"application/yaml": false, "application/vnd.elasticsearch+smile;compatible-with=8": false, "application/CBOR": false,
	} {
		if got := wantsJSON(accept); got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
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
