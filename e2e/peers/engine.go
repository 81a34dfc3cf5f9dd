package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/rerankd/rerankd/internal/native"
	"github.com/rerankd/rerankd/scorer/builtin"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// builtIn names the model of the program in place of a folder.
const builtIn = "builtin"

// serveEngine is the worker of rerankd in process: the engine alone, without a
// cache, behind the pipe that the libraries are behind. It ends with in.
func serveEngine(ctx context.Context, folder string, in io.Reader, out io.Writer) error {
	library, err := native.Library("")
	if err != nil {
		return err
	}
	if err := onnx.Init(library); err != nil {
		return err
	}
	var files onnx.Files
	if folder == builtIn {
		files, err = onnx.Open(builtin.Model())
	} else {
		files, err = onnx.OpenFolder(folder)
	}
	if err != nil {
		return err
	}
	engine, err := onnx.Load(files, onnx.Options{Workers: threads}) //nolint:contextcheck // it takes none
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(map[string]any{"versions": map[string]string{"onnxruntime in rerankd": onnx.Version()}}); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(in, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return engine.Close()
		}
		a, err := answer(ctx, engine, line)
		if err != nil {
			return err
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

func answer(ctx context.Context, engine *onnx.Engine, line []byte) (answered, error) {
	var q asked
	if err := json.Unmarshal(line, &q); err != nil {
		return answered{}, fmt.Errorf("read a line: %w", err)
	}
	start := time.Now()
	scores, err := engine.Score(ctx, q.Query, q.Passages)
	a := answered{Seconds: time.Since(start).Seconds(), Scores: make([]float64, len(scores))}
	for i, s := range scores {
		a.Scores[i] = float64(s)
	}
	return a, err
}
