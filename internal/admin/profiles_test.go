package admin_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rerankd/rerankd/internal/admin"
)

// askAt asks for path under a host name, as if over a connection to an address
// of this machine. An empty address stands for one that is not known.
func askAt(t *testing.T, h http.Handler, address, host, path string) int {
	t.Helper()
	ctx := t.Context()
	if address != "" {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		ctx = context.WithValue(ctx, http.LocalAddrContextKey, a)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	r.Host = host
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestProfilesAreServedToThisMachineOrWithAToken(t *testing.T) {
	for _, tc := range []struct {
		name    string
		token   string
		pprof   bool
		address string
		host    string
		want    int
	}{
		{"loopback by address", "", true, "127.0.0.1:9281", "127.0.0.1:9281", http.StatusOK},
		{"loopback by IPv6", "", true, "[::1]:9281", "[::1]:9281", http.StatusOK},
		{"loopback by IPv6 without a port", "", true, "[::1]:9281", "[::1]", http.StatusOK},
		{"loopback by name", "", true, "127.0.0.1:9281", "localhost:9281", http.StatusOK},
		{"loopback without a port", "", true, "127.0.0.1:9281", "LocalHost", http.StatusOK},
		{"loopback by a name that a stranger made to resolve", "", true, "127.0.0.1:9281", "evil.example:9281", http.StatusForbidden},
		{"loopback by a number that is not its own", "", true, "127.0.0.1:9281", "10.0.0.1:9281", http.StatusForbidden},
		{"loopback by no name at all", "", true, "127.0.0.1:9281", "", http.StatusForbidden},
		{"open network by its own number", "", true, "10.0.0.1:9281", "10.0.0.1:9281", http.StatusForbidden},
		{"open network that claims to be loopback", "", true, "10.0.0.1:9281", "localhost", http.StatusForbidden},
		{"an address that is not known", "", true, "", "localhost", http.StatusForbidden},
		{"open network with a token", token, true, "10.0.0.1:9281", "node1:9281", http.StatusOK},
		{"not allowed", "", false, "127.0.0.1:9281", "127.0.0.1:9281", http.StatusNotFound},
		{"not allowed with a token", token, false, "127.0.0.1:9281", "127.0.0.1:9281", http.StatusNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := admin.New(admin.Options{Gatherer: prometheus.NewRegistry(), Token: tc.token, Pprof: tc.pprof})
			for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine"} {
				if got := askAt(t, h, tc.address, tc.host, path); got != tc.want {
					t.Errorf("%s: status %d, want %d", path, got, tc.want)
				}
			}
		})
	}
}

func TestProfilesAreServedOverARealLoopbackConnection(t *testing.T) {
	server := httptest.NewServer(admin.New(admin.Options{Gatherer: prometheus.NewRegistry(), Pprof: true}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/debug/pprof/heap", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Errorf("status %d, want 200", answer.StatusCode)
	}
}

func TestTheCommandLineIsNoProfile(t *testing.T) {
	h := admin.New(admin.Options{Gatherer: prometheus.NewRegistry(), Pprof: true, Token: token})
	if got := askAt(t, h, "127.0.0.1:9281", "localhost", "/debug/pprof/cmdline"); got != http.StatusNotFound {
		t.Errorf("status %d, want 404: flags may hold secrets", got)
	}
}
