package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// found is one package of the tree.
type found struct {
	path     string   // folder, relative to the module's root
	imports  []string // project packages its non-test files import, as folders
	comments int      // files whose package clause has a comment
}

// scan reads the Go files of a tree itself, for a cached answer of the go
// command would hide a new import. It skips what the go command skips (testdata,
// names that begin with a dot or an underscore) and modules of their own.
func scan(tree fs.FS) ([]found, error) {
	packages := map[string]*found{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && skipped(tree, name):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = &found{path: dir}
		}
		return packages[dir].add(tree, name)
	})
	if err != nil {
		return nil, fmt.Errorf("scan packages: %w", err)
	}
	list := make([]found, 0, len(packages))
	for _, p := range packages {
		slices.Sort(p.imports)
		p.imports = slices.Compact(p.imports)
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b found) int { return strings.Compare(a.path, b.path) })
	return list, nil
}

func skipped(tree fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	return err == nil
}

// add reads one file. Test files count for nothing but the existence of their
// package: a test may import what it likes.
func (p *found) add(tree fs.FS, name string) error {
	if strings.HasSuffix(name, "_test.go") {
		return nil
	}
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	if file.Doc != nil && strings.TrimSpace(file.Doc.Text()) != "" {
		p.comments++
	}
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if folder, ours := strings.CutPrefix(target, module+"/"); ours {
			p.imports = append(p.imports, folder)
		}
	}
	return nil
}

// violations compares the packages with the layout and returns one sentence a
// fault, in a stable order.
func violations(packages []found, table layout) []string {
	if len(packages) == 0 {
		return []string{"no package found"}
	}
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	seen := map[string]bool{}
	for _, p := range packages {
		seen[p.path] = true
		may, placed := table[p.path]
		if !placed {
			fault("%s is not in the table", p.path)
		}
		for _, target := range p.imports {
			if placed && !may.permits(target) {
				fault("%s may not import %s", p.path, target)
			}
		}
		if p.comments != 1 {
			fault("%s has %d package comments, want one", p.path, p.comments)
		}
	}
	for row := range table {
		if !seen[row] {
			fault("%s is in the table but not in the tree", row)
		}
	}
	slices.Sort(faults)
	return faults
}
