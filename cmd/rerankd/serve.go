package main

import (
	"context"
	"errors"

	"github.com/rerankd/rerankd/internal/app"
)

func serveCommand() command {
	return command{
		name:    "serve",
		summary: "run the proxy",
		about: "Runs the proxy until it gets SIGINT or SIGTERM. Then it takes no more requests and\n" +
			"lets those in flight end, for shutdown_timeout at most; a second signal cuts them short.",
		example: []string{
			"rerankd serve --upstream.urls http://127.0.0.1:9200",
			"rerankd serve --config rerankd.yaml --log.level debug",
			"RERANKD_LISTEN=0.0.0.0:9280 rerankd serve --config rerankd.yaml",
		},
		config: true,
		run:    serve,
	}
}

func serve(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	logger := newLogger(o.stderr, c.Log)
	drain, cut, release := interrupts(o.signals)
	defer release()
	a, err := app.New(drain, app.Options{Config: c, Logger: logger, Version: version})
	if err != nil {
		if drain.Err() != nil {
			return nil // asked to end before it had begun
		}
		return err
	}
	a.Start()
	err = a.Wait(drain)
	logger.Info("stopping")
	stop, cancel := context.WithTimeout(cut, c.ShutdownTimeout)
	defer cancel()
	err = errors.Join(err, a.Stop(stop))
	logger.Info("stopped")
	return err
}
