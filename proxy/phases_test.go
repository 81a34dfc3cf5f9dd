package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// phasedBody can't be answered by one search.
var phasedBody = strings.Replace(rerankBody, `"size":3`, `"size":3,"collapse":{"field":"g"}`, 1)

// phased is a cluster with points in time that keeps what it was asked. answer
// may take a request's answer into its own hands.
func phased(t *testing.T, answer func(w http.ResponseWriter, r *http.Request) bool) (*httptest.Server, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var asked []string
	node := cluster(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("upstream: read body: %v", err)
		}
		mu.Lock()
		asked = append(asked, r.Method+" "+r.RequestURI+" "+string(body))
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case answer != nil && answer(w, r):
		case strings.HasSuffix(r.URL.Path, "/_pit") && r.Method == http.MethodPost:
			_, _ = io.WriteString(w, `{"id":"PIT"}`)
		case r.Method == http.MethodDelete:
			_, _ = io.WriteString(w, `{"succeeded":true,"num_freed":1}`)
		default:
			_, _ = io.WriteString(w, strings.Replace(firstStageAnswer, `{"took"`, `{"pit_id":"NEWER","took"`, 1))
		}
	})
	return node, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(asked)
	}
}

// lines cuts each request down to its line and the point in time it names.
func lines(asked []string) []string {
	var out []string
	for _, a := range asked {
		method, rest, _ := strings.Cut(a, " ")
		target, body, _ := strings.Cut(rest, " ")
		path, _, _ := strings.Cut(target, "?")
		line := method + " " + path
		for _, id := range []string{"PIT", "NEWER"} {
			if strings.Contains(body, `"`+id+`"`) {
				line += " " + id
			}
		}
		out = append(out, line)
	}
	return out
}

// failedSearch is a search in several requests that fails at one of them.
type failedSearch struct {
	name   string
	answer func(http.ResponseWriter, *http.Request) bool // as of phased
	scores scoreFunc
	status int
	body   string // part of the answer
	asked  int    // requests to the cluster, the last of which closes the point in time
}

// check has such a search fail where nothing may be answered in first-stage order.
func (f failedSearch) check(t *testing.T, cluster func(*testing.T, func(http.ResponseWriter, *http.Request) bool) (*httptest.Server, func() []string), search string) {
	t.Helper()
	node, asked := cluster(t, f.answer)
	b := start(t, []string{node.URL}, func(o *Options) {
		failing(f.scores)(o)
		o.FailOnRerank = true
	})
	a := send(t, http.MethodPost, b.url+"/docs/_search", search)
	if a.Status != f.status || !strings.Contains(string(a.Body), f.body) {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if got := lines(asked()); len(got) != f.asked || got[len(got)-1] != "DELETE /_pit PIT" {
		t.Errorf("asked %q", got)
	}
}

func TestTwoPhasesAreFourRoundTripsAtMostAndLeaveNoPointInTime(t *testing.T) {
	node, asked := phased(t, nil)
	b := start(t, []string{node.URL}, nil)
	a := send(t, http.MethodPost, b.url+"/%3Cdocs-%7Bnow%2Fd%7D%3E/_search?routing=r", phasedBody)
	if a.Status != 200 {
		t.Fatalf("status %d: %s", a.Status, a.Body)
	}
	if strings.Contains(string(a.Body), "pit_id") {
		t.Errorf("the answer tells of a point in time: %s", a.Body)
	}
	want := []string{"POST /%3Cdocs-%7Bnow%2Fd%7D%3E/_pit", "POST /_search PIT", "POST /_search NEWER", "DELETE /_pit PIT"}
	if diff := cmp.Diff(want, lines(asked())); diff != "" {
		t.Error(diff)
	}
	if first := asked()[0]; !strings.Contains(first, "keep_alive=1m&routing=r") {
		t.Errorf("opened by %s", first)
	}
	if second := asked()[2]; strings.Contains(second, "routing") || !strings.Contains(second, `"collapse":{"field":"g"}`) {
		t.Errorf("second phase %s", second)
	}
}

func TestEveryFailureClosesThePointInTime(t *testing.T) {
	refuse := func(n int) func(http.ResponseWriter, *http.Request) bool {
		searches := 0
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/_search" {
				return false
			}
			if searches++; searches != n {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":{"type":"x"},"status":400}`)
			return true
		}
	}
	for _, f := range []failedSearch{
		{"a refused first phase", refuse(1), byLength, 400, `{"error":{"type":"x"},"status":400}`, 3},
		{"a refused second phase", refuse(2), byLength, 400, `{"error":{"type":"x"},"status":400}`, 4},
		{"a failing model", nil, func(context.Context, string, []string) ([]float32, error) {
			return nil, fmt.Errorf("boom")
		}, 400, "could not score", 3},
	} {
		t.Run(f.name, func(t *testing.T) { f.check(t, phased, phasedBody) })
	}
}

