package proxy

import (
	"net/http"
	"net/textproto"
	"strings"

	"github.com/rerankd/rerankd/internal/xcontent"
)

const (
	mediaJSON   = "application/json"
	mediaVendor = "application/vnd.elasticsearch+json"

	productHeader = "X-Elastic-Product"
	product       = "Elasticsearch"
	opaqueHeader  = "X-Opaque-Id"
)

// hopByHop are the headers that belong to one connection and are not passed on.
// [httputil.ReverseProxy] strips its own like list from what passes through;
// this one is for the searches that the proxy sends itself.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// stripHopByHop removes from h what belongs to one connection, the headers that
// Connection names included.
func stripHopByHop(h http.Header) {
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		h.Del(name)
	}
}

// isJSON reports a media type of one JSON value.
func isJSON(mediaType string) bool {
	f, _, ok := xcontent.Of(mediaType)
	return ok && f == xcontent.JSON
}

// answerType is the Content-Type that Elasticsearch would answer r's own media
// types with: the vendor form with the version asked for, else plain JSON.
// Clients check it, on errors too.
func answerType(r *http.Request) string {
	for _, header := range []string{"Accept", "Content-Type"} {
		value := strings.ToLower(r.Header.Get(header))
		if !strings.Contains(value, "application/vnd.elasticsearch+") {
			continue
		}
		_, version, _ := strings.Cut(value, "compatible-with=")
		end := 0
		for end < len(version) && end < 3 && version[end] >= '0' && version[end] <= '9' {
			end++
		}
		if end > 0 {
			return mediaVendor + ";compatible-with=" + version[:end]
		}
		return mediaVendor
	}
	return mediaJSON
}

// validToken reports whether s is an HTTP token, as a header name must be.
func validToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// passagesHeader of a request asks for the passage by which each hit was rated.
const passagesHeader = "X-Rerankd-Passages"

func wantsPassages(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get(passagesHeader), "true")
}
