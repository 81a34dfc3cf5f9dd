package proxy

import (
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// deadAddress is an address that refuses connections until revive serves there: a
// socket that is bound and doesn't listen, so that nobody else can get the port.
func deadAddress(t *testing.T) (address string, revive func(http.HandlerFunc)) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	socket := os.NewFile(uintptr(fd), "socket")
	t.Cleanup(func() { _ = socket.Close() })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port), func(handler http.HandlerFunc) {
		if err := syscall.Listen(fd, syscall.SOMAXCONN); err != nil {
			t.Fatal(err)
		}
		l, err := net.FileListener(socket) // with a descriptor of its own
		_ = socket.Close()
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(handler)
		_ = server.Listener.Close()
		server.Listener = l
		server.Start()
		t.Cleanup(server.Close)
	}
}

func TestNodeThatRefusesIsSkippedAndComesBack(t *testing.T) {
	dead, revive := deadAddress(t)
	var served atomic.Int64
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}
	alive := cluster(t, handler)
	b := start(t, []string{"http://" + dead, alive.URL}, nil, func(o *UpstreamOptions) { o.HealthInterval = 5 * time.Millisecond })
	for range 6 { // a body that a first node refused reaches the next one whole
		if a := send(t, http.MethodPost, b.url+"/echo", "the body"); a.Status != 200 || string(a.Body) != "the body" {
			t.Fatalf("answer = %d %q, want 200 and the body", a.Status, a.Body)
		}
	}
	b.logs.waitFor(t, map[string]any{"msg": "upstream node is down", "node": "http://" + dead})

	revive(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/echo" {
			served.Add(1)
		}
		handler(w, r)
	})
	b.logs.waitFor(t, map[string]any{"msg": "upstream node is back", "node": "http://" + dead})
	for range 6 {
		send(t, http.MethodPost, b.url+"/echo", "x")
	}
	if got := served.Load(); got != 3 {
		t.Errorf("the node that came back served %d of 6 requests, want 3", got)
	}
}

// With a single node there is nowhere to turn: it is tried each time, so it
// serves again the moment it can, without waiting for a probe.
func TestSingleNodeIsTriedEvenWhenDown(t *testing.T) {
	dead, revive := deadAddress(t)
	b := start(t, []string{"http://" + dead}, nil)
	a := send(t, http.MethodPost, b.url+"/x", "{}", "Accept", "application/vnd.elasticsearch+json; compatible-with=8", "X-Opaque-Id", "mine")
	e := wantError(t, a, http.StatusBadGateway, "no answer from Elasticsearch")
	if e.Error.Type != "upstream_exception" {
		t.Errorf("type = %q", e.Error.Type)
	}
	if got, want := a.Header.Get("Content-Type"), "application/vnd.elasticsearch+json;compatible-with=8"; got != want {
		t.Errorf("Content-Type = %q, want %q", got, want)
	}
	if got := a.Header.Get("X-Opaque-Id"); got != "mine" {
		t.Errorf("X-Opaque-Id = %q, want it back", got)
	}
	if strings.Contains(string(a.Body), dead) {
		t.Errorf("the answer tells the node's address: %s", a.Body)
	}
	if err := b.upstream.Ready(); err == nil || !strings.Contains(err.Error(), dead) {
		t.Errorf("Ready() = %v, want an error that names the node", err)
	}

	revive(func(http.ResponseWriter, *http.Request) {})
	if a := send(t, http.MethodPost, b.url+"/x", "{}"); a.Status != 200 {
		t.Errorf("status = %d after the node came back, want 200", a.Status)
	}
	// A probe that was refused before may tell so only now; the next one mends it.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		err := b.upstream.Ready()
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("Ready() = %v, want nil", err)
		}
	}
}

// One lost connection is no proof: the probe that follows at once clears the node.
func TestNodeThatDropsOneRequestIsBackAfterItsProbe(t *testing.T) {
	var requests atomic.Int64
	b := start(t, []string{dropping(t, &requests).URL, dropping(t, &requests).URL}, nil)
	a := send(t, http.MethodPost, b.url+"/x", "{}")
	wantError(t, a, http.StatusBadGateway, "no answer")
	b.logs.waitFor(t, map[string]any{"msg": "upstream node is down"})
	b.logs.waitFor(t, map[string]any{"msg": "upstream node is back"})
}

func TestNodeThatSaysItCannotServeIsSkipped(t *testing.T) {
	var asked atomic.Int64
	starting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/x" {
			asked.Add(1)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(starting.Close)
	alive := cluster(t, func(http.ResponseWriter, *http.Request) {})
	b := start(t, []string{starting.URL, alive.URL}, nil)
	b.logs.waitFor(t, map[string]any{"msg": "upstream node is down", "node": starting.URL})
	for range 4 {
		send(t, http.MethodGet, b.url+"/x", "")
	}
	if got := asked.Load(); got != 0 {
		t.Errorf("a node whose probe says 503 got %d requests", got)
	}
}

func TestTLSNeedsTheRightAuthority(t *testing.T) {
	node := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secure") }))
	node.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) // refused handshakes are the point
	t.Cleanup(node.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: node.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		tune func(*UpstreamOptions)
		want int
	}{
		{"unknown authority", func(*UpstreamOptions) {}, http.StatusBadGateway},
		{"authority file", func(o *UpstreamOptions) { o.CAFile = ca }, http.StatusOK},
		{"no check", func(o *UpstreamOptions) { o.InsecureSkipVerify = true }, http.StatusOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := start(t, []string{node.URL}, nil, tc.tune)
			if a := send(t, http.MethodGet, b.url+"/x", ""); a.Status != tc.want {
				t.Errorf("status = %d, want %d: %s", a.Status, tc.want, a.Body)
			}
		})
	}
}

func TestUpstreamOptionsAreCheckedAllAtOnce(t *testing.T) {
	_, err := NewUpstream(UpstreamOptions{URLs: []string{
		"es:9200", "ftp://h", "http://h/path", "http://h?q=1", "http://", "http://a:1", "http://a:1/", "http://[::1", "https://u:pw@h",
	}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"url 1: ", "url 2: want http", "url 3: http://h/path: no path", "url 4: ", "url 5: ", "url 7: http://a:1 is listed twice",
		"url 8: not a URL", "url 9: https://u:xxxxx@h: no user", "dial timeout", "health interval", "idle connections", "no logger",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "url 6") || strings.Contains(err.Error(), ":pw@") {
		t.Errorf("error blames a good URL, or tells a password:\n%v", err)
	}
	if _, err := NewUpstream(UpstreamOptions{}); err == nil || !strings.Contains(err.Error(), "no url") {
		t.Errorf("err = %v, want no url", err)
	}
}

func TestCAFileMustHoldACertificate(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".missing"} {
		_, err := NewUpstream(UpstreamOptions{
			URLs: []string{"https://h:9200"}, CAFile: file, DialTimeout: time.Second,
			MaxIdleConnsPerHost: 1, HealthInterval: time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		if err == nil || !strings.Contains(err.Error(), "read upstream CA file") || !strings.Contains(err.Error(), file) {
			t.Errorf("err = %v, want one that names %s", err, file)
		}
	}
}
