package admin_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rerankd/rerankd/internal/admin"
)

const token = "s3cret-0f-the-0perator"

// handler serves a registry's metrics to everybody.
func handler(g prometheus.Gatherer) http.Handler {
	return admin.New(admin.Options{Gatherer: g})
}

// get asks the handler, with headers given as name, value pairs.
func get(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, h, http.MethodGet, path, header...)
}

func ask(t *testing.T, h http.Handler, method, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:9281"+path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHealthIsAnsweredWhateverIsNotReady(t *testing.T) {
	h := admin.New(admin.Options{
		Gatherer: prometheus.NewRegistry(), Token: token,
		Checks: []admin.Check{{Name: "model", OK: func() error { return errors.New("loading") }}},
	})
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if w := ask(t, h, method, "/-/healthy"); w.Code != http.StatusOK {
			t.Errorf("%s: status %d, want 200", method, w.Code)
		}
	}
}

func TestReadyTellsWhatStandsInTheWay(t *testing.T) {
	var model, upstream error
	options := admin.Options{
		Gatherer: prometheus.NewRegistry(),
		Checks: []admin.Check{
			{Name: "model", OK: func() error { return model }},
			{Name: "upstream", OK: func() error { return upstream }},
		},
		Models: func() []admin.Model {
			return []admin.Model{{Endpoint: "e", ID: "m", Precision: "int8", Batching: "alone"}}
		},
	}
	secured := options
	secured.Token = token
	const models = `"models":[{"endpoint":"e","id":"m","precision":"int8","batching":"alone"}]}`
	for _, tc := range []struct {
		name            string
		model, upstream error
		status          int
		open, guarded   string // bodies without a token and for callers that lack it
	}{
		{
			"ready", nil, nil, http.StatusOK,
			`{"ready":true,"checks":[{"name":"model","ok":true},{"name":"upstream","ok":true}],` + models,
			`{"ready":true}`,
		},
		{
			"cluster away", nil, errors.New("connection refused"), http.StatusServiceUnavailable,
			`{"ready":false,"checks":[{"name":"model","ok":true},{"name":"upstream","ok":false,"reason":"connection refused"}],` + models,
			`{"ready":false}`,
		},
		{
			"nothing there", errors.New("loading"), errors.New("connection refused"), http.StatusServiceUnavailable,
			`{"ready":false,"checks":[{"name":"model","ok":false,"reason":"loading"},{"name":"upstream","ok":false,"reason":"connection refused"}],` + models,
			`{"ready":false}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			model, upstream = tc.model, tc.upstream
			for _, c := range []struct {
				name   string
				answer *httptest.ResponseRecorder
				want   string
			}{
				{"no token set", get(t, admin.New(options), "/-/ready"), tc.open},
				{"token missing", get(t, admin.New(secured), "/-/ready"), tc.guarded},
				{"token given", get(t, admin.New(secured), "/-/ready", "Authorization", "Bearer "+token), tc.open},
			} {
				if c.answer.Code != tc.status {
					t.Errorf("%s: status %d, want %d", c.name, c.answer.Code, tc.status)
				}
				if diff := cmp.Diff(c.want+"\n", c.answer.Body.String()); diff != "" {
					t.Errorf("%s: body (-want +got):\n%s", c.name, diff)
				}
				if !json.Valid(c.answer.Body.Bytes()) || c.answer.Header().Get("Content-Type") != "application/json" {
					t.Errorf("%s: not JSON: %v", c.name, c.answer.Header())
				}
			}
		})
	}
}

func TestTokenGuardsMetricsAndProfiles(t *testing.T) {
	h := admin.New(admin.Options{Gatherer: prometheus.NewRegistry(), Token: token, Pprof: true})
	for _, tc := range []struct {
		name, value string
		want        int
	}{
		{"the token", "Bearer " + token, http.StatusOK},
		{"a scheme in lower case", "bearer " + token, http.StatusOK},
		{"no header", "", http.StatusUnauthorized},
		{"no token", "Bearer ", http.StatusUnauthorized},
		{"another token", "Bearer " + token[1:], http.StatusUnauthorized},
		{"a longer token", "Bearer " + token + "x", http.StatusUnauthorized},
		{"another scheme", "Basic " + token, http.StatusUnauthorized},
		{"the bare token", token, http.StatusUnauthorized},
	} {
		for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/symbol"} {
			w := get(t, h, path, "Authorization", tc.value)
			if w.Code != tc.want {
				t.Errorf("%s, %s: status %d, want %d", path, tc.name, w.Code, tc.want)
			}
			if challenged := w.Header().Get("WWW-Authenticate") != ""; challenged != (w.Code == http.StatusUnauthorized) {
				t.Errorf("%s, %s: status %d, WWW-Authenticate %v", path, tc.name, w.Code, challenged)
			}
		}
	}
}

func TestOtherMethodsAndPathsAreRefused(t *testing.T) {
	h := handler(prometheus.NewRegistry())
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{http.MethodPost, "/-/ready", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/_search", http.StatusNotFound},
	} {
		if w := ask(t, h, tc.method, tc.path); w.Code != tc.want {
			t.Errorf("%s %s: status %d, want %d", tc.method, tc.path, w.Code, tc.want)
		}
	}
}

// broken gathers nothing but an error.
type broken struct{}

func (broken) Describe(chan<- *prometheus.Desc) {}

func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "", nil, nil), errors.New("it broke"))
}

func TestAFaultyMetricIsLoggedAndHidesNoOther(t *testing.T) {
	r := prometheus.NewRegistry()
	admin.NewMetrics(r).Passages(7)
	r.MustRegister(broken{})
	var log bytes.Buffer
	h := admin.New(admin.Options{Gatherer: r, Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	if w := get(t, h, "/metrics"); !strings.Contains(w.Body.String(), "rerankd_passages_total 7") {
		t.Errorf("status %d without the good metrics", w.Code)
	}
	if !strings.Contains(log.String(), "it broke") {
		t.Errorf("log %q does not tell the fault", log.String())
	}
}

func TestTheTokenIsNeverShown(t *testing.T) {
	r := prometheus.NewRegistry()
	admin.NewMetrics(r)
	r.MustRegister(broken{})
	var shown bytes.Buffer
	h := admin.New(admin.Options{Gatherer: r, Logger: slog.New(slog.NewJSONHandler(&shown, nil)), Token: token, Pprof: true})
	for _, auth := range []string{"Bearer " + token, "Bearer x" + token, ""} {
		for _, path := range []string{"/-/healthy", "/-/ready", "/metrics", "/debug/pprof/", "/debug/pprof/cmdline", "/" + token[:4]} {
			w := get(t, h, path, "Authorization", auth)
			if err := w.Result().Header.Write(&shown); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(&shown, w.Body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if shown.Len() == 0 || strings.Contains(shown.String(), token) {
		t.Errorf("%d bytes of answers and logs hold the token", shown.Len())
	}
}

func TestAFaultyMetricWithoutALoggerHidesNoOther(t *testing.T) {
	r := prometheus.NewRegistry()
	admin.NewMetrics(r).Passages(7)
	r.MustRegister(broken{})
	if w := get(t, handler(r), "/metrics"); !strings.Contains(w.Body.String(), "rerankd_passages_total 7") {
		t.Errorf("status %d without the good metrics", w.Code)
	}
}

func TestAHandlerWithoutAGathererIsAProgrammersError(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New did not panic")
		}
	}()
	admin.New(admin.Options{})
}
