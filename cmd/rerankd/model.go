package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/scorer/onnx"
)

func modelCommand() command {
	return command{
		name:    "model",
		summary: "list, describe, verify, import and fetch models",
		about: "Works on model folders. A folder holds model.onnx, tokenizer.json and, where they exist,\n" +
			"tokenizer_config.json and config.json; rerankd.json, its manifest, says what the model is and\n" +
			"lists the SHA-256 of every file. An endpoint names the folder as its model.",
		example: []string{
			"rerankd model list /srv/models",
			"rerankd model verify /srv/models/mine",
			"rerankd model inspect --help",
		},
		commands: []command{modelListCommand(), modelInspectCommand(), modelVerifyCommand(), modelImportCommand(), modelPullCommand()},
	}
}

// openModelFolder opens the models inside the program by name, and others by their path.
func openModelFolder(name string) (fs.FS, error) {
	if folder, inside := app.Builtin(name); inside {
		return folder, nil
	}
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return nil, fmt.Errorf("open model folder %s: %w", name, err)
	}
	return os.DirFS(name), nil
}

// quietFor is how long work may take that nobody is told of.
const quietFor = 2 * time.Second

// loadModel loads and warms up a model as an endpoint would. Where that takes long
// it says so.
func loadModel(ctx context.Context, o outside, name string, c configs.Config) (*onnx.Engine, error) {
	loaded, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		select {
		case <-loaded:
		case <-time.After(quietFor):
			_, _ = fmt.Fprintf(o.stderr, "loading the model in %s\n", printable(name))
		}
	}()
	defer func() {
		close(loaded)
		<-told
	}()
	return app.OpenEngine(ctx, name, c.Engine, nil)
}

// orNone is a text from a file, or a dash where there is none.
func orNone(text string) string {
	if text = printable(text); text == "" {
		return "–"
	}
	return text
}

// interruptible runs work that the first signal ends.
func interruptible(o outside, work func(ctx context.Context, p *evaluate.Progress) error) error {
	drain, _, release := interrupts(o.signals)
	defer release()
	err := work(drain, evaluate.NewProgress(o.stderr, isTerminal(o.stderr)))
	if err != nil && drain.Err() != nil {
		return errInterrupted
	}
	return err
}

// writeFields prints names and values in two columns.
func writeFields(w io.Writer, fields [][2]string) error {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%-13s%s\n", f[0], f[1])
	}
	_, err := io.WriteString(w, b.String())
	return err
}
