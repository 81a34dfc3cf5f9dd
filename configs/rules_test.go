package configs_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

func TestARuleIsTheSameInAFileAndOnOneLine(t *testing.T) {
	file, err := configs.Load(configs.LoadOptions{Path: write(t, `
rules:
  - index: shop-*
    field: description
    endpoint: .rerank-v1-elasticsearch
    window: 50
    query: request
    apply: always
  - {index: docs, field: text}
`)})
	if err != nil {
		t.Fatal(err)
	}
	line, err := configs.Load(configs.LoadOptions{Flags: map[string]string{
		"rules": "index=shop-*;field=description; endpoint = .rerank-v1-elasticsearch;window=50;query=request;apply=always, index=docs;field=text",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []configs.Rule{
		{Index: "shop-*", Field: "description", Endpoint: ".rerank-v1-elasticsearch", Window: 50, Query: configs.RuleQueryRequest, Apply: configs.RuleApplyAlways},
		{Index: "docs", Field: "text"},
	}
	for name, got := range map[string][]configs.Rule{"file": file.Rules, "line": line.Rules} {
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if err := file.Validate(); err != nil {
		t.Error(err)
	}
}

func TestFaultyRulesAreRefusedByName(t *testing.T) {
	for text, want := range map[string]string{
		"index":                    `want key=value pairs separated by semicolons, got "index"`,
		"index=a;fields=b":         `a rule has no key "fields"`,
		"index=a;field=b;window=x": "window: want a whole number",
	} {
		if _, err := configs.Load(configs.LoadOptions{Flags: map[string]string{"rules": text}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	good := configs.Rule{Index: "a", Field: "b"}
	for want, spoil := range map[string]func(*configs.Rule){
		"rules[0].index: want one index name or pattern":    func(r *configs.Rule) { r.Index = "a,b" },
		`rules[0].index: want one`:                          func(r *configs.Rule) { r.Index = "" },
		`rules[0].field: want the name of one field`:        func(r *configs.Rule) { r.Field = "b*" },
		`rules[0].endpoint: "x" is not the id`:              func(r *configs.Rule) { r.Endpoint = "x" },
		`rules[0].window: must be from 0 to 1000, got -1`:   func(r *configs.Rule) { r.Window = -1 },
		`rules[0].query: want one of`:                       func(r *configs.Rule) { r.Query = "x" },
		`rules[0].apply: want one of`:                       func(r *configs.Rule) { r.Apply = "x" },
		`rules[0].window: must be from 0 to 1000, got 5000`: func(r *configs.Rule) { r.Window = 5000 },
	} {
		c := configs.Default()
		r := good
		spoil(&r)
		c.Rules = []configs.Rule{r}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	c := configs.Default()
	for range 65 {
		c.Rules = append(c.Rules, good)
	}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "rules: must be from 1 to 64, got 65") {
		t.Errorf("too many rules: %v", err)
	}
}
