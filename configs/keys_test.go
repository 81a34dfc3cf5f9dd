package configs

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryKeyHasOneNameInEachSpellingAndAMeaning(t *testing.T) {
	path := regexp.MustCompile(`^[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)*$`)
	variables := slices.Clone(reserved)
	for _, k := range Keys() {
		if !path.MatchString(k.Path) {
			t.Errorf("path %q is not made of lower-case words", k.Path)
		}
		if slices.Contains(variables, k.Env) {
			t.Errorf("%s: the variable %s means something else already", k.Path, k.Env)
		}
		variables = append(variables, k.Env)
		if k.Doc == "" || strings.HasSuffix(k.Doc, ".") || strings.ContainsAny(k.Doc+k.Limits, "|\n`") {
			t.Errorf("%s: meaning %q and limits %q, want a phrase that fits a table", k.Path, k.Doc, k.Limits)
		}
	}
	if len(variables) < 25 {
		t.Errorf("only %d names", len(variables))
	}
}

const (
	page  = "../docs/configuration.md"
	begin = "<!-- settings: begin -->\n"
	end   = "<!-- settings: end -->\n"
)

// The table of the page is what this test would write.
func TestTheDocumentationListsTheKeysAsTheyAre(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), begin)
	got, _, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s: no table between %q and %q", page, begin, end)
	}
	if want := table(); got != want {
		t.Errorf("%s: the table is not that of the code. Put this there:\n%s", page, want)
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("| Path and flag | Variable | Type | Default | Meaning | Limits |\n| --- | --- | --- | --- | --- | --- |\n")
	code := func(s string) string {
		if s == "" {
			return "–"
		}
		return "`" + s + "`"
	}
	for _, k := range Keys() {
		limits := k.Limits
		if limits == "" {
			limits = "–"
		}
		b.WriteString("| " + strings.Join([]string{code(k.Path) + "<br>`--" + k.Path + "`", code(k.Env), k.Type, code(k.Default), k.Doc, limits}, " | ") + " |\n")
	}
	return b.String()
}

// Names of the page that are no settings.
func TestTheDocumentationNamesEveryReservedVariable(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range reserved {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s does not name %s", page, name)
		}
	}
	for _, name := range regexp.MustCompile(`RERANKD_[A-Z_]+`).FindAllString(string(text), -1) {
		known := slices.Clone(reserved)
		for _, l := range leaves {
			known = append(known, envName(l.path))
		}
		if !slices.Contains(known, name) {
			t.Errorf("%s names %s, which nothing reads", page, name)
		}
	}
}
