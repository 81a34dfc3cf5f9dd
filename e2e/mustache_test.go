package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
)

// mustache is the real cluster with a stand-in for its mustache module, which the
// distribution of Maven Central lacks: it renders templates by putting in their
// parameters, and has the cluster execute what comes out. stored are the stored
// templates by id.
func mustache(t *testing.T, stored map[string]string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(cluster(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	// Without keep-alive: no connection outlives its test.
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	relay := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if path != "/_render/template" && !strings.HasSuffix(path, "search/template") {
			relay.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a template: %v", err)
		}
		switch {
		case path == "/_render/template":
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"template_output":%s}`, fillIn(t, stored, body))
		case strings.HasSuffix(path, "_msearch/template"):
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"took":1,"responses":[%s]}`, eachOf(t, target.String(), r.URL.RawQuery, stored, body)) //nolint:contextcheck // that of the test holds
		default:
			filled := fillIn(t, stored, body)
			r.URL.Path = strings.TrimSuffix(path, "/template")
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(filled)), int64(len(filled))
			relay.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// fillIn renders one template. What is none stays as it is.
func fillIn(t *testing.T, stored map[string]string, template []byte) []byte {
	t.Helper()
	var asked struct {
		ID     string
		Source json.RawMessage
		Params map[string]string
	}
	if json.Unmarshal(template, &asked) != nil {
		return template
	}
	text := string(asked.Source)
	if asked.ID != "" {
		text = stored[asked.ID]
	} else if strings.HasPrefix(text, `"`) {
		text = decode[string](t, asked.Source)
	}
	for name, value := range asked.Params {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	return []byte(text)
}

// eachOf has the cluster execute each search of a multi search by templates: a
// search that it refuses has its error in its place.
func eachOf(t *testing.T, base, query string, stored map[string]string, body []byte) string {
	t.Helper()
	lines := bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n"))
	var answers []string
	for i := 0; i+1 < len(lines); i += 2 {
		where := decode[struct{ Index string }](t, lines[i])
		a := send(t, http.MethodPost, base+"/"+where.Index+"/_search?"+query, string(fillIn(t, stored, lines[i+1])))
		one := decode[map[string]any](t, a.Body)
		one["status"] = a.Status
		answers = append(answers, string(encode(t, one)))
	}
	return strings.Join(answers, ",")
}
