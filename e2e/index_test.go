package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// mark stands in the mapping of every index that these tests make, so that they
// never remove one that is somebody else's.
const mark = `{"rerankd":"e2e"}`

// made are the indices to remove in the end.
var made = struct {
	sync.Mutex
	names map[string]bool
}{names: map[string]bool{}}

// document is one to index, in its JSON.
type document struct {
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
}

// index makes an index anew, with settings for one shard unless create says
// otherwise, and fills it. The mappings in create get a mark.
func index(tb testing.TB, name, create string, documents ...document) {
	tb.Helper()
	c := cluster(tb)
	remove(tb, name)
	body := decode[map[string]any](tb, []byte(create))
	mappings, _ := body["mappings"].(map[string]any)
	if mappings == nil {
		mappings = map[string]any{}
		body["mappings"] = mappings
	}
	mappings["_meta"] = json.RawMessage(mark)
	if body["settings"] == nil {
		body["settings"] = map[string]any{"number_of_shards": 1, "number_of_replicas": 0}
	}
	a := send(tb, http.MethodPut, c.URL+"/"+name, string(encode(tb, body)))
	if a.Status != http.StatusOK {
		tb.Fatalf("create index %s: %s", name, a)
	}
	made.Lock()
	made.names[name] = true
	made.Unlock()
	fill(tb, name, documents)
}

// fill indexes documents in their order.
func fill(tb testing.TB, name string, documents []document) {
	tb.Helper()
	if len(documents) == 0 {
		return
	}
	var bulk bytes.Buffer
	for _, d := range documents {
		fmt.Fprintf(&bulk, "{\"index\":{\"_id\":%q}}\n", d.ID)
		if err := json.Compact(&bulk, d.Source); err != nil {
			tb.Fatalf("document %s of %s: %v", d.ID, name, err)
		}
		bulk.WriteByte('\n')
	}
	a := send(tb, http.MethodPost, cluster(tb).URL+"/"+name+"/_bulk?refresh=true", bulk.String(), "Content-Type", "application/x-ndjson")
	if a.Status != http.StatusOK || !bytes.Contains(a.Body, []byte(`"errors":false`)) {
		tb.Fatalf("fill index %s: %s", name, a)
	}
}

// remove removes an index of these tests, if it is there.
func remove(tb testing.TB, name string) {
	tb.Helper()
	c := cluster(tb)
	a := send(tb, http.MethodGet, c.URL+"/"+name+"/_mapping", "")
	switch {
	case a.Status == http.StatusNotFound:
		return
	case a.Status != http.StatusOK:
		tb.Fatalf("look for index %s: %s", name, a)
	case !strings.Contains(string(a.Body), mark):
		tb.Fatalf("the cluster at %s has an index %s that these tests have not made: use another cluster, or remove it", c.URL, name)
	}
	if a := send(tb, http.MethodDelete, c.URL+"/"+name, ""); a.Status != http.StatusOK {
		tb.Fatalf("remove index %s: %s", name, a)
	}
}

// removeIndices removes what index has made, for a cluster that stays.
func removeIndices() error {
	made.Lock()
	defer made.Unlock()
	for name := range made.names {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, started.URL+"/"+name+"?ignore_unavailable=true", http.NoBody)
		if err != nil {
			return err
		}
		if started.Authorization != "" {
			req.Header.Set("Authorization", started.Authorization)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("remove index %s: %w", name, err)
		}
		if err := res.Body.Close(); err != nil {
			return fmt.Errorf("remove index %s: %w", name, err)
		}
	}
	return nil
}

func decode[T any](tb testing.TB, data []byte) T {
	tb.Helper()
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		tb.Fatalf("decode %.500s: %v", data, err)
	}
	return v
}

func encode(tb testing.TB, v any) []byte {
	tb.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
