package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"

	"github.com/rerankd/rerankd/internal/app"
)

func versionCommand() command {
	return command{
		name:    "version",
		summary: "print the versions of the program, its libraries and its model",
		about: "Prints what this program is made of. ONNX Runtime is loaded to be asked, where it is found;\n" +
			"engine.library says where else to look.",
		example: []string{"rerankd version", "rerankd version --json"},
		options: []option{{"json", "print one JSON object"}},
		config:  true,
		run:     printVersion,
	}
}

// versions is the JSON form.
type versions struct {
	Rerankd  string `json:"rerankd"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	app.About
}

func printVersion(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	v := versions{Rerankd: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, About: app.Describe(c.Engine.Library)}
	if in.options["json"] {
		out := json.NewEncoder(o.stdout)
		out.SetIndent("", "  ")
		return out.Encode(v)
	}
	return v.write(o.stdout)
}

func (v versions) write(w io.Writer) error {
	runtimeLine := v.ONNXRuntime.Version + " (" + v.ONNXRuntime.Path + ")"
	if v.ONNXRuntime.Error != "" {
		runtimeLine = "none: " + v.ONNXRuntime.Error
	}
	model := "unreadable: this build is broken"
	if m := v.Model; m != nil {
		model = fmt.Sprintf("%s, revision %s, licence %s\n             %s", m.ID, m.Revision, m.Licence, m.Origin)
	}
	_, err := fmt.Fprintf(w, "rerankd      %s\ngo           %s %s\nonnxruntime  %s\ntokenizers   %s\nmodel        %s\n",
		v.Rerankd, v.Go, v.Platform, runtimeLine, v.Tokenizers, model)
	return err
}
