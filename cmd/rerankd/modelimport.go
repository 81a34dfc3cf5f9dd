package main

import (
	"context"
	"fmt"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/internal/model"
	"github.com/rerankd/rerankd/scorer/onnx"
)

func modelImportCommand() command {
	return command{
		name:    "model import",
		summary: "make a model folder out of an export",
		about: "Copies the graph, tokenizer.json, tokenizer_config.json, config.json and licence texts out of an\n" +
			"export in the layout of Hugging Face or sentence-transformers (the graph beside them or in onnx/),\n" +
			"tries the model, and writes a manifest with the checksums. DESTINATION appears when all of it is\n" +
			"right, and must not be there before. docs/models.md tells how to export and how to get to 8 bits.",
		example: []string{
			"rerankd model import exports/ms-marco-MiniLM-L6-v2 /srv/models/minilm",
			"rerankd model import exports/mine /srv/models/mine-int8 --int8",
			"rerankd model import exports/mine /srv/models/mine-int8 --file onnx/model_quantized.onnx --id mine --revision 3",
			"rerankd model import ~/.cache/huggingface/hub/models--owner--name/snapshots/8c1e0d /srv/models/name",
		},
		argument: "SOURCE DESTINATION",
		values: []valueOption{
			{"file", "PATH", "graph in SOURCE, with slashes; else model.onnx, onnx/model.onnx or the only one there is"},
			{"id", "TEXT", "name of the model; else that of the folder or repository"},
			{"revision", "TEXT", "version of the model; else that of the repository's snapshot"},
			{"licence", "TEXT", "licence of the model; else the one in the header of README.md"},
			{"origin", "TEXT", "where the model comes from; else the repository's address"},
		},
		options: []option{{"int8", "take the int8 graph that is best for this processor, of several"}},
		config:  true,
		run:     modelImport,
	}
}

func modelImport(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	if in.options["int8"] && in.value("file") != "" {
		return &usageError{command: "model import", reason: "--int8 chooses a graph, and --file names one"}
	}
	return interruptible(o, func(ctx context.Context, p *evaluate.Progress) error {
		m, err := model.Import(ctx, model.ImportOptions{
			Source: in.arguments[0], Destination: in.arguments[1], Graph: in.value("file"), Int8: in.options["int8"],
			Manifest: onnx.Manifest{ID: in.value("id"), Revision: in.value("revision"), Licence: in.value("licence"), Origin: in.value("origin")},
			Check:    checkModel(o, c), Progress: p,
		})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(o.stdout, "%s is %s, revision %s, licence %s: %s of %s, %d files, pairs of at most %d tokens\n", in.arguments[1],
			orNone(m.ID), orNone(m.Revision), orNone(m.Licence), m.Precision, printable(m.Graph), len(m.Files), m.MaxTokens)
		return err
	})
}

// checkModel loads the model of a folder as an endpoint would and tells what it is.
func checkModel(o outside, c configs.Config) model.Check {
	return func(ctx context.Context, folder string) (onnx.Info, error) {
		engine, err := loadModel(ctx, o, folder, c)
		if err != nil {
			return onnx.Info{}, err
		}
		info := engine.Info()
		if info.Saturates {
			_, _ = fmt.Fprintln(o.stderr, "Its weights have 8 bits, and this processor cuts sums of their products: "+onnx.SaturationRemedy)
		}
		return info, engine.Close()
	}
}
