package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rerankd/rerankd/configs"
)

// input is what stands behind a command's name.
type input struct {
	help      bool
	arguments []string            // what the command is about
	config    string              // value of --config
	options   map[string]bool     // the command's own flags that were given
	values    map[string][]string // those of its own flags that have one, in their order
	set       map[string]string   // settings by their path
}

// parse reads a command's arguments: --name=value, --name value, and --name for
// flags that need none. One dash does as well as two.
func parse(c command, args []string) (input, error) {
	in := input{options: map[string]bool{}, values: map[string][]string{}, set: map[string]string{}}
	bad := func(format string, a ...any) (input, error) {
		return input{}, &usageError{command: c.name, reason: fmt.Sprintf(format, a...)}
	}
	wanted := strings.Fields(c.argument)
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if len(arg) < 2 || arg[0] != '-' || arg == "--" {
			if len(in.arguments) == len(wanted) || arg == "" || arg[0] == '-' {
				return bad("%s takes no argument %q", c.name, arg)
			}
			in.arguments = append(in.arguments, arg)
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		switch c.flagKind(name) {
		case unknownFlag:
			return bad("%s", c.unknown(name))
		case bareFlag:
			if hasValue {
				return bad("--%s takes no value", name)
			}
			in.options[name] = true
			in.help = in.help || name == "help" || name == "h"
			continue
		case boolFlag:
			if !hasValue {
				value = "true"
			}
		case valueFlag:
			if !hasValue && len(args) == 0 {
				return bad("--%s wants a value", name)
			}
			if !hasValue {
				value, args = args[0], args[1:]
			}
		}
		switch {
		case c.hasValue(name):
			in.values[name] = append(in.values[name], value)
		case name == "config":
			in.config = value
		default:
			in.set[name] = value
		}
	}
	if missing := wanted[len(in.arguments):]; len(missing) > 0 && missing[0][0] != '[' && !in.help {
		return bad("%s wants a %s", c.name, missing[0])
	}
	return in, nil
}

// value returns the last value of a flag of the command's own, or "".
func (in input) value(name string) string {
	if values := in.values[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// hasValue reports whether the name is of a flag with a value that the command
// alone has.
func (c command) hasValue(name string) bool {
	return slices.ContainsFunc(c.values, func(v valueOption) bool { return v.name == name })
}

type flagKind int

const (
	unknownFlag flagKind = iota
	bareFlag             // takes no value
	boolFlag             // may have one, behind an equals sign
	valueFlag            // needs one
)

func (c command) flagKind(name string) flagKind {
	switch {
	case name == "help" || name == "h" || slices.ContainsFunc(c.options, func(o option) bool { return o.name == name }):
		return bareFlag
	case c.hasValue(name):
		return valueFlag
	case !c.config:
		return unknownFlag
	case name == "config":
		return valueFlag
	}
	for _, k := range configs.Keys() {
		if k.Path != name {
			continue
		}
		if k.Type == "bool" {
			return boolFlag
		}
		return valueFlag
	}
	return unknownFlag
}

// unknown tells of a flag that the command does not have. For a setting, configs
// knows which one was perhaps meant.
func (c command) unknown(name string) string {
	if c.config {
		if _, err := configs.Load(configs.LoadOptions{Flags: map[string]string{name: ""}}); err != nil {
			return err.Error()
		}
	}
	return fmt.Sprintf("%s has no flag --%s", c.name, name)
}
