package proxy

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/rerankd/rerankd/retriever"
)

// whole counts the requests that a cluster got to their end: only those can have
// an effect.
func whole(t *testing.T, count *atomic.Int64, body *[]byte) http.HandlerFunc {
	t.Helper()
	return func(_ http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err == nil {
			*body = got
			count.Add(1)
		}
	}
}

// Whether the name stands before the limit, across it or far behind it, and
// whether the length is announced or not.
func TestRerankerBeyondTheLimitIsRefusedUnseenByTheCluster(t *testing.T) {
	const limit = 100_000
	for _, at := range []int{10, limit - 5, limit, limit + 1, limit + 40_000, 3 * limit} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprint(at, " chunked ", chunked), func(t *testing.T) {
				t.Parallel() // net/http lingers half a second after each
				var got atomic.Int64
				var body []byte
				b := start(t, []string{cluster(t, whole(t, &got, &body)).URL}, func(o *Options) { o.BodyLimit = limit })
				text := `{"q":"` + strings.Repeat("x", at-7) + `","` + retriever.Name + `" : {"y":"` + strings.Repeat("y", 3*limit) + `"}}`
				a := sendRaw(t, b.addr, wire("/docs/_search", text, chunked))
				wantError(t, a, http.StatusRequestEntityTooLarge, "[100000] bytes")
				if n := got.Load(); n != 0 {
					t.Errorf("the cluster got %d whole requests", n)
				}
				b.logs.waitFor(t, map[string]any{"outcome": OutcomeTooLarge, "status": 413.0})
				if s := b.upstream.Nodes()[0]; !s.Live {
					t.Errorf("node is benched: %v", s.Err)
				}
			})
		}
	}
}

