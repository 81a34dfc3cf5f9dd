package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/app"
	"github.com/rerankd/rerankd/internal/model"
)

func modelListCommand() command {
	return command{
		name:    "model list",
		summary: "the models in a folder, and those of the configuration",
		about: "Prints the models that are built in, those that the endpoints of the configuration name, and those\n" +
			"in FOLDER, each a folder of its own. It reads their manifests and loads none.",
		example: []string{
			"rerankd model list",
			"rerankd model list /srv/models",
			"rerankd model list /srv/models --config rerankd.yaml --json",
		},
		argument: "[FOLDER]",
		options:  []option{{"json", "print a JSON array"}},
		config:   true,
		run:      modelList,
	}
}

// listedModel is the JSON form of a line.
type listedModel struct {
	Model        string   `json:"model"` // as an endpoint names it
	ID           string   `json:"id,omitempty"`
	Revision     string   `json:"revision,omitempty"`
	Licence      string   `json:"licence,omitempty"`
	Architecture string   `json:"architecture,omitempty"`
	Precision    string   `json:"precision,omitempty"`
	Endpoints    []string `json:"endpoints"`       // of the configuration
	Error        string   `json:"error,omitempty"` // why it can't be a model
}

func modelList(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	list := []listedModel{}
	seen := map[string]bool{}
	add := func(name string, f model.Folder, err error) {
		if place := absolute(name); !seen[place] {
			seen[place] = true
			list = append(list, describeListed(name, f, err, c.Endpoints))
		}
	}
	for _, name := range append([]string{configs.ModelBuiltin, configs.ModelTiny}, configuredModels(c)...) {
		f, err := readModelFolder(name)
		add(name, f, err)
	}
	for _, folder := range in.arguments {
		entries, err := model.List(folder)
		if err != nil {
			return err
		}
		for _, e := range entries {
			add(e.Path, e.Folder, e.Err)
		}
	}
	if in.options["json"] {
		out := json.NewEncoder(o.stdout)
		out.SetIndent("", "  ")
		return out.Encode(list)
	}
	return writeModels(o, list)
}

func readModelFolder(name string) (model.Folder, error) {
	folder, err := openModelFolder(name)
	if err != nil {
		return model.Folder{}, err
	}
	return model.Read(folder)
}

// absolute makes two spellings of a folder one.
func absolute(name string) string {
	if _, inside := app.Builtin(name); inside {
		return name
	}
	if path, err := filepath.Abs(name); err == nil {
		return path
	}
	return name
}

// configuredModels are the folders that endpoints name, those of the tests left out.
func configuredModels(c configs.Config) []string {
	var names []string
	for _, e := range c.Endpoints {
		for _, name := range []string{e.Model, e.First} {
			switch name {
			case "", configs.ModelBuiltin, configs.ModelTiny, configs.ModelOverlap, configs.ModelNumeric, configs.ModelFailing, configs.ModelShort:
			default:
				names = append(names, name)
			}
		}
	}
	return names
}

func describeListed(name string, f model.Folder, err error, endpoints []configs.Endpoint) listedModel {
	m := listedModel{
		Model: name, ID: f.Manifest.ID, Revision: f.Manifest.Revision, Licence: f.Manifest.Licence,
		Architecture: f.Architecture, Precision: f.Manifest.Precision, Endpoints: []string{},
	}
	if err != nil {
		m.Error = err.Error()
	}
	for _, e := range endpoints {
		if absolute(e.Model) == absolute(name) || e.First != "" && absolute(e.First) == absolute(name) {
			m.Endpoints = append(m.Endpoints, e.ID)
		}
	}
	return m
}

func writeModels(o outside, list []listedModel) error {
	w := tabwriter.NewWriter(o.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "MODEL\tID\tREVISION\tPRECISION\tLICENCE\tENDPOINTS") // Flush tells of an error
	for _, m := range list {
		if m.Error != "" {
			_, _ = fmt.Fprintf(w, "%s\tunreadable: %s\n", printable(m.Model), printable(m.Error))
			continue
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(m.Model), orNone(m.ID), orNone(m.Revision),
			orNone(m.Precision), orNone(m.Licence), orNone(strings.Join(m.Endpoints, ",")))
	}
	return w.Flush()
}
