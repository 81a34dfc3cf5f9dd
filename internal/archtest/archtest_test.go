package archtest

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// root is the module's root, seen from this package.
const root = "../.."

func TestTreeFollowsTheLayoutOfTheArchitecturePage(t *testing.T) {
	page, err := os.ReadFile(root + "/docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	table, err := parseLayout(string(page))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := scan(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range violations(packages, table) {
		t.Error(fault)
	}
}

func TestViolationsAreFound(t *testing.T) {
	table := layout{"scorer": {}, "cache": {names: []string{"scorer"}}}
	file := func(src string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(src)} }
	good := func() fstest.MapFS {
		return fstest.MapFS{
			"scorer/scorer.go":     file("// Package scorer is the port.\npackage scorer\n"),
			"scorer/gate.go":       file("//go:build linux\n\npackage scorer\n"),
			"cache/cache.go":       file("// Package cache keeps scores.\npackage cache\nimport (\n\t\"fmt\"\n\t\"" + module + "/scorer\"\n)\n"),
			"cache/cache_test.go":  file("// Package cache has no second comment in tests.\npackage cache\nimport \"" + module + "/proxy\"\n"),
			"cache/testdata/x.go":  file("not Go"),
			".cache/x/x.go":        file("not Go"),
			"_old/x.go":            file("not Go"),
			"tools/go.mod":         file("module tools\n"),
			"tools/tool.go":        file("not Go"),
			"docs/architecture.md": file(""),
		}
	}
	for _, tc := range []struct {
		name   string
		change func(fstest.MapFS)
		want   []string
	}{
		{"none", func(fstest.MapFS) {}, nil},
		{"no package at all", func(m fstest.MapFS) { clear(m) }, []string{"no package found"}},
		{
			"an import that is not allowed",
			func(m fstest.MapFS) { m["scorer/x.go"] = file("package scorer\nimport _ \"" + module + "/cache\"\n") },
			[]string{"scorer may not import cache"},
		},
		{
			"a package without a row, with tests only",
			func(m fstest.MapFS) { m["util/x_test.go"] = file("package util\n") },
			[]string{"util has 0 package comments, want one", "util is not in the table"},
		},
		{
			"a row without a package",
			func(m fstest.MapFS) { delete(m, "cache/cache.go"); delete(m, "cache/cache_test.go") },
			[]string{"cache is in the table but not in the tree"},
		},
		{
			"two package comments",
			func(m fstest.MapFS) { m["scorer/gate.go"] = file("// Package scorer again.\npackage scorer\n") },
			[]string{"scorer has 2 package comments, want one"},
		},
		{
			"no package comment",
			func(m fstest.MapFS) { m["scorer/scorer.go"] = file("package scorer\n") },
			[]string{"scorer has 0 package comments, want one"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tree := good()
			tc.change(tree)
			packages, err := scan(tree)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, violations(packages, table)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLayoutIsReadFromTheTableAlone(t *testing.T) {
	page := "# Title\n| Path | Other |\n| --- | --- |\n| `x` | y |\n\n" + header + "\n| --- | --- | --- |\n" +
		"| `proxy` | the `edge` | `retriever`, `scorer/…` |\n| `retriever` | pure | – |\n" +
		"| `internal/app` | wires | all but `cmd`, `e2e` |\n\n| `later` | no row | – |\n"
	want := layout{
		"proxy":        {names: []string{"retriever", "scorer/…"}},
		"retriever":    {},
		"internal/app": {allBut: true, names: []string{"cmd", "e2e"}},
	}
	got, err := parseLayout(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(rule{})); diff != "" {
		t.Errorf("parseLayout (-want +got):\n%s", diff)
	}
}

func TestLayoutThatCannotBeReadIsAnError(t *testing.T) {
	for _, tc := range []struct{ name, rows, want string }{
		{"words in a rule", "| `proxy` | edge | `scorer` and others |\n", "row of proxy"},
		{"an empty rule", "| `proxy` | edge | |\n", "row of proxy"},
		{"two cells", "| `proxy` | edge |\n", "three cells"},
		{"no package", "| proxy | edge | – |\n", "three cells"},
		{"one package twice", "| `proxy` | edge | – |\n| `proxy` | edge | – |\n", "two rows for proxy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := parseLayout(header + "\n" + tc.rows); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("parseLayout = %v, %v, want an error that says %q", got, err, tc.want)
			}
		})
	}
	if _, err := parseLayout("# Title\n"); err == nil {
		t.Error("parseLayout of a page without the table: no error")
	}
}

func TestRulesPermitWhatTheyName(t *testing.T) {
	for _, tc := range []struct {
		cell, target string
		want         bool
	}{
		{"–", "scorer", false},
		{"`scorer`", "scorer", true},
		{"`scorer`", "scorer/onnx", false},
		{"`scorer/…`", "scorer/onnx", true},
		{"`scorer/…`", "scorer", true},
		{"`scorer/…`", "scorers", false},
		{"all but `cmd`, `e2e`", "scorer", true},
		{"all but `cmd`, `e2e`", "e2e", false},
		{"all but `cmd`, `e2e`", "cmd/rerankd", false},
	} {
		r, err := parseRule(tc.cell)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.permits(tc.target); got != tc.want {
			t.Errorf("rule %q permits %s = %t, want %t", tc.cell, tc.target, got, tc.want)
		}
	}
}