// wire is a POST as bytes, with a body in one piece or in chunks of 1000 bytes.
func wire(path, body string, chunked bool) string {
	head := "POST " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\n"
	if !chunked {
		return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	var b strings.Builder
	b.WriteString(head + "Transfer-Encoding: chunked\r\n\r\n")
	for len(body) > 0 {
		n := min(1000, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.String()
}

func TestSearchAtTheLimitIsStillReranked(t *testing.T) {
	var seen arrived
	node := searched(t, &seen)
	b := start(t, []string{node.URL}, func(o *Options) { o.BodyLimit = int64(len(rerankBody)) })
	if a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody); a.Status != 200 {
		t.Errorf("status = %d at the limit: %s", a.Status, a.Body)
	}
	a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody+" ")
	wantError(t, a, http.StatusRequestEntityTooLarge, fmt.Sprint(len(rerankBody)))
}

func TestCompressedBodyCountsByWhatItDecompressesTo(t *testing.T) {
	var got atomic.Int64
	var body []byte
	b := start(t, []string{cluster(t, whole(t, &got, &body)).URL}, func(o *Options) { o.BodyLimit = 10_000 })
	bomb := zip(t, rerankBody[:len(rerankBody)-1]+`,"ext":"`+strings.Repeat("0", 5<<20)+`"}`)
	a := send(t, http.MethodPost, b.url+"/docs/_search", bomb, "Content-Encoding", "gzip")
	wantError(t, a, http.StatusRequestEntityTooLarge, "[10000] bytes")
	if got.Load() != 0 {
		t.Error("the cluster got it")
	}

	harmless := zip(t, `{"query":"`+strings.Repeat("0", 5<<20)+`"}`)
	if a := send(t, http.MethodPost, b.url+"/docs/_search", harmless, "Content-Encoding", "gzip"); a.Status != 200 || string(body) != harmless {
		t.Errorf("status = %d, %d bytes at the cluster, want 200 and the same %d", a.Status, len(body), len(harmless))
	}

	// Thousands of empty gzip members decompress to nothing at all.
	var hollow bytes.Buffer
	empty := gzip.NewWriter(&hollow)
	for range 5000 {
		empty.Reset(&hollow)
		if err := empty.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if a := send(t, http.MethodPost, b.url+"/docs/_search", hollow.String(), "Content-Encoding", "gzip"); a.Status != 200 || string(body) != hollow.String() {
		t.Errorf("status = %d, %d bytes at the cluster, want 200 and the same %d", a.Status, len(body), hollow.Len())
	}
}

func TestRerankerWhereItCannotBeReachedIsRefusedByName(t *testing.T) {
	var got atomic.Int64
	var body []byte
	b := start(t, []string{cluster(t, whole(t, &got, &body)).URL}, nil)
	for _, tc := range []struct{ name, method, path, contentType, encoding, body, want string }{
		{"YAML with an alias", "POST", "/docs/_search", "application/yaml", "", "retriever: {text_similarity_reranker: {a: &x 1, b: *x}}", "type [yaml], malformed body"},
		{"CBOR with a tag", "POST", "/docs/_search", "application/vnd.elasticsearch+cbor;compatible-with=8", "", "\xa1\x78\x18text_similarity_reranker\xc1\x01", "type [cbor], malformed body"},
		{"Smile", "GET", "/docs/_search", "application/smile", "", ":)\n\x00text_similarity_reranker", "smile"},
		{"Smile in the URL", "GET", "/docs/_search?source_content_type=application/smile&source=" + url.QueryEscape(":)text_similarity_reranker"), "", "", "", "[application/smile]"},
		{"YAML of a multi search", "POST", "/_msearch", "application/yaml", "", "text_similarity_reranker: x", "[application/yaml]"},
		{"answer of a multi search as Smile", "POST", "/_msearch?format=smile", "application/json", "", "{\"index\":\"docs\"}\n" + rerankBody + "\n", "[smile]"},
		{"CBOR of a multi search", "POST", "/_msearch", "application/cbor", "", "\xa1\x78\x18text_similarity_reranker\xa0", "cbor"},
		{"a kept result", "POST", "/docs/_async_search?keep_on_completion=true", "application/json", "", rerankBody, "[keep_on_completion]"},
		{"answer as Smile", "POST", "/docs/_search?format=smile", "application/json", "", rerankBody, "[smile]"},
		{"malformed parameters", "POST", "/docs/_search?x=%zz", "application/json", "", rerankBody, "URL parameters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := send(t, tc.method, b.url+tc.path, tc.body, "Content-Type", tc.contentType, "Content-Encoding", tc.encoding, "Accept", "application/json")
			e := wantError(t, a, http.StatusBadRequest, tc.want)
			if e.Error.Type != "illegal_argument_exception" {
				t.Errorf("type = %q", e.Error.Type)
			}
			if n := got.Load(); n != 0 {
				t.Errorf("the cluster got %d whole requests", n)
			}
		})
	}
	a := send(t, http.MethodPost, b.url+"/docs/_search", rerankBody, "Accept", "application/smile")
	wantError(t, a, http.StatusBadRequest, "[smile]")
}

func TestTheMereWordIsNoReranker(t *testing.T) {
	var got atomic.Int64
	var body []byte
	b := start(t, []string{cluster(t, whole(t, &got, &body)).URL}, func(o *Options) { o.BodyLimit = 1000 })
	word := `{"query":{"match":{"t":"text_similarity_reranker"}},"x":"` + strings.Repeat("x", 2000) + `"}`
	for _, path := range []string{"/docs/_search", "/docs/_search?q=%zz", "/_msearch", "/_search/template"} {
		for _, text := range []string{word, word[:59] + `"}`} { // beyond the limit and within
			a := send(t, http.MethodPost, b.url+path, text)
			if a.Status != http.StatusOK || string(body) != text {
				t.Errorf("%s: status %d, the cluster got %.80q of %.80q", path, a.Status, body, text)
			}
		}
	}
}

var nameAsKey = regexp.MustCompile(retriever.Name + `[\\"' \t\r\n]*:`)

// However a stream is cut into reads, the watch lets everything through without
// the name as a key, and nothing from such a key's end on with it.
func TestNameWatchFindsTheNameAcrossReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{
			retriever.Name, retriever.Name[:10], retriever.Name[10:], "text_", "t", `"`, `\"`, ":", " \n", "{}", strings.Repeat("x", 50),
		})
		text := strings.Join(rapid.SliceOfN(piece, 0, 14).Draw(t, "pieces"), "")
		held := rapid.IntRange(0, len(text)).Draw(t, "held")
		step := rapid.IntRange(1, 60).Draw(t, "step")
		w := &nameWatch{r: &steps{rest: text[held:], n: step}, find: &nameFinder{}, named: tooLarge(1)}
		if w.find.feed([]byte(text[:held])) {
			if !nameAsKey.MatchString(text[:held]) {
				t.Fatalf("found in %q", text[:held])
			}
			return
		}
		out, err := io.ReadAll(w)
		if holds := nameAsKey.MatchString(text); holds != (err != nil) {
			t.Fatalf("text %q from %d in steps of %d: err = %v", text, held, step, err)
		}
		if passed := text[:held] + string(out); nameAsKey.MatchString(passed) || !strings.HasPrefix(text, passed) || (err == nil && passed != text) {
			t.Fatalf("text %q from %d in steps of %d: passed %q", text, held, step, passed)
		}
	})
}

// steps reads n bytes at a time.
type steps struct {
	rest string
	n    int
}

func (s *steps) Read(p []byte) (int, error) {
	if s.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, s.rest[:min(s.n, len(s.rest))])
	s.rest = s.rest[n:]
	return n, nil
}
