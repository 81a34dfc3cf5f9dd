package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

// rule is a value that differs from one answer of Elasticsearch to the next.
// Nothing else may.
type rule struct {
	value   *regexp.Regexp
	instead string
}

// volatile are those values, by the names under which a request declares them.
var volatile = map[string]rule{
	"took":        {regexp.MustCompile(`"took":\d+`), `"took":0`},
	"scroll id":   {regexp.MustCompile(`"_scroll_id":"[^"]+"`), `"_scroll_id":"S"`},
	"pit id":      {regexp.MustCompile(`"(pit_)?id":"[^"]{40,}"`), `"${1}id":"P"`},
	"pretty took": {regexp.MustCompile(`"took" : \d+`), `"took" : 0`},
	"yaml took":   {regexp.MustCompile(`(?m)^took: \d+$`), `took: 0`},
	"index uuid":  {regexp.MustCompile(`"index_uuid":"[\w-]+"`), `"index_uuid":"U"`},
	"time zone":   {regexp.MustCompile(`"timestamp":"[^"]+"`), `"timestamp":"T"`},
}

// request is one request, written to the wire as it stands here.
type request struct {
	method, target string
	header         []string // lines such as "Accept: text/plain"
	body           string
	chunked        bool     // send the body in chunks, without Content-Length
	trailer        string   // a line after the last chunk
	volatile       []string // what differs in the answer: names of volatile
	save           string   // keep this member of the answer for later as {{name}}
}

