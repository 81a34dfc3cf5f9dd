package conformance_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/e2e/conformance"
)

func TestDiffFindsWhatIsNotAskedFor(t *testing.T) {
	for _, tc := range []struct{ name, want, got, diff string }{
		{"the same", `{"a":[1,"b",null]}`, `{"a":[1,"b",null]}`, ""},
		{"more members", `{"a":1}`, `{"a":1,"b":2}`, ""},
		{"a member less", `{"a":1,"b":2}`, `{"a":1}`, "b: want 2, is not there\n"},
		{"another value", `{"a":{"b":1}}`, `{"a":{"b":2}}`, "a.b: want 1, got 2\n"},
		{"a number nearby", `{"a":0.36787945}`, `{"a":0.36787944}`, ""},
		{"a number not so near", `{"a":0.3678}`, `{"a":0.3679}`, "a: want 0.3678, got 0.3679\n"},
		{"a longer array", `[{}]`, `[{},{}]`, "the answer: want 1 elements, got [{},{}]\n"},
		{"null for nothing", `{"a":null}`, `{}`, "a: want null, is not there\n"},
		{"a number for a string", `{"a":"1"}`, `{"a":1}`, "a: want \"1\", got 1\n"},
		{"a pattern", `{"a":"/b\\d+/"}`, `{"a":"b12"}`, ""},
		{"a pattern for the whole", `{"a":"/b/"}`, `{"a":"ab"}`, "a: want \"/b/\", got \"ab\"\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var want, got any
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tc.got), &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.diff, conformance.Diff(want, got)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestACaseIsComparedInAllItNames(t *testing.T) {
	c := conformance.Case{
		ID: "c", Status: 404, Answer: json.RawMessage(`{"a":[{"b":1}]}`), Lacks: []string{"a.*.c"},
		Equal: [][2]string{{"a.0.b", "d"}}, Header: map[string]string{"X-H": "h"},
	}
	good := conformance.Answer{Status: 404, Header: map[string][]string{"X-H": {"h"}}, Body: []byte(`{"a":[{"b":1}],"d":1}`)}
	if diff, err := c.Compare(good); diff != "" || err != nil {
		t.Errorf("a good answer differs: %s, %v", diff, err)
	}
	for name, spoil := range map[string]func(*conformance.Answer){
		"status": func(a *conformance.Answer) { a.Status = 200 },
		"header": func(a *conformance.Answer) { a.Header = nil },
		"a.0.b":  func(a *conformance.Answer) { a.Body = []byte(`{"a":[{"b":2}],"d":2}`) },
		"a.*.c":  func(a *conformance.Answer) { a.Body = []byte(`{"a":[{"b":1,"c":1}],"d":1}`) },
		"equal":  func(a *conformance.Answer) { a.Body = []byte(`{"a":[{"b":1}],"d":3}`) },
		"object": func(a *conformance.Answer) { a.Body = []byte(`no JSON`) },
	} {
		bad := good
		spoil(&bad)
		if diff, err := c.Compare(bad); !strings.Contains(diff, name) || err != nil {
			t.Errorf("an answer with another %s: %q, %v", name, diff, err)
		}
	}
}

// row is one of the tables of cases in the page.
var row = regexp.MustCompile("(?m)^\\| `([^`|]+)`(?:, `[^|]*)? \\| (.+) \\|$")

func TestThePageListsTheCasesThatDiffer(t *testing.T) {
	page, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, list := range map[string]map[string]conformance.Difference{
		"### On every cluster\n":    conformance.Differences,
		"### On OpenSearch alone\n": conformance.OnOpenSearch,
	} {
		_, section, ok := strings.Cut(string(page), heading)
		if !ok {
			t.Errorf("no section %q", heading)
			continue
		}
		section, _, _ = strings.Cut(section, "\n#")
		want, got := map[string]string{}, map[string]string{}
		for id, d := range list {
			want[id] = d.Why
		}
		for _, cells := range row.FindAllStringSubmatch(section, -1) {
			ids, _, _ := strings.Cut(strings.TrimPrefix(cells[0], "| "), " |")
			for id := range strings.SplitSeq(ids, ", ") {
				got[strings.Trim(id, "`")] = cells[2]
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: the list of the suite (-) and the page (+):\n%s", strings.TrimSpace(heading), d)
		}
	}
}

func TestEveryListedCaseIsThere(t *testing.T) {
	cases, err := conformance.Cases()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range cases {
		known[c.ID] = true
	}
	for _, list := range []map[string]conformance.Difference{conformance.Differences, conformance.OnOpenSearch} {
		for id, d := range list {
			if !known[id] && !strings.HasPrefix(id, "recorded/") {
				t.Errorf("%s is listed as different, but there is no such case", id)
			}
			if d.Why == "" || d.Status == 0 {
				t.Errorf("%s is listed without a status or a reason", id)
			}
		}
	}
}
