package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A transport that counts a caller's hanging up as a failure of the node would
// let one impatient client take the cluster away from all.
func TestCallersHangingUpBenchesNoNode(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	})
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	if _, err := io.WriteString(conn, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	wait(t, arrived, "the request to arrive")
	_ = conn.Close()
	wait(t, left, "the cluster to see the cancellation")
	b.logs.waitFor(t, map[string]any{"status": 499.0, "outcome": OutcomeClientGone})
	if s := b.upstream.Nodes()[0]; !s.Live {
		t.Errorf("node is benched: %v", s.Err)
	}
}

// A caller who leaves in the middle of its own body looks like a broken
// connection to the transport.
func TestCallerLeavingMidBodyBenchesNoNode(t *testing.T) {
	arrived := make(chan struct{})
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		_, _ = io.Copy(io.Discard, r.Body)
	})
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	if _, err := io.WriteString(conn, "POST /docs/_bulk HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	wait(t, arrived, "the request to arrive")
	_ = conn.Close()
	b.logs.waitFor(t, map[string]any{"status": 499.0, "outcome": OutcomeClientGone})
	if s := b.upstream.Nodes()[0]; !s.Live {
		t.Errorf("node is benched: %v", s.Err)
	}
}

// dropping is a node that reads each request and hangs up without an answer.
func dropping(t *testing.T, requests *atomic.Int64) *httptest.Server {
	t.Helper()
	return cluster(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
}

func TestOnlyReadsAreSentAgainAfterALostAnswer(t *testing.T) {
	for _, tc := range []struct {
		name, method, body string
		again              bool
	}{
		{"POST with body", http.MethodPost, `{"a":1}`, false},
		{"POST without body", http.MethodPost, "", false},
		{"PUT", http.MethodPut, `{"a":1}`, false},
		{"DELETE", http.MethodDelete, "", false},
		{"GET with body", http.MethodGet, `{"a":1}`, false},
		{"GET", http.MethodGet, "", true},
		{"HEAD", http.MethodHead, "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var requests atomic.Int64
			b := start(t, []string{dropping(t, &requests).URL, dropping(t, &requests).URL}, nil)
			a := send(t, tc.method, b.url+"/docs/_doc/1", tc.body)
			if a.Status != http.StatusBadGateway {
				t.Errorf("status = %d, want 502", a.Status)
			}
			// net/http itself repeats a read, once, if the connection was a kept one.
			if got := requests.Load(); tc.again != (got > 1) {
				t.Errorf("nodes got %d requests; may be sent again: %v", got, tc.again)
			}
		})
	}
}

func TestServerErrorsAreRelayedNotRetried(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504, 429} {
		var requests atomic.Int64
		h := func(w http.ResponseWriter, _ *http.Request) {
			requests.Add(1)
			w.WriteHeader(status)
		}
		b := start(t, []string{cluster(t, h).URL, cluster(t, h).URL}, nil)
		if a := send(t, http.MethodGet, b.url+"/x", ""); a.Status != status || requests.Load() != 1 {
			t.Errorf("upstream %d: client got %d after %d requests, want it after 1", status, a.Status, requests.Load())
		}
	}
}

// The cluster has the first part of a body before the second is sent.
func TestRequestBodiesStream(t *testing.T) {
	parts := make(chan string, 2)
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			parts <- lines.Text()
		}
	})
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	defer func() { _ = conn.Close() }()
	for _, step := range []struct{ send, want string }{
		{"POST /docs/_bulk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n", "one"},
		{"4\r\ntwo\n\r\n", "two"},
	} {
		if _, err := io.WriteString(conn, step.send); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-parts:
			if got != step.want {
				t.Errorf("the cluster read %q, want %q", got, step.want)
			}
		case <-time.After(patience):
			t.Fatalf("the cluster does not see %q before the body ends", step.want)
		}
	}
	if _, err := io.WriteString(conn, "0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

// The client has the first part of an answer before the second is made.
func TestAnswersStream(t *testing.T) {
	read := make(chan struct{})
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "one\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-read:
			_, _ = io.WriteString(w, "two\n")
		case <-r.Context().Done():
		}
	})
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewReader(res.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "one\n" {
		t.Fatalf("first part = %q, %v", line, err)
	}
	close(read)
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != "two\n" {
		t.Errorf("rest = %q, %v", rest, err)
	}
}

