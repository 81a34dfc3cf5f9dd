package localcluster

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func envOf(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestESURLIsUsedWithItsCredentialsAndNeverStopped(t *testing.T) {
	var stopped []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "elastic" || password != "p@ss" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/_cluster/health":
		case "/":
			_, _ = w.Write([]byte(`{"version":{"number":"2.19.0","distribution":"opensearch"}}`))
		default:
			stopped = append(stopped, r.URL.Path)
		}
	}))
	defer server.Close()
	address := strings.Replace(server.URL, "http://", "http://elastic:p%40ss@", 1) + "/"

	c, err := startFrom(t.Context(), Options{Getenv: envOf(map[string]string{"ES_URL": address})}, []source{{SourceURL, startExternal}})
	if err != nil {
		t.Fatal(err)
	}
	if c.URL != server.URL || c.Source != SourceURL || c.Version != "opensearch 2.19.0" {
		t.Errorf("got %q from %q, version %q, want %q from es_url, version opensearch 2.19.0", c.URL, c.Source, c.Version, server.URL)
	}
	if c.Authorization != "Basic ZWxhc3RpYzpwQHNz" {
		t.Errorf("Authorization = %q", c.Authorization)
	}
	if err := c.Stop(t.Context()); err != nil || stopped != nil {
		t.Errorf("Stop: %v, with requests to %q: want none", err, stopped)
	}
}

func TestTheVersionOfADistributionWithoutARootPageComesFromItsNode(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.WriteHeader(http.StatusMethodNotAllowed)
		case "/_nodes/_local":
			_, _ = w.Write([]byte(`{"nodes":{"x":{"version":"8.17.0"}}}`))
		}
	}))
	defer server.Close()
	c, err := startExternal(t.Context(), &setup{getenv: envOf(map[string]string{"ES_URL": server.URL}), log: newLogger(nil, ""), dist: distributions[Elasticsearch]})
	if err != nil || c.Version != "8.17.0" {
		t.Errorf("got %+v, %v, want version 8.17.0", c, err)
	}
}

func TestAFaultyESURLIsAnErrorThatKeepsThePassword(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer refuses.Close()
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer sick.Close()
	for _, tc := range []struct{ name, url, want string }{
		{"no scheme", "localhost:9200", "want http(s)://"},
		{"another scheme", "ftp://u:secret@localhost:9200", "want http(s)://"},
		{"a path", "http://u:secret@localhost:9200/es", "nothing behind it"},
		{"a query", "http://u:secret@localhost:9200/?a=b", "nothing behind it"},
		{"a broken port", "http://u:secret@localhost:port", "want http(s)://"},
		{"no host", "http://", "want http(s)://"},
		{"nobody there", "http://127.0.0.1:1", "unset ES_URL"},
		{"credentials missing", refuses.URL, "it wants credentials"},
		{"not healthy", sick.URL, "status 503"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := startExternal(t.Context(), &setup{getenv: envOf(map[string]string{"ES_URL": tc.url}), log: newLogger(nil, ""), dist: distributions[Elasticsearch]})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("err = %v, want one with %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is in %v", err)
			}
			if errors.Is(err, errNotTaken) {
				t.Errorf("err = %v: a faulty ES_URL must not be passed over", err)
			}
		})
	}
}
