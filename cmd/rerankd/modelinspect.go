package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/internal/model"
	"github.com/rerankd/rerankd/scorer/onnx"
)

func modelInspectCommand() command {
	return command{
		name:    "model inspect",
		summary: "what a model is",
		about: "Loads a model, \"builtin\" or a folder, and prints what it is: architecture, tokens, precision, inputs\n" +
			"and outputs, whether its pairs share batches, licence and origin.",
		example: []string{
			"rerankd model inspect builtin",
			"rerankd model inspect /srv/models/mine --json",
		},
		argument: "FOLDER",
		options:  []option{{"json", "print one JSON object"}},
		config:   true,
		run:      modelInspect,
	}
}

// inspected is the JSON form.
type inspected struct {
	ID           string  `json:"id,omitempty"`
	Revision     string  `json:"revision,omitempty"`
	Licence      string  `json:"licence,omitempty"`
	Origin       string  `json:"origin,omitempty"`
	Graph        string  `json:"graph"`
	Architecture string  `json:"architecture,omitempty"`
	Layers       int     `json:"layers,omitempty"`
	Width        int     `json:"width,omitempty"`
	Vocabulary   int     `json:"vocabulary,omitempty"`
	MaxTokens    int     `json:"max_tokens"`
	Template     string  `json:"template"`
	Precision    string  `json:"precision"`
	Inputs       string  `json:"inputs"`
	Outputs      string  `json:"outputs"`
	Head         string  `json:"head"`
	Batching     string  `json:"batching"`
	Sway         float64 `json:"sway"`
	Saturates    bool    `json:"saturates"`
	Fingerprint  string  `json:"fingerprint"`
}

func modelInspect(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	return interruptible(o, func(ctx context.Context, _ *evaluate.Progress) error {
		m, err := inspectModel(ctx, o, in.arguments[0], c)
		if err != nil {
			return err
		}
		if in.options["json"] {
			out := json.NewEncoder(o.stdout)
			out.SetIndent("", "  ")
			return out.Encode(m)
		}
		return writeFields(o.stdout, m.fields())
	})
}

func inspectModel(ctx context.Context, o outside, name string, c configs.Config) (inspected, error) {
	folder, err := openModelFolder(name)
	if err != nil {
		return inspected{}, err
	}
	f, err := model.Read(folder)
	if err != nil {
		return inspected{}, fmt.Errorf("read model folder %s: %w", name, err)
	}
	engine, err := loadModel(ctx, o, name, c)
	if err != nil {
		return inspected{}, err
	}
	info, fingerprint := engine.Info(), engine.Fingerprint()
	if err := engine.Close(); err != nil {
		return inspected{}, err
	}
	files, err := onnx.Open(folder)
	if err != nil {
		return inspected{}, err
	}
	inputs, outputs, err := onnx.Signature(files.Model)
	return inspected{
		ID: info.ID, Revision: info.Revision, Licence: info.Licence, Origin: info.Origin,
		Graph: f.Graph, Architecture: f.Architecture, Layers: f.Layers, Width: f.Width, Vocabulary: f.Vocabulary,
		MaxTokens: info.MaxTokens, Template: info.Template, Precision: info.Precision, Inputs: inputs, Outputs: outputs, Head: string(info.Head),
		Batching: string(info.Batching), Sway: info.Sway, Saturates: info.Saturates, Fingerprint: fingerprint,
	}, err
}

func (m inspected) fields() [][2]string {
	number := func(n int, unit string) string {
		if n == 0 {
			return "–"
		}
		return strconv.Itoa(n) + unit
	}
	fields := [][2]string{
		{"id", orNone(m.ID)},
		{"revision", orNone(m.Revision)},
		{"licence", orNone(m.Licence)},
		{"origin", orNone(m.Origin)},
		{"graph", m.Graph},
		{"architecture", orNone(m.Architecture)},
		{"layers", number(m.Layers, "")},
		{"width", number(m.Width, "")},
		{"vocabulary", number(m.Vocabulary, " tokens")},
		{"pair", fmt.Sprintf("%s, at most %d tokens", printable(m.Template), m.MaxTokens)},
		{"precision", orNone(m.Precision)},
		{"inputs", printable(m.Inputs)},
		{"outputs", printable(m.Outputs)},
		{"head", orNone(m.Head)},
		{"batching", fmt.Sprintf("pairs run %s; beside others a score moved by %.2g", m.Batching, m.Sway)},
		{"fingerprint", m.Fingerprint},
	}
	if m.Saturates {
		fields = append(fields, [2]string{"integers", "this processor cuts sums of products: " + onnx.SaturationRemedy})
	}
	return fields
}

func modelVerifyCommand() command {
	return command{
		name:    "model verify",
		summary: "hold a model folder against its manifest, and try the model",
		about: "Compares every file that the manifest of a model folder lists with its SHA-256, loads the model\n" +
			"and scores some pairs, which shows that it is a cross-encoder. Everything that is wrong with the\n" +
			"files is named. The exit code is 0 when there is nothing.",
		example: []string{
			"rerankd model verify /srv/models/mine",
			"rerankd model verify builtin",
		},
		argument: "FOLDER",
		config:   true,
		run:      modelVerify,
	}
}

func modelVerify(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	name := in.arguments[0]
	folder, err := openModelFolder(name)
	if err != nil {
		return err
	}
	return interruptible(o, func(ctx context.Context, p *evaluate.Progress) error {
		unlisted, err := model.Verify(ctx, folder, p)
		if errors.Is(err, model.ErrNoManifest) {
			return fmt.Errorf("verify %s: %w: `rerankd model import` makes a folder with one", name, err)
		}
		if err != nil {
			return fmt.Errorf("verify %s: %w", name, err)
		}
		for _, file := range unlisted {
			_, _ = fmt.Fprintf(o.stderr, "not in the manifest: %s\n", printable(file))
		}
		engine, err := loadModel(ctx, o, name, c)
		if err != nil {
			return err
		}
		info := engine.Info()
		if err := engine.Close(); err != nil {
			return err
		}
		_, err = fmt.Fprintf(o.stdout, "%s is %s, revision %s: all files are as the manifest has them, and the model scores\n",
			name, orNone(info.ID), orNone(info.Revision))
		return err
	})
}
