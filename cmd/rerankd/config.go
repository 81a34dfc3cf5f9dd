package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/rerankd/rerankd/configs"
)

// loadConfig reads the configuration that a command was given and checks it. Its
// error has one problem a line.
func loadConfig(o outside, in input) (configs.Config, error) {
	c, err := configs.Load(configs.LoadOptions{Path: in.config, Env: o.lookupEnv, Environ: o.environ, Flags: in.set})
	if err == nil {
		err = c.Validate()
	}
	if err != nil {
		return configs.Config{}, fmt.Errorf("the configuration has problems:\n  %s",
			strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return c, nil
}

func newLogger(w io.Writer, c configs.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.MinLevel()}
	if c.Format == configs.FormatText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
