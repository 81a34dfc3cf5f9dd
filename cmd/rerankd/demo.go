package main

import (
	"context"
	"errors"

	"github.com/rerankd/rerankd/internal/demo"
)

func demoCommand() command {
	return command{
		name:    "demo",
		summary: "show reranking on a real Elasticsearch",
		about: "Indexes the documentation of the Go standard library into a real Elasticsearch and asks it\n" +
			"questions, before and after reranking. The cluster is the one that ES_URL names, or one started\n" +
			"with Docker, or one out of Maven Central on the JDK of this machine. All is left running until\n" +
			"Ctrl-C, and then removed. Only warnings are logged unless --log.level is given.",
		example: []string{
			"rerankd demo",
			"rerankd demo --once",
			"ES_URL=https://elastic:secret@es.example.org:9200 rerankd demo --once",
		},
		options: []option{{"once", "end after the questions"}},
		config:  true,
		run:     runDemo,
	}
}

func runDemo(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	if _, chosen := in.set["log.level"]; !chosen {
		c.Log.Level = "warn" // a line for every search would tear the tables apart
	}
	drain, cut, release := interrupts(o.signals)
	defer release()
	err = demo.Run(cut, demo.Options{
		Config: c,
		Out:    o.stdout,
		Logger: newLogger(o.stderr, c.Log),
		Once:   in.options["once"],
		Quit:   drain.Done(),
		Getenv: o.getenv,
	})
	if drain.Err() != nil && errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	return err
}
