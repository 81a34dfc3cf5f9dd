package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// relay hands bytes between clients and a server, keeps them, and can break the
// way between: the fault is a real one, on real connections.
type relay struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	moved sync.Cond // signalled when quiet or cut change
	lines []*line
	quiet bool // answers wait
	cut   bool // nothing gets through, new connections included
}

// line is one connection through a relay.
type line struct {
	client, server net.Conn
	sent, answered bytes.Buffer // guarded by relay.mu
}

// startRelay runs a relay before the server at base. It ends with the test.
func startRelay(tb testing.TB, base string) *relay {
	tb.Helper()
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		tb.Skipf("needs a cluster that is reached by plain http, has %s: %v", base, err)
	}
	l, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &relay{target: u.Host, listener: l}
	r.moved.L = &r.mu
	r.running.Go(r.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		r.sever()
		r.running.Wait()
	})
	return r
}

func (r *relay) url() string { return "http://" + r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{Timeout: patience}).Dial("tcp", r.target)
		r.mu.Lock()
		if err != nil || r.cut {
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
			r.mu.Unlock()
			continue
		}
		l := &line{client: client, server: server}
		r.lines = append(r.lines, l)
		r.mu.Unlock()
		r.running.Go(func() { r.pump(l.server, l.client, &l.sent, false) })
		r.running.Go(func() { r.pump(l.client, l.server, &l.answered, true) })
	}
}

// pump hands bytes on after it has kept them, so that what a client has seen is
// on record. An end on one side is an end on the other.
func (r *relay) pump(to, from net.Conn, record *bytes.Buffer, answers bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		r.mu.Lock()
		record.Write(buf[:n])
		for answers && r.quiet && !r.cut {
			r.moved.Wait()
		}
		r.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
}

// mute keeps answers back until mend lets them through.
func (r *relay) mute() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet = true
}

// sever breaks every connection, in the middle of whatever they carry, and takes
// no new ones until mend.
func (r *relay) sever() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
	for _, l := range r.lines {
		_ = l.client.Close()
		_ = l.server.Close()
	}
	r.moved.Broadcast()
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut, r.quiet = false, false
	r.moved.Broadcast()
}

// exchange is one request and its answer as they were on the wire.
type exchange struct {
	request, answer []byte
}

// take returns what went through since the last take: one exchange for each
// connection that was used. Health probes are left out.
func (r *relay) take() []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []exchange
	for _, l := range r.lines {
		e := exchange{bytes.Clone(l.sent.Bytes()), bytes.Clone(l.answered.Bytes())}
		l.sent.Reset()
		l.answered.Reset()
		if len(e.request) > 0 && !isProbe(e.request) {
			list = append(list, e)
		}
	}
	return list
}

// isProbe knows the proxy's look at a node's health, which comes on its own.
func isProbe(request []byte) bool {
	return bytes.HasPrefix(request, []byte("HEAD / HTTP/1.1\r\n")) && bytes.Contains(request, []byte("User-Agent: rerankd\r\n"))
}

// requests lists method and target of every request since the last take, probes
// left out, without forgetting them.
func (r *relay) requests(tb testing.TB) []string {
	tb.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, l := range r.lines {
		in := bufio.NewReader(bytes.NewReader(l.sent.Bytes()))
		for {
			req, err := http.ReadRequest(in)
			if err != nil {
				break
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil {
				break // still on its way
			}
			if req.UserAgent() != "rerankd" {
				list = append(list, req.Method+" "+req.RequestURI)
			}
		}
	}
	return list
}

// wire is one message of an exchange, taken apart.
type wire struct {
	First   string // request line or status line
	Header  http.Header
	Body    []byte
	Chunked bool
	Trailer http.Header
}

// parseRequest takes a request apart without giving its target any other form.
func parseRequest(tb testing.TB, raw []byte) wire {
	tb.Helper()
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		tb.Fatalf("read request %.300q: %v", raw, err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		tb.Fatalf("read body of request %.300q: %v", raw, err)
	}
	first, _, _ := strings.Cut(string(raw), "\r\n")
	return wire{first, req.Header, body, slices.Contains(req.TransferEncoding, "chunked"), req.Trailer}
}

// parseAnswer takes the answer to a request of that method apart.
func parseAnswer(tb testing.TB, method string, raw []byte) wire {
	tb.Helper()
	a, err := readAnswer(bufio.NewReader(bytes.NewReader(raw)), method)
	if err != nil {
		tb.Fatalf("read answer %.300q: %v", raw, err)
	}
	return a
}

// readAnswer reads an answer, interim ones skipped.
func readAnswer(in *bufio.Reader, method string) (wire, error) {
	for {
		res, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			return wire{}, err
		}
		if res.StatusCode < 200 {
			_ = res.Body.Close() // interim answers have none
			continue
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return wire{}, err
		}
		// How the body of an answer to HEAD would be framed concerns one connection
		// and no body: net/http does not say it.
		chunked := method != http.MethodHead && slices.Contains(res.TransferEncoding, "chunked")
		return wire{res.Status, res.Header, body, chunked, res.Trailer}, nil
	}
}

// sendRaw writes the bytes of a request to a fresh connection and reads its
// answer.
func sendRaw(tb testing.TB, addr, method string, raw []byte) wire {
	tb.Helper()
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { _, err := conn.Write(raw); written <- err }()
	a, err := readAnswer(bufio.NewReader(conn), method)
	if err != nil {
		tb.Fatalf("read answer to %.300q: %v", raw, err)
	}
	if err := <-written; err != nil {
		tb.Fatalf("write %.300q: %v", raw, err)
	}
	return a
}
