package proxy

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// arrived is a request as the cluster saw it.
type arrived struct {
	Method, URI string
	Header      http.Header
	Body        []byte
	Length      int64
	Chunked     bool
	Trailer     http.Header
}

func zip(tb testing.TB, s string) string {
	tb.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := io.WriteString(w, s); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.String()
}

// varied answers as a cluster may: by path, in every form that HTTP has.
func varied(t *testing.T, seen *arrived) http.HandlerFunc {
	t.Helper()
	packed := zip(t, strings.Repeat(`{"packed":true}`, 50))
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("upstream: read body: %v", err)
		}
		*seen = arrived{
			r.Method, r.RequestURI, r.Header.Clone(), body, r.ContentLength,
			len(r.TransferEncoding) > 0, r.Trailer,
		}
		h := w.Header()
		h.Set("X-elastic-product", "Elasticsearch")
		switch {
		case strings.HasPrefix(r.URL.Path, "/echo"):
			h.Set("Content-Type", "application/octet-stream")
			h.Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body)
		case strings.HasPrefix(r.URL.Path, "/packed"):
			h.Set("Content-Encoding", "gzip")
			h.Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, packed)
		case strings.HasPrefix(r.URL.Path, "/trailers"):
			h.Set("Trailer", "X-Checksum")
			_, _ = io.WriteString(w, "body")
			h.Set("X-Checksum", "abc")
		case strings.HasPrefix(r.URL.Path, "/chunks"):
			for i := range 5 {
				_, _ = fmt.Fprintf(w, "part %d\n", i)
				_ = http.NewResponseController(w).Flush()
			}
		case strings.HasPrefix(r.URL.Path, "/untyped"):
			h["Content-Type"] = nil
			_, _ = io.WriteString(w, "<html>not to be guessed</html>")
		case strings.HasPrefix(r.URL.Path, "/hints"):
			h.Set("Link", "</x>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			_, _ = io.WriteString(w, "after hints")
		case strings.HasPrefix(r.URL.Path, "/nocontent"):
			w.WriteHeader(http.StatusNoContent)
		case strings.HasPrefix(r.URL.Path, "/notmodified"):
			h.Set("ETag", `"v1"`)
			w.WriteHeader(http.StatusNotModified)
		case strings.HasPrefix(r.URL.Path, "/sized"):
			h.Set("Content-Length", "1234")
			if r.Method != http.MethodHead {
				_, _ = w.Write(make([]byte, 1234))
			}
		case strings.HasPrefix(r.URL.Path, "/moved"):
			h.Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		default:
			h.Add("Warning", `299 Elasticsearch-8.19.0 "one"`)
			h.Add("Warning", `299 Elasticsearch-8.19.0 "two"`)
			h.Set("WWW-Authenticate", "Basic realm=x")
			h.Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, `{"default":true}`)
		}
	}
}