func TestARefusedPointInTimeIsRelayed(t *testing.T) {
	node, asked := phased(t, func(w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"type":"index_not_found_exception"},"status":404}`)
		return true
	})
	b := start(t, []string{node.URL}, nil)
	a := send(t, http.MethodPost, b.url+"/docs/_search", phasedBody)
	if a.Status != 404 || !strings.Contains(string(a.Body), "index_not_found_exception") || len(asked()) != 1 {
		t.Errorf("status %d: %s after %q", a.Status, a.Body, asked())
	}
}

func TestAFailedRerankDegradesInTwoPhasesToo(t *testing.T) {
	node, asked := phased(t, nil)
	b := start(t, []string{node.URL}, failing(func(context.Context, string, []string) ([]float32, error) {
		return nil, fmt.Errorf("boom")
	}))
	a := send(t, http.MethodPost, b.url+"/docs/_search", phasedBody)
	if a.Status != 200 || a.Header.Get(outcomeHeader) != "degraded; reason=model_error" {
		t.Errorf("status %d, outcome %q: %s", a.Status, a.Header.Get(outcomeHeader), a.Body)
	}
	if second := asked()[2]; !strings.Contains(second, `"boost":0.33333334`) || !strings.Contains(second, `"values":["c"]`) {
		t.Errorf("second phase %s", second)
	}
}

func TestClientLeavingInTheSecondPhaseClosesThePointInTime(t *testing.T) {
	begun, closed := make(chan struct{}), make(chan struct{})
	searches := 0
	node, _ := phased(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete {
			close(closed)
			return false
		}
		if r.URL.Path == "/_search" {
			if searches++; searches == 2 {
				close(begun)
				<-r.Context().Done()
				return true
			}
		}
		return false
	})
	b := start(t, []string{node.URL}, nil)
	conn := dial(t, b.addr)
	if _, err := io.WriteString(conn, rawSearch(phasedBody)); err != nil {
		t.Fatal(err)
	}
	wait(t, begun, "the second phase to begin")
	_ = conn.Close()
	wait(t, closed, "the point in time to be closed")
	b.logs.waitFor(t, map[string]any{"msg": "search", "status": 499.0, "outcome": OutcomeClientGone})
}

func TestTheCallersPointInTimeIsNeitherOpenedNorClosed(t *testing.T) {
	node, asked := phased(t, nil)
	b := start(t, []string{node.URL}, nil)
	body := strings.Replace(rerankBody, `"size":3`, `"size":3,"pit":{"id":"PIT"}`, 1)
	a := send(t, http.MethodPost, b.url+"/_search", body)
	if a.Status != 200 || !strings.Contains(string(a.Body), `"pit_id":"NEWER"`) {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if diff := cmp.Diff([]string{"POST /_search PIT", "POST /_search NEWER"}, lines(asked())); diff != "" {
		t.Error(diff)
	}
}

// The cluster opens a point in time whether or not somebody waits for its id.
func TestAPointInTimeIsClosedWhenItsCallerLeavesWhileItIsOpened(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	node, asked := phased(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/_pit") {
			leave()
		}
		return false
	})
	b := start(t, []string{node.URL}, nil)
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/docs/_search", strings.NewReader(phasedBody))
	r.Header.Set("Content-Type", "application/json")
	b.handler.ServeHTTP(httptest.NewRecorder(), r)
	if d := cmp.Diff([]string{"POST /docs/_pit", "DELETE /_pit PIT"}, lines(asked())); d != "" {
		t.Error(d)
	}
	b.logs.waitFor(t, map[string]any{"msg": "search", "outcome": OutcomeClientGone})
}

func TestTheOpeningOfAPointInTimeEndsSomeTimeAfterItsCallerHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		opening, end := outlasting(ctx, openTimeout)
		defer end()
		leave()
		began := time.Now()
		<-opening.Done()
		if took := time.Since(began); took != openTimeout {
			t.Errorf("it went on for %v, want %v", took, openTimeout)
		}
	})
}