// An answer that comes before the body was read reaches the client, and the
// connection serves on.
func TestAnswerBeforeTheBodyWasReadIsRelayed(t *testing.T) {
	node := cluster(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	for range 3 {
		if _, err := io.WriteString(conn, wireKept("/docs/_bulk", strings.Repeat("x", 50_000))); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(reader, nil)
		if err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("answer = %v, %v, want 401", res, err)
		}
		_ = res.Body.Close()
	}
}

func wireKept(path, body string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func TestNoCredentialsAreLent(t *testing.T) {
	var got http.Header
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
	b := start(t, []string{node.URL}, nil)
	sendRaw(t, b.addr, "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if len(got) != 0 {
		t.Errorf("a request without headers reached the cluster with %v", got)
	}

	u := url.URL{Scheme: "http", Host: "h:9200", User: url.UserPassword("elastic", "s3cret")}
	_, err := NewUpstream(UpstreamOptions{URLs: []string{u.String()}})
	if err == nil || !strings.Contains(err.Error(), "no user or password") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("err = %v, want a refusal of the user that keeps the password", err)
	}
}

func TestHostIsTheNodesOwn(t *testing.T) {
	var host string
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) { host = r.Host })
	b := start(t, []string{node.URL}, nil)
	sendRaw(t, b.addr, "GET /x HTTP/1.1\r\nHost: search.example\r\nConnection: close\r\n\r\n")
	if want := node.Listener.Addr().String(); host != want {
		t.Errorf("Host = %q, want %q", host, want)
	}
}

func TestAbsoluteFormAndConnectReachNoOtherHost(t *testing.T) {
	var uri string
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) { uri = r.RequestURI })
	b := start(t, []string{node.URL}, nil)
	a := sendRaw(t, b.addr, "GET http://other.example/docs?q=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if a.Status != 200 || uri != "/docs?q=1" {
		t.Errorf("status %d, the node saw %q, want 200 and /docs?q=1", a.Status, uri)
	}
	a = sendRaw(t, b.addr, "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\nConnection: close\r\n\r\n")
	wantError(t, a, http.StatusMethodNotAllowed, "CONNECT")
}

func TestConnectionsAreReusedUnderLoad(t *testing.T) {
	const parallel = 8
	var opened atomic.Int64
	var gate sync.WaitGroup
	node := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/x" {
			gate.Done()
			gate.Wait() // all are in flight at once
		}
	}))
	node.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	node.Start()
	t.Cleanup(node.Close)
	b := start(t, []string{node.URL}, nil)
	for range 3 {
		gate.Add(parallel)
		var clients sync.WaitGroup
		for range parallel {
			clients.Go(func() { send(t, http.MethodGet, b.url+"/x", "") })
		}
		clients.Wait()
	}
	if got := opened.Load(); got > parallel+1 { // one more for the probe
		t.Errorf("%d connections for 3 times %d requests", got, parallel)
	}
}

func TestTheClusterIsNeverAskedForItsNodes(t *testing.T) {
	probes := make(chan string, 100)
	node := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case probes <- r.Method + " " + r.URL.Path:
		default: // enough are there to be looked at
		}
	}))
	t.Cleanup(node.Close)
	b := start(t, []string{node.URL}, nil, func(o *UpstreamOptions) { o.HealthInterval = time.Millisecond })
	send(t, http.MethodGet, b.url+"/x", "")
	for range 20 {
		if got := <-probes; got != "HEAD /" && got != "GET /x" {
			t.Errorf("the node was asked for %q", got)
		}
	}
}

func TestNoUpgradeIsOffered(t *testing.T) {
	var got http.Header
	node := cluster(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
	b := start(t, []string{node.URL}, nil)
	a := sendRaw(t, b.addr, "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
	if a.Status != 200 || len(got) != 0 {
		t.Errorf("status %d, headers at the cluster %v, want 200 and none", a.Status, got)
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func wait(t *testing.T, event <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
}
