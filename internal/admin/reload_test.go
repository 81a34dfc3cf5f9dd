package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/rerankd/rerankd/internal/admin"
)

func TestReloadTellsWhatItDid(t *testing.T) {
	var reloaded []string
	var fault error
	reload := func() ([]string, error) { return reloaded, fault }
	handler := func(token string) http.Handler {
		return admin.New(admin.Options{Gatherer: admin.NewRegistry(), Token: token, Reload: func(context.Context) ([]string, error) { return reload() }})
	}
	open := handler("")
	ask := func(h http.Handler, method, host string, header ...string) (int, string) {
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, localAddr{}), method, "http://"+host+"/-/models/reload", http.NoBody)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	want := func(what string, status int, body string, gotStatus int, gotBody string) {
		t.Helper()
		if status != gotStatus || body != "" && body != gotBody {
			t.Errorf("%s: %d %q, want %d %q", what, gotStatus, gotBody, status, body)
		}
	}
	check := func(what string, status int, body string, h http.Handler, method, host string, header ...string) {
		t.Helper()
		gotStatus, gotBody := ask(h, method, host, header...)
		want(what, status, body, gotStatus, gotBody)
	}
	check("nothing", http.StatusOK, `{"reloaded":[]}`+"\n", open, http.MethodPost, "127.0.0.1:9281")
	reloaded = []string{"/srv/mine"}
	check("a model", http.StatusOK, `{"reloaded":["/srv/mine"]}`+"\n", open, http.MethodPost, "localhost")
	fault = errors.New("reload model /srv/other: no graph")
	check("an error", http.StatusInternalServerError, `{"reloaded":["/srv/mine"],"error":"reload model /srv/other: no graph"}`+"\n", open, http.MethodPost, "localhost")
	check("GET", http.StatusMethodNotAllowed, "", open, http.MethodGet, "localhost")
	check("another name", http.StatusForbidden, "", open, http.MethodPost, "evil.example.org")
	check("a page of another origin", http.StatusForbidden, "", open, http.MethodPost, "localhost", "Sec-Fetch-Site", "cross-site")
	check("no token", http.StatusUnauthorized, "", handler("t"), http.MethodPost, "localhost")
	check("a token", http.StatusInternalServerError, "", handler("t"), http.MethodPost, "rerankd.example.org", "Authorization", "Bearer t")

	synctest.Test(t, func(t *testing.T) {
		release, first := make(chan struct{}), make(chan int, 1)
		reload = func() ([]string, error) {
			<-release
			return reloaded, fault
		}
		go func() {
			status, _ := ask(open, http.MethodPost, "localhost")
			first <- status
		}()
		synctest.Wait() // until models are being reloaded
		check("a second one", http.StatusConflict, `{"reloaded":[],"error":"models are being reloaded already"}`+"\n", open, http.MethodPost, "localhost")
		close(release)
		want("the first one", http.StatusInternalServerError, "", <-first, "")
	})
}

// localAddr is where a caller on this machine came in.
type localAddr struct{}

func (localAddr) Network() string { return "tcp" }
func (localAddr) String() string  { return "127.0.0.1:9281" }
