package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/rerankd/rerankd/e2e/conformance"
)

// recorded is where the answers of the licensed original stand, beside the
// checkout.
const recorded = "../../shared/conformance"

// leastCases is how many cases the suite has of its own.
const leastCases = 150

// rows is how many numbered cases the list of the behaviour to match has.
const rows = 48

func TestConformanceWithElasticsearch(t *testing.T) {
	c := cluster(t)
	conform(t, conformance.Target{URL: c.URL, Authorization: c.Authorization, Client: client}, "Elasticsearch "+c.Version)
}

// OpenSearch knows no retrievers: what the program does with it must be told from
// Elasticsearch by nothing but what docs/compatibility.md lists.
func TestConformanceWithOpenSearch(t *testing.T) {
	c := openSearch(t)
	conform(t, conformance.Target{URL: c.URL, Authorization: c.Authorization, Client: client}, "OpenSearch "+c.Version)
}

// conform runs every case before a cluster and prints a summary.
func conform(t *testing.T, direct conformance.Target, name string) {
	t.Helper()
	cases, fixtures := suite(t)
	what, err := conformance.Ask(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fixtures {
		if err := f.Load(t.Context(), direct, what); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Remove(context.WithoutCancel(t.Context()), direct); err != nil {
				t.Error(err)
			}
		})
	}
	p := startProxyAt(t, direct.URL, conformance.Configure)
	through := direct
	through.URL = p.url
	var tally conformance.Tally
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			result, report, err := through.Run(t.Context(), c, what)
			if err != nil {
				t.Fatal(err)
			}
			tally[result]++
			switch result {
			case conformance.Passed:
			case conformance.Skipped:
				t.Skipf("NOT COMPARED: %s", report)
			case conformance.Listed:
				t.Logf("differs: %s", report)
			case conformance.Failed:
				t.Errorf("%s\n%s %s %s\n%s", c.Note, c.Path, c.Query, c.Body, report)
			}
		})
	}
	fmt.Fprintf(os.Stderr, "conformance with %s: %s\n", name, tally)
}

// suite is every case with what they search: the project's own, and those recorded
// from the original where they stand beside the checkout.
func suite(t *testing.T) ([]conformance.Case, []conformance.Fixtures) {
	t.Helper()
	cases, err := conformance.Cases()
	if err != nil {
		t.Fatal(err)
	}
	fixtures, err := conformance.OwnFixtures()
	if err != nil {
		t.Fatal(err)
	}
	all := []conformance.Fixtures{fixtures}
	of, err := conformance.Recorded(recorded)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "conformance: NOT COMPARED with the original: no recorded answers in %s\n", recorded)
		return cases, all
	}
	if err != nil {
		t.Fatal(err)
	}
	if fixtures, err = conformance.RecordedFixtures(recorded); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(cases, of), append(all, fixtures)
}

func TestTheConformanceSuiteIsComplete(t *testing.T) {
	cases, err := conformance.Cases()
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < leastCases {
		t.Errorf("%d cases, want at least %d", len(cases), leastCases)
	}
	seen := map[int]bool{}
	for _, c := range cases {
		seen[c.Row] = true
	}
	for row := 1; row <= rows; row++ {
		if !seen[row] {
			t.Errorf("no case shows row %d of the list", row)
		}
	}
}