// passThroughCases are requests that are none of ours, as bytes on the wire.
func passThroughCases(t *testing.T) map[string]string {
	t.Helper()
	const host = "Host: es.example\r\nConnection: close\r\n"
	post := func(path, contentType, body string, more ...string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s",
			path, host, contentType, len(body), strings.Join(more, ""), body)
	}
	get := func(path string, more ...string) string {
		return "GET " + path + " HTTP/1.1\r\n" + host + strings.Join(more, "") + "\r\n"
	}
	packed := zip(t, `{"query":{"match_all":{}}}`)
	large := strings.Repeat("0123456789abcdef", 10<<20/16)
	return map[string]string{
		"root":                          get("/"),
		"plain path":                    get("/docs/_doc/1"),
		"escaped date math":             get("/%3Clogs-%7Bnow%2Fd%7D%3E/_count"),
		"bare characters a URL forbids": get("/<logs-{now}>|^/_count"),
		"lower-case escapes":            get("/a%2fb%c3%a9/_doc/x%20y"),
		"needless escapes":              get("/%64ocs/%5Fdoc/1"),
		"raw UTF-8 path":                get("/caf\u00e9/_doc/1"),
		"two slashes inside":            get("/docs//_doc///1"),
		"two slashes in front":          get("//docs/_doc/1"),
		"dots are kept":                 get("/a/../b/./c"),
		"plus and comma":                get("/a,b-*,-c+d/_search?q=a+b"),
		"query with semicolon":          get("/docs/_search?q=a;b&size=1"),
		"query with bad escape":         get("/docs/_search?q=100%&size=1"),
		"query order and repeats":       get("/x?b=2&a=1&b=3&&c&d="),
		"bare question mark":            get("/x?"),
		"HEAD":                          "HEAD /docs HTTP/1.1\r\n" + host + "\r\n",
		"HEAD with length":              "HEAD /sized HTTP/1.1\r\n" + host + "\r\n",
		"OPTIONS":                       "OPTIONS /docs HTTP/1.1\r\n" + host + "Origin: http://x\r\n\r\n",
		"DELETE":                        "DELETE /docs HTTP/1.1\r\n" + host + "\r\n",
		"PUT with body":                 "PUT /echo HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}",
		"method of no standard":         "PURGE /docs HTTP/1.1\r\n" + host + "\r\n",
		"GET with body":                 "GET /docs/_search HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"POST without body":             post("/docs/_refresh", "application/json", ""),
		"gzip body":                     post("/echo", "application/json", packed, "Content-Encoding: gzip\r\n"),
		"gzip search":                   post("/docs/_search", "application/json", packed, "Content-Encoding: gzip\r\n"),
		"broken gzip search":            post("/docs/_search", "application/json", packed[:20], "Content-Encoding: gzip\r\n"),
		"deflate search":                post("/docs/_search", "application/json", "x\x9c\x01", "Content-Encoding: deflate\r\n"),
		"search":                        post("/docs/_search?typed_keys=true", "application/json; charset=UTF-8", `{ "query" : {"match_all":{}} , "size":1.50e0}`),
		"search that is no JSON":        post("/_search", "application/json", "{\x00\xff"),
		"search of unknown type":        post("/_search", "text/plain", "text_similarity_reranker"),
		"search in YAML":                post("/_search", "application/yaml", "query: {match_all: {}}"),
		"name outside the retriever":    post("/_search", "application/json", `{"query":{"match":{"t":"text_similarity_reranker"}}}`),
		"name at another path":          post("/docs/_doc", "application/json", `{"retriever":{"text_similarity_reranker":{}}}`),
		"msearch without last newline":  post("/_msearch", "application/vnd.elasticsearch+x-ndjson; compatible-with=8", "{}\n{\"query\":{}}"),
		"bulk":                          post("/echo/_bulk", "application/x-ndjson", "{\"index\":{}}\n{\"a\":1}\n"),
		"10 MB body":                    post("/echo/large", "application/octet-stream", large),
		"10 MB search":                  post("/docs/_search", "application/json", `{"query":"`+large+`"}`),
		"10 MB msearch":                 post("/_msearch", "application/json", large),
		"chunked body": "POST /echo HTTP/1.1\r\n" + host +
			"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
		"chunked search": "POST /_search HTTP/1.1\r\n" + host + "Content-Type: application/json\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"request trailers": "POST /echo HTTP/1.1\r\n" + host + "Trailer: X-Sum\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n",
		"search with trailers": "POST /_search HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nTrailer: X-Sum\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 42\r\n\r\n",
		"expect continue":           post("/echo", "application/json", "{}", "Expect: 100-continue\r\n"),
		"gzip answer":               get("/packed", "Accept-Encoding: gzip\r\n"),
		"gzip answer, not asked":    get("/packed"),
		"answer trailers":           get("/trailers", "TE: trailers\r\n"),
		"chunked answer":            get("/chunks"),
		"answer without type":       get("/untyped"),
		"early hints":               get("/hints"),
		"no content":                get("/nocontent"),
		"not modified":              get("/notmodified", "If-None-Match: \"v1\"\r\n"),
		"sized answer":              get("/sized"),
		"redirect is not followed":  get("/moved"),
		"forwarding headers":        get("/x", "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\nForwarded: for=1\r\n"),
		"credentials and trace":     get("/x", "Authorization: ApiKey abc==\r\nes-security-runas-user: u\r\ntraceparent: 00-1-2-01\r\nX-Opaque-Id: 7\r\n"),
		"user agent":                get("/x", "User-Agent: elasticsearch-py/8\r\nx-elastic-client-meta: es=8\r\n"),
		"repeated and odd headers":  get("/x", "X-A: 1\r\nX-A: 2\r\nx-lower: v\r\nX-Empty:\r\nCookie: a=b\r\n"),
		"accept kept":               get("/x", "Accept: application/vnd.elasticsearch+json;compatible-with=8,text/plain\r\n"),
		"Connection names a header": "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\r\n",
	}
}

// Each request is sent twice, straight to the cluster and through the proxy. The
// cluster must see the same, and so must the client.
func TestWhatIsNotOursPassesByteForByte(t *testing.T) {
	var seen arrived
	node := cluster(t, varied(t, &seen))
	b := start(t, []string{node.URL}, nil)
	for name, raw := range passThroughCases(t) {
		t.Run(name, func(t *testing.T) {
			seen = arrived{}
			direct := sendRaw(t, node.Listener.Addr().String(), raw)
			bare := seen
			seen = arrived{}
			through := sendRaw(t, b.addr, raw)
			stripHopByHop(bare.Header)
			stripHopByHop(seen.Header)
			if strings.Contains(name, "expect") {
				if len(through.Interim) != 1 || through.Interim[0] != 100 {
					t.Errorf("interim answers = %v, want one 100", through.Interim)
				}
			}
			if diff := cmp.Diff(bare, seen, short()); diff != "" {
				t.Errorf("the cluster sees another request (- direct, + through):\n%s", diff)
			}
			stripHopByHop(direct.Header)
			stripHopByHop(through.Header)
			if diff := cmp.Diff(direct, through, short()); diff != "" {
				t.Errorf("the client sees another answer (- direct, + through):\n%s", diff)
			}
		})
	}
}

// short compares bodies as a whole, so that a difference in 10 MB stays readable.
func short() cmp.Option {
	return cmp.Transformer("body", func(b []byte) string {
		if len(b) > 200 {
			return fmt.Sprintf("%d bytes, digest %x", len(b), sha256.Sum256(b))
		}
		return fmt.Sprintf("%q", b)
	})
}
