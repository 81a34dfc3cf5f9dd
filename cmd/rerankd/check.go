package main

import (
	"fmt"
)

func checkCommand() command {
	return command{
		name:    "check",
		summary: "check a configuration",
		about: "Reads the configuration as serve would and reports every problem in it by its YAML path.\n" +
			"It opens no connection and no model. The exit code is 0 when there is no problem.",
		example: []string{
			"rerankd check --config rerankd.yaml",
			"rerankd check --config rerankd.yaml --print",
		},
		options: []option{{"print", "print every setting in effect, secrets masked"}},
		config:  true,
		run:     check,
	}
}

func check(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	if in.options["print"] {
		for _, s := range c.Describe() {
			if _, err := fmt.Fprintf(o.stdout, "%s: %s\n", s.Path, s.Value); err != nil {
				return err
			}
		}
		return nil
	}
	_, err = fmt.Fprintln(o.stdout, "the configuration has no problems")
	return err
}
