package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as a shell reports SIGINT
)

// errInterrupted is the end of a command that was told to stop before it was
// through.
var errInterrupted = errors.New("interrupted")

// outside is everything a command may touch of the world around the process.
type outside struct {
	environ        []string // as os.Environ gives it
	stdout, stderr io.Writer
	signals        <-chan os.Signal
}

// lookupEnv is os.LookupEnv over environ. As there, the last of several wins.
func (o outside) lookupEnv(name string) (value string, set bool) {
	for _, variable := range o.environ {
		if n, v, ok := strings.Cut(variable, "="); ok && n == name {
			value, set = v, true
		}
	}
	return value, set
}

func (o outside) getenv(name string) string {
	value, _ := o.lookupEnv(name)
	return value
}

// command is one subcommand.
type command struct {
	name    string
	summary string   // one line for the map of commands
	about   string   // what it does
	example []string // lines to paste
	// argument names what it wants besides flags, separated by blanks; one in brackets may be left out.
	argument string
	options  []option      // its own flags without a value
	values   []valueOption // its own flags with one
	config   bool          // it takes --config and a flag for every setting
	commands []command     // below it, which are run in its place
	run      func(o outside, in input) error
}

// option is a flag without a value that one command has.
type option struct{ name, usage string }

// valueOption is a flag with a value that one command has; value names it.
type valueOption struct{ name, value, usage string }

func commands() []command {
	return []command{serveCommand(), checkCommand(), demoCommand(), evalCommand(), benchCommand(), modelCommand(), versionCommand()}
}

// usageError is a mistake in the arguments; the user is pointed to the help.
type usageError struct {
	command string // "" for the program itself
	reason  string
}

func (e *usageError) Error() string { return e.reason }

// run is the program: it returns the exit code.
func run(args []string, o outside) int {
	err := dispatch(args, o)
	if err == nil {
		return exitOK
	}
	if usage, ok := errors.AsType[*usageError](err); ok {
		help := "rerankd help"
		if usage.command != "" {
			help = "rerankd " + usage.command + " --help"
		}
		_, _ = fmt.Fprintf(o.stderr, "rerankd: %s\nTry: %s\n", usage.reason, help)
		return exitUsage
	}
	_, _ = fmt.Fprintf(o.stderr, "rerankd: %v\n", err)
	if errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	return exitFailed
}

func dispatch(args []string, o outside) error {
	if len(args) == 0 {
		return &usageError{reason: "no command given"}
	}
	name, rest := args[0], args[1:]
	if name == "help" && len(rest) > 0 {
		name, rest = rest[0], append(slices.Clone(rest[1:]), "--help")
	}
	switch name {
	case "help", "-h", "-help", "--help":
		return writeMap(o.stdout)
	case "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.start(rest, o)
		}
	}
	return &usageError{reason: unknownCommand(name)}
}

// start runs the command, or the one below it that is named first.
func (c command) start(args []string, o outside) error {
	if len(c.commands) > 0 && len(args) > 0 {
		for _, below := range c.commands {
			if below.name == c.name+" "+args[0] {
				return below.start(args[1:], o)
			}
		}
		if args[0] != "--help" && args[0] != "-help" && args[0] != "-h" {
			return &usageError{command: c.name, reason: fmt.Sprintf("%s has no command %q", c.name, args[0])}
		}
	}
	in, err := parse(c, args)
	if err != nil {
		return err
	}
	if in.help {
		return writeHelp(o.stdout, c)
	}
	if len(c.commands) > 0 {
		return &usageError{command: c.name, reason: c.name + " wants a command"}
	}
	return c.run(o, in)
}

// unknownCommand names the command that was perhaps meant: the one with the same
// first letter, of which there is one at most.
func unknownCommand(name string) string {
	reason := fmt.Sprintf("there is no command %q", name)
	for _, c := range commands() {
		if name != "" && name[0] == c.name[0] {
			return reason + fmt.Sprintf(", did you mean %s?", c.name)
		}
	}
	return reason
}
