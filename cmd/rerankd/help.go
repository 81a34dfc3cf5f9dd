package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/rerankd/rerankd/configs"
)

// writeMap prints what there is.
func writeMap(w io.Writer) error {
	var b strings.Builder
	b.WriteString("rerankd reranks the hits of Elasticsearch in its own process.\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-9s%s\n", c.name, c.summary)
	}
	b.WriteString("  help     print this map, or with a command its help\n\n" +
		"rerankd COMMAND --help tells more, with examples.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// writeHelp prints one command's help.
func writeHelp(w io.Writer, c command) error {
	var b strings.Builder
	usage := c.name
	switch {
	case len(c.commands) > 0:
		usage += " COMMAND"
	case c.argument != "":
		usage += " " + c.argument
	}
	fmt.Fprintf(&b, "Usage: rerankd %s [flags]\n\n%s\n\n", usage, c.about)
	if len(c.commands) > 0 {
		b.WriteString("Commands:\n")
	}
	for _, below := range c.commands {
		fmt.Fprintf(&b, "  %-15s%s\n", below.name, below.summary)
	}
	if len(c.commands) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("Examples:\n")
	for _, line := range c.example {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	if len(c.options)+len(c.values) > 0 || c.config {
		b.WriteString("\nFlags:\n")
	}
	for _, o := range c.options {
		fmt.Fprintf(&b, "  --%s\n      %s\n", o.name, o.usage)
	}
	for _, v := range c.values {
		fmt.Fprintf(&b, "  --%s %s\n      %s\n", v.name, v.value, v.usage)
	}
	if c.config {
		b.WriteString("  --config FILE\n      YAML file with settings (or the variable RERANKD_CONFIG)\n")
		for _, k := range configs.Keys() {
			writeKey(&b, k)
		}
		b.WriteString("\nA flag wins over its variable, a variable over the file, the file over the default.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeKey(b *strings.Builder, k configs.Key) {
	fmt.Fprintf(b, "  --%s %s\n      %s", k.Path, strings.ToUpper(k.Type), k.Doc)
	if k.Limits != "" {
		fmt.Fprintf(b, " (%s)", k.Limits)
	}
	if k.Default != "" {
		fmt.Fprintf(b, "; default %s", k.Default)
	}
	fmt.Fprintf(b, "; variable %s\n", k.Env)
}
