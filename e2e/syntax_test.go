package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/retriever"
)

// A body that is no JSON can't be left to the cluster, which would report the
// retriever that it doesn't know before it came to the fault. What is said of it here
// must be what the cluster says of the same fault in a search that it knows.
func TestFaultsInJSONAreToldInTheWordsOfTheCluster(t *testing.T) {
	itemIndex(t)
	url := cluster(t).URL + "/e2e-items/_search"
	if !strings.HasPrefix(cluster(t).Version, "8.19.") {
		t.Skipf("NOT COMPARED: the words are those of 8.19, the cluster is of version %s", cluster(t).Version)
	}
	for _, body := range []string{
		`{"size":1,`, `{"size"`, `{"size":`, `{"sort":[`, `{"sort":["n"`, `{"sort":["n",`, `{"size" 1}`, `{size:1}`, `{"sort":["n" "m"]}`,
		`{"sort":["n"}`, `{"query":{]}`, `{"size":}`, `{"size":,}`, `{"size":-}`, `{"size":1.}`, `{"size":1e}`, `{"size":1x}`, `{"size":.5}`,
		`{"size":+1}`, `{"query":{"match":{"title":"a\qb"}}}`, `{"query":{"match":{"title":"a\u12x"}}}`, "{\"query\":{\"match\":{\"title\":\"a\nb\"}}}",
		"{\"a\nb\":1}", `{"size":1}}`, `{"size":1}]`, `{"size":1} {`, `{"size":NaN}`, `{"size":Infinity}`, `{"size":tru}`, `{"size":truex}`,
		`{"size":1,,"from":2}`, `{"sort":["n",]}`, `{"size":1;}`, `{"query":{"match":{"title":"` + strings.Repeat("x", 600) + `"}},}`,
		"{\"size\":\t1,\r\n \"x\"}", `{"query":{"match":{"title":"é`, `{'a':1}`, `{"size":-x}`, `{"size":00}`, `{"size":_a$1-}`,
		"{\"query\"\n:\n{\"match_all\"\n{}}}", `{"size":1}x`, `{"size":1},`, `{"size":-01}`, `{"size":1.x}`, `{"size":1e+}`, `{"size":"a`,
		`{"query":{"match_all":{}`, `{"size":1 "from":2}`, `{"a\x":1}`, `{"size":1,"query":oops}`,
	} {
		a := send(t, http.MethodPost, url, body)
		_, err := retriever.Parse(retriever.Request{Body: []byte(body)}, retriever.Options{})
		var bad *retriever.RequestError
		if !errors.As(err, &bad) {
			t.Errorf("%q: no fault found, the cluster says %s", body, a)
			continue
		}
		var want, got any
		if err := errors.Join(json.Unmarshal(a.Body, &want), json.Unmarshal(bad.Body(), &got)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" || a.Status != bad.Status {
			t.Errorf("%q: the cluster (-) and here (+):\n%s", body, d)
		}
	}
}
