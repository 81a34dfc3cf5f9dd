package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Document is one documented symbol of the standard library, as it is indexed.
type Document struct {
	// ID is the symbol's full name, such as net/http.Server.Shutdown; a package
	// has its import path. It is unique in a corpus.
	ID string `json:"name"`

	// Package is the import path.
	Package string `json:"package"`

	// Kind is one of package, func, type, method, const and var.
	Kind string `json:"kind"`

	// Signature is the declaration without its body and comments; "" for a
	// package.
	Signature string `json:"signature,omitempty"`

	// Text is what is searched and reranked: the name, and the comment as it
	// stands in the source.
	Text string `json:"text"`
}

// maxSignature bounds a declaration in bytes: a struct or a group of constants
// can fill pages.
const maxSignature = 2000

// ReadCorpus reads the documented exported symbols of the standard library
// below goroot, sorted by name: about 6,000 of them. Packages that a program
// cannot import (internal, vendor, the commands) are left out. The sources are
// read as for Linux on amd64 whatever the machine, so that the corpus depends
// on the Go release alone.
func ReadCorpus(ctx context.Context, goroot string) ([]Document, error) {
	src := filepath.Join(goroot, "src")
	var docs []Document
	err := filepath.WalkDir(src, func(dir string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if skipFolder(src, dir, d.Name()) {
			return filepath.SkipDir
		}
		found, err := readPackage(src, dir)
		docs = append(docs, found...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the standard library's documentation: %w", err)
	}
	slices.SortFunc(docs, func(a, b Document) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(docs, func(a, b Document) bool { return a.ID == b.ID }), nil
}

func skipFolder(src, dir, name string) bool {
	switch name {
	case "internal", "vendor", "testdata":
		return true
	}
	return dir == filepath.Join(src, "cmd") || (dir != src && strings.HasPrefix(name, "_"))
}

// readPackage returns the symbols of the package in one folder, none when there
// is no package.
func readPackage(src, dir string) ([]Document, error) {
	target := build.Default
	target.GOOS, target.GOARCH, target.CgoEnabled = "linux", "amd64", true
	importPath, err := filepath.Rel(src, dir)
	if err != nil {
		return nil, err
	}
	importPath = filepath.ToSlash(importPath)
	pkg, err := target.ImportDir(dir, 0)
	if _, none := errors.AsType[*build.NoGoError](err); none {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("package %s: %w", importPath, err)
	}
	if pkg.IsCommand() {
		return nil, nil
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(pkg.GoFiles, pkg.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("package %s: %w", importPath, err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, importPath)
	if err != nil {
		return nil, fmt.Errorf("package %s: %w", importPath, err)
	}
	c := collector{fset: fset, pkg: importPath}
	c.addPackage(p)
	return c.docs, nil
}

// collector turns a package's documentation into documents.
type collector struct {
	fset *token.FileSet
	pkg  string
	docs []Document
}

func (c *collector) addPackage(p *doc.Package) {
	c.add("package", "", p.Doc, nil)
	c.addValues("const", p.Consts)
	c.addValues("var", p.Vars)
	c.addFuncs("func", "", p.Funcs)
	for _, t := range p.Types {
		c.add("type", t.Name, t.Doc, t.Decl)
		c.addValues("const", t.Consts)
		c.addValues("var", t.Vars)
		c.addFuncs("func", "", t.Funcs)
		c.addFuncs("method", t.Name+".", t.Methods)
	}
}

func (c *collector) addFuncs(kind, prefix string, funcs []*doc.Func) {
	for _, f := range funcs {
		c.add(kind, prefix+f.Name, f.Doc, f.Decl)
	}
}

// addValues adds each constant or variable that has a comment of its own, and
// else the group under the name of its first one.
func (c *collector) addValues(kind string, groups []*doc.Value) {
	for _, g := range groups {
		own := 0
		for _, spec := range g.Decl.Specs {
			s, ok := spec.(*ast.ValueSpec)
			if !ok || s.Doc.Text() == "" {
				continue
			}
			for _, name := range s.Names {
				if name.IsExported() {
					own++
					c.add(kind, name.Name, s.Doc.Text(), s)
					break
				}
			}
		}
		if first := slices.IndexFunc(g.Names, token.IsExported); first >= 0 && (own == 0 || len(g.Decl.Specs) == 1) {
			c.add(kind, g.Names[first], g.Doc, g.Decl)
		}
	}
}

// add keeps a symbol that has a comment.
func (c *collector) add(kind, name, comment string, decl ast.Node) {
	comment = strings.TrimSpace(comment)
	if comment == "" {
		return
	}
	d := Document{ID: c.pkg, Package: c.pkg, Kind: kind}
	shown := path.Base(c.pkg)
	if name != "" {
		d.ID += "." + name
		shown += "." + name
	}
	d.Text = shown + ": " + comment
	if decl != nil {
		d.Signature = c.signature(decl)
	}
	c.docs = append(c.docs, d)
}

// signature prints a declaration without its body. The printer keeps comments
// that lie inside; they are part of the declaration.
func (c *collector) signature(decl ast.Node) string {
	if f, ok := decl.(*ast.FuncDecl); ok {
		short := *f
		short.Doc, short.Body = nil, nil
		decl = &short
	}
	var b bytes.Buffer
	if err := printer.Fprint(&b, c.fset, decl); err != nil {
		return "" // only a hand-made tree cannot be printed
	}
	text := b.String()
	if len(text) > maxSignature {
		text = strings.ToValidUTF8(text[:maxSignature], "") + " …"
	}
	return text
}
