package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// answer is what a client gets.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

func (a answer) String() string { return fmt.Sprintf("status %d: %.2000s", a.Status, a.Body) }

// client sends no Accept-Encoding of its own and unpacks nothing. It keeps no
// connections, so that none outlives its test.
var client = &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}, Timeout: patience}

// send makes one request with a JSON body, unless header says otherwise, and the
// credentials that the cluster asks for.
func send(tb testing.TB, method, url, body string, header ...string) answer {
	tb.Helper()
	a, err := try(tb, method, url, body, header...)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, url, err)
	}
	return a
}

// try is send for goroutines and for requests that may get no answer.
func try(tb testing.TB, method, url, body string, header ...string) (answer, error) {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if started != nil && started.Authorization != "" {
		req.Header.Set("Authorization", started.Authorization)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, got}, err
}

// found is the answer to a search.
type found struct {
	TimedOut bool `json:"timed_out"`
	Hits     struct {
		Total    json.RawMessage `json:"total"`
		MaxScore *float32        `json:"max_score"`
		Hits     []hit           `json:"hits"`
	} `json:"hits"`
	Aggregations json.RawMessage `json:"aggregations"`
	Suggest      json.RawMessage `json:"suggest"`
}

type hit struct {
	Index     string              `json:"_index"`
	ID        string              `json:"_id"`
	Score     *float32            `json:"_score"`
	Source    json.RawMessage     `json:"_source"`
	Fields    json.RawMessage     `json:"fields"`
	Highlight map[string][]string `json:"highlight"`
	Sort      json.RawMessage     `json:"sort"`
	InnerHits json.RawMessage     `json:"inner_hits"`
	Version   int                 `json:"_version"`
}

// search posts a search and expects hits.
func search(tb testing.TB, url, body string) (found, answer) {
	tb.Helper()
	a := send(tb, http.MethodPost, url, body)
	if a.Status != http.StatusOK {
		tb.Fatalf("search %s with %s: %s", url, body, a)
	}
	return decode[found](tb, a.Body), a
}

func (f found) ids() []string {
	out := make([]string, len(f.Hits.Hits))
	for i, h := range f.Hits.Hits {
		out[i] = h.ID
	}
	return out
}

func (f found) scores(tb testing.TB) []float32 {
	tb.Helper()
	out := make([]float32, len(f.Hits.Hits))
	for i, h := range f.Hits.Hits {
		if h.Score == nil {
			tb.Fatalf("hit %s has no score", h.ID)
		}
		out[i] = *h.Score
	}
	return out
}

// esError is the part of Elasticsearch's error form that clients read.
type esError struct {
	Error struct {
		RootCause []struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"root_cause"`
		Type       string `json:"type"`
		Reason     string `json:"reason"`
		Suppressed []struct {
			CausedBy struct {
				Type   string `json:"type"`
				Reason string `json:"reason"`
			} `json:"caused_by"`
		} `json:"suppressed"`
	} `json:"error"`
	Status int `json:"status"`
}

// wantError checks that an answer is an error in Elasticsearch's form whose text
// names the fault.
func wantError(tb testing.TB, a answer, status int, names string) esError {
	tb.Helper()
	if a.Status != status {
		tb.Fatalf("want status %d and %q, got %s", status, names, a)
	}
	e := decode[esError](tb, a.Body)
	if e.Status != status || e.Error.Type == "" || len(e.Error.RootCause) == 0 || e.Error.RootCause[0].Type == "" {
		tb.Errorf("not Elasticsearch's error form: %s", a)
	}
	if !strings.Contains(string(a.Body), names) {
		tb.Errorf("the error does not name %q: %s", names, a)
	}
	if got := a.Header.Get("X-Elastic-Product"); got != "Elasticsearch" {
		tb.Errorf("X-Elastic-Product = %q, without which clients refuse the answer", got)
	}
	if got := a.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") && !strings.HasPrefix(got, "application/vnd.elasticsearch+json") {
		tb.Errorf("Content-Type = %q", got)
	}
	return e
}
