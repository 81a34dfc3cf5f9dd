package retriever_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

// recorded is one exchange with the licensed original.
type recorded struct {
	ID, Path, Query string
	Body            *string
	Status          int
	Response        json.RawMessage
}

// elsewhere are recorded refusals that this package has no part in, or words
// otherwise on purpose.
var elsewhere = map[string]string{
	"bad-query-inside":   "the child's faults are the cluster's to report",
	"filter-bad":         "the filter's faults are the cluster's to report",
	"inner-noquery":      "a null dereference in the original; accepted here",
	"ret-nested-unknown": "which retrievers exist is the cluster's to say",
	"nested-small":       "a reranker in a reranker is refused as such",
	"chunk":              "refused as unsupported, not as unknown",
	"missing-index":      "needs the cluster", "bad-param": "needs the cluster", "text-empty": "needs documents",
	"fail": "needs an endpoint", "top2": "needs an endpoint", "count": "not a search",
	"unknown-endpoint": "needs endpoints", "unknown-endpoint-empty": "needs endpoints",
}

// The original's own words for malformed requests, where they stand beside the
// checkout.
func TestRefusalsEqualTheRecordedOnes(t *testing.T) {
	file, err := os.Open("../../shared/conformance/cases.jsonl")
	if err != nil {
		t.Skipf("no recorded answers beside this checkout: %v", err)
	}
	t.Cleanup(func() { _ = file.Close() }) // only read
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	compared := 0
	for lines.Scan() {
		var c recorded
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Status < 400 || c.Body == nil || !strings.HasSuffix(c.Path, "/_search") || elsewhere[c.ID] != "" ||
			!retriever.MayHold([]byte(*c.Body)) {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			query, err := url.ParseQuery(c.Query)
			if err != nil {
				t.Fatal(err)
			}
			_, err = retriever.Parse(retriever.Request{Body: []byte(*c.Body), Query: query, Indexed: true},
				retriever.Options{DefaultWindow: 10, MaxWindow: 10000})
			var bad *retriever.RequestError
			if !errors.As(err, &bad) {
				t.Fatalf("%s\ngot error %v, want %s", *c.Body, err, c.Response)
			}
			var got, want any
			if err := errors.Join(json.Unmarshal(bad.Body(), &got), json.Unmarshal(c.Response, &want)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s\n%s", *c.Body, d)
			}
			compared++
		})
	}
	if compared < 20 {
		t.Errorf("%d recorded refusals compared, want at least 20", compared)
	}
}
