package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rerankd/rerankd/configs"
)

// recorded is where the answers of the licensed original stand, beside the
// checkout.
const recorded = "../../shared/conformance"

// recordedCase is one exchange with the original.
type recordedCase struct {
	ID              string            `json:"id"`
	Note            string            `json:"note"`
	Method          string            `json:"method"`
	Path            string            `json:"path"`
	Query           string            `json:"query"`
	Headers         map[string]string `json:"headers"`
	Body            *string           `json:"body"`
	Status          int               `json:"status"`
	ResponseHeaders map[string]string `json:"response_headers"`
	Response        any               `json:"response"`
	Needs           string            `json:"needs"`
}

// Reasons why the program's answer to a recorded request is another one.
const (
	clusters    = "passed through: the cluster answers, which may lack the _inference API and the retriever"
	unsupported = "refused by name with a 400: the program can't give the original's answer"
	ownWords    = "the innermost cause speaks of the JSON reader in use, whose words are another's"
)

// different are the recorded cases that are not matched, each with the status
// that the program answers instead, and why. A case that is not among these must
// match; one that is and matches fails too, so that the list stays true.
var different = map[string]struct {
	status int
	why    string
}{
	"nested-reranker": {400, unsupported},
	"named":           {200, "the names of the child's own queries are kept beside the reranker's"}, "chunk": {400, "refused as unsupported; the original of this version does not know the key"},
	"dup-key": {400, ownWords}, "broken-json": {400, ownWords},
	"inner-noquery": {200, "a null dereference in the original; here a standard retriever without a query matches all"},
	"fail":          {400, "the innermost reason speaks of the original's remote service"},
	"top2":          {404, "no endpoint has task settings, so that there is none of this name"},
}

// endpoints of the recorded requests that the program can serve.
func recordedEndpoints(t *testing.T) []configs.Endpoint {
	t.Helper()
	return []configs.Endpoint{
		{ID: "mock", Model: configs.ModelNumeric},
		{ID: "mock-fail", Model: breakingModel(t)},
	}
}

func TestAnswersEqualTheRecordedOnesOfTheOriginal(t *testing.T) {
	cases := readCases(t)
	loadFixtures(t)
	p := startProxy(t, func(c *configs.Config) {
		c.Rerank.DefaultWindow = 10 // the original's
		c.Rerank.OnFailure = configs.OnFailureFail
		c.Endpoints = recordedEndpoints(t)
	})
	// The distribution on Maven Central has few modules; no root page is a sign of it.
	minimal := send(t, http.MethodGet, cluster(t).URL+"/", "").Status != http.StatusOK
	matched, unknown := 0, maps.Clone(different)
	for _, c := range cases {
		delete(unknown, c.ID)
		t.Run(c.ID, func(t *testing.T) {
			if c.Needs != "" && minimal {
				t.Skipf("NOT COMPARED: needs %s, which this cluster's distribution lacks", c.Needs)
			}
			why := different[c.ID]
			ofCluster := c.ID == "ret-unknown" || strings.Contains(c.Path, "/_inference")
			if ofCluster {
				why.why = clusters
			}
			a := c.send(t, p)
			d := c.compare(t, a)
			switch {
			case why.why == "" && d != "":
				t.Errorf("%s %s %s\nthe original (-) and the program (+):\n%s", c.Method, c.Path, deref(c.Body), d)
			case why.why == "":
				matched++
			case d == "" && !ofCluster:
				t.Errorf("matches, but is listed as different: %s", why.why)
			case why.status != 0 && a.Status != why.status:
				t.Errorf("status %d, want %d for a case that differs because %s: %s", a.Status, why.status, why.why, a)
			default:
				t.Logf("differs: %s", why.why)
			}
		})
	}
	for id := range unknown {
		t.Errorf("%s is listed as different, but there is no such case", id)
	}
	t.Logf("%d of %d recorded answers are matched", matched, len(cases))
	if matched < 85 {
		t.Errorf("%d answers matched, want at least 85", matched)
	}
}

// readCases reads the cases, or skips the test where they are not.
func readCases(t *testing.T) []recordedCase {
	t.Helper()
	file, err := os.Open(filepath.Join(recorded, "cases.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("NOT COMPARED with the original: no recorded answers in %s", recorded)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	var cases []recordedCase
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		cases = append(cases, decode[recordedCase](t, lines.Bytes()))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("no recorded case")
	}
	return cases
}

// loadFixtures makes the indices and aliases that the cases search.
func loadFixtures(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(recorded, "fixtures.json"))
	if err != nil {
		t.Fatal(err)
	}
	fixtures := decode[struct {
		Indices map[string]struct {
			Create    json.RawMessage `json:"create"`
			Documents []document      `json:"documents"`
		} `json:"indices"`
		Aliases []struct{ Index, Alias string } `json:"aliases"`
	}](t, data)
	for name, i := range fixtures.Indices {
		index(t, name, string(i.Create), i.Documents...)
	}
	for _, alias := range fixtures.Aliases {
		a := send(t, http.MethodPut, cluster(t).URL+"/"+alias.Index+"/_alias/"+alias.Alias, "")
		if a.Status != http.StatusOK {
			t.Fatalf("alias %s: %s", alias.Alias, a)
		}
	}
}

func (c recordedCase) send(t *testing.T, p *program) answer {
	t.Helper()
	target := p.url + c.Path
	if c.Query != "" {
		target += "?" + c.Query
	}
	var header []string
	for name, value := range c.Headers {
		header = append(header, name, value)
	}
	return send(t, c.Method, target, deref(c.Body), header...)
}

// compare tells how an answer differs from the recorded one: in its status, its
// type, or its body without what is volatile.
func (c recordedCase) compare(t *testing.T, a answer) string {
	t.Helper()
	if a.Status != c.Status {
		return "status " + strconv.Itoa(c.Status) + " (-) and " + strconv.Itoa(a.Status) + " (+): " + string(a.Body)
	}
	if want, got := c.ResponseHeaders["content-type"], a.Header.Get("Content-Type"); want != got {
		return "Content-Type " + want + " (-) and " + got + " (+)"
	}
	var got any
	if err := json.Unmarshal(a.Body, &got); err != nil {
		got = string(a.Body)
	}
	return cmp.Diff(steadyJSON(c.Response), steadyJSON(got), cmpopts.EquateApprox(1e-5, math.SmallestNonzeroFloat64))
}

// volatileKeys are the members that the recording leaves out.
var volatileKeys = []string{"took", "_shards", "pit_id", "node", "_node", "failed_shards", "index_uuid", "shard"}

// steadyJSON drops the volatile members, at any depth.
func steadyJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, value := range v {
			if !slices.Contains(volatileKeys, name) {
				kept[name] = steadyJSON(value)
			}
		}
		return kept
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = steadyJSON(value)
		}
		return list
	}
	return v
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