// bytes writes the request out, with what earlier answers gave put in.
func (r request) bytes(saved map[string]string) []byte {
	fill := func(s string) string {
		for name, value := range saved {
			s = strings.ReplaceAll(s, "{{"+name+"}}", value)
		}
		return s
	}
	body := fill(r.body)
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: elasticsearch.example:9200\r\n", r.method, fill(r.target))
	for _, line := range r.header {
		b.WriteString(line + "\r\n")
	}
	if started.Authorization != "" {
		b.WriteString("Authorization: " + started.Authorization + "\r\n")
	}
	switch {
	case r.chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n")
		if name, _, ok := strings.Cut(r.trailer, ":"); ok {
			b.WriteString("Trailer: " + name + "\r\n")
		}
		b.WriteString("\r\n")
		for rest := body; rest != ""; {
			n := min(len(rest), 1000)
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		b.WriteString("0\r\n")
		if r.trailer != "" {
			b.WriteString(r.trailer + "\r\n")
		}
		b.WriteString("\r\n")
	case body != "" || r.method == http.MethodPost || r.method == http.MethodPut:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	default:
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

// keep takes the member that later requests need out of an answer.
func (r request) keep(t *testing.T, a wire, saved map[string]string) {
	t.Helper()
	if r.save == "" {
		return
	}
	value, _ := decode[map[string]any](t, a.Body)[r.save].(string)
	if value == "" {
		t.Fatalf("no %q in the answer %.300s", r.save, a.Body)
	}
	saved[r.save] = value
}

// steady is the answer without what differs every time.
func (r request) steady(t *testing.T, a wire) wire {
	t.Helper()
	a.Header = a.Header.Clone()
	a.Header.Del("Date") // Elasticsearch sends none, HTTP servers should
	if len(r.volatile) == 0 {
		return a
	}
	body := a.Body
	if a.Header.Get("Content-Encoding") == "gzip" {
		body = unpack(t, body)
	}
	for _, name := range r.volatile {
		body = volatile[name].value.ReplaceAll(body, []byte(volatile[name].instead))
	}
	// The length follows the value that differs. That it is the true one was
	// checked when the body was read by it.
	a.Body = body
	if a.Header.Get("Content-Length") != "" {
		a.Header.Set("Content-Length", "of the body")
	}
	return a
}

// scratch is the index that requests may write to. It is empty before each
// conversation, so that versions and sequence numbers are the same.
const scratch = "e2e-scratch"

// Every request gets from the proxy what it gets from the cluster, and the
// cluster gets from the proxy what it gets from the client. Three comparisons
// show it for each request: the request as the client and as the proxy wrote it;
// the answer as the cluster wrote it and as the client read it from the proxy,
// in every byte; and the answer through the proxy with the answer without it.
func TestRequestsWithoutARerankerPassThroughByteForByte(t *testing.T) {
	c := cluster(t)
	passIndex(t)
	direct, behind := startRelay(t, c.URL), startRelay(t, c.URL)
	p := startProxyAt(t, behind.url(), func(c *configs.Config) { c.Upstream.HealthInterval = time.Hour })
	list := conversations()
	count := 0
	for _, one := range list {
		t.Run(one.name, func(t *testing.T) {
			var answers [2][]wire
			for i, addr := range []string{direct.listener.Addr().String(), p.Addr()} {
				if one.writes {
					index(t, scratch, `{}`)
				}
				saved := map[string]string{}
				for _, r := range one.requests {
					direct.take()
					behind.take()
					a := sendRaw(t, addr, r.method, r.bytes(saved))
					if i == 1 {
						checkOnTheWire(t, r, r.bytes(saved), a, behind.take())
					}
					r.keep(t, a, saved)
					answers[i] = append(answers[i], r.steady(t, a))
				}
			}
			if d := diff(answers[0], answers[1]); d != "" {
				t.Errorf("the answer without (-) and with (+) the proxy:\n%s", d)
			}
			for _, a := range answers[1] {
				t.Logf("%s, %d bytes", a.First, len(a.Body))
			}
		})
		count += len(one.requests)
	}
	t.Logf("%d requests in %d conversations", count, len(list))
	if count < 40 {
		t.Errorf("%d requests, want at least 40", count)
	}
}

// checkOnTheWire compares what went in at the proxy with what came out of it, on
// both ways, without any normalising.
func checkOnTheWire(t *testing.T, r request, sent []byte, got wire, passed []exchange) {
	t.Helper()
	if len(passed) != 1 {
		t.Fatalf("the cluster was asked %d times", len(passed))
	}
	if d := diff([]wire{parseRequest(t, sent)}, []wire{parseRequest(t, passed[0].request)}); d != "" {
		t.Errorf("the request as the client (-) and as the proxy (+) wrote it:\n%s", d)
	}
	got.Header = got.Header.Clone()
	got.Header.Del("Date")
	if d := diff([]wire{parseAnswer(t, r.method, passed[0].answer)}, []wire{got}); d != "" {
		t.Errorf("the answer as the cluster wrote it (-) and as the client got it (+):\n%s", d)
	}
}

// diff compares messages. Bodies of megabytes are compared by their digest, for
// finding the difference between two of them takes minutes.
func diff(want, got []wire) string {
	brief := func(list []wire) []wire {
		list = slices.Clone(list)
		for i, w := range list {
			if len(w.Body) > 64<<10 {
				list[i].Body = fmt.Appendf(nil, "%d bytes with the SHA-256 %x", len(w.Body), sha256.Sum256(w.Body))
			}
		}
		return list
	}
	return cmp.Diff(brief(want), brief(got))
}

// passIndex makes what the conversations read.
func passIndex(t *testing.T) {
	t.Helper()
	documents := []document{
		{"1", []byte(`{"text":"a quick fox","n":1.50,"tag":"x"}`)},
		{"2", []byte(`{"text":"a lazy dog <b>&amp;</b>","n":2,"tag":"y","day":"2024-01-02"}`)},
		{"a/b", []byte(`{"text":"a slash in the id","n":3}`)},
		{"<3 & \u00e4", []byte(`{"text":"other characters","n":1e3}`)},
		{"a+b", []byte(`{"text":"a plus","n":5}`)},
		{"a\u00b2", []byte(`{"text":"` + strings.Repeat("long ", 2000) + `","n":6}`)},
	}
	index(t, "e2e-pass", `{"aliases":{"e2e-pass-alias":{}},"mappings":{"properties":{"text":{"type":"text"},"n":{"type":"double"},"tag":{"type":"keyword"},"day":{"type":"date"}}}}`, documents...)
	index(t, "e2e-logs-2024.01.02", `{}`, document{"1", []byte(`{"text":"by date"}`)})
}

func unpack(tb testing.TB, packed []byte) []byte {
	tb.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		tb.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		tb.Fatal(err)
	}
	return plain
}
