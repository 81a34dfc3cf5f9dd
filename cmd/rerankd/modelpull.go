package main

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/internal/evaluate"
	"github.com/rerankd/rerankd/internal/model"
)

const (
	defaultPullBytes   = "4GiB"
	defaultPullSilence = "1m"
	pullPause          = time.Second
)

func modelPullCommand() command {
	return command{
		name:    "model pull",
		summary: "fetch a model folder from a mirror",
		about: "Fetches the manifest of a model folder and then every file that it lists, and holds each against\n" +
			"its checksum. URL is that of the folder: on any web server, or on a disk with file:///. A fetch that\n" +
			"was cut goes on where it was, also in the next call. The model is tried, and then DESTINATION\n" +
			"appears whole; where the same model is there already, it is verified. Proxies are those of\n" +
			"HTTPS_PROXY, HTTP_PROXY and NO_PROXY unless --proxy names one.",
		example: []string{
			"rerankd model pull https://mirror.example.org/models/mine-3 /srv/models/mine-3",
			"rerankd model pull file:///media/usb/mine-3 /srv/models/mine-3 --sha256 \"$(cat mine-3.sha256)\"",
			"rerankd model pull https://mirror.internal/mine-3 models/mine-3 --ca-file internal-ca.pem --proxy http://proxy:3128",
		},
		argument: "URL DESTINATION",
		options:  []option{{"untried", "do not load the model: for machines without ONNX Runtime"}},
		values: []valueOption{
			{"sha256", "HEX", "checksum that the manifest, rerankd.json, must have; without it the mirror is trusted"},
			{"ca-file", "FILE", "PEM file with the certificates to trust; else the system's"},
			{"proxy", "URL", "proxy to ask; else that of the environment"},
			{"max-bytes", "SIZE", "most bytes of all files together; default " + defaultPullBytes},
			{"silence", "DURATION", "how long the mirror may send nothing until it is asked anew; default " + defaultPullSilence},
		},
		config: true,
		run:    modelPull,
	}
}

func modelPull(o outside, in input) error {
	c, err := loadConfig(o, in)
	if err != nil {
		return err
	}
	options, err := pullOptions(in)
	if err != nil {
		return err
	}
	defer options.Client.CloseIdleConnections()
	if !in.options["untried"] {
		options.Check = checkModel(o, c)
	}
	return interruptible(o, func(ctx context.Context, p *evaluate.Progress) error {
		options.Progress = p
		options.Notice = func(text string) { _, _ = fmt.Fprintln(o.stderr, printable(text)) }
		m, already, err := model.Pull(ctx, options)
		if err != nil && ctx.Err() != nil {
			_, _ = fmt.Fprintln(o.stderr, "What was fetched is kept: the same command goes on from here.")
		}
		if err != nil {
			return err
		}
		how := "fetched and verified"
		if already {
			how = "was there already, and is verified"
		}
		_, err = fmt.Fprintf(o.stdout, "%s is %s, revision %s, licence %s: %s\n", options.Destination,
			orNone(m.ID), orNone(m.Revision), orNone(m.Licence), how)
		return err
	})
}

func pullOptions(in input) (model.PullOptions, error) {
	bad := func(format string, a ...any) (model.PullOptions, error) {
		return model.PullOptions{}, &usageError{command: "model pull", reason: fmt.Sprintf(format, a...)}
	}
	source, err := model.ParseSource(in.arguments[0])
	if err != nil {
		return bad("URL: %v", err)
	}
	sum := in.value("sha256")
	if _, given := in.values["sha256"]; given && !model.IsChecksum(sum) {
		return bad("--sha256: want 64 hexadecimal digits, got %.100q", sum) // also empty: a variable that is not set trusts nobody
	}
	most, err := configs.ParseByteSize(cmp.Or(in.value("max-bytes"), defaultPullBytes))
	if err != nil || most < 1 {
		return bad("--max-bytes: want a size such as %s", defaultPullBytes)
	}
	silence, err := time.ParseDuration(cmp.Or(in.value("silence"), defaultPullSilence))
	if err != nil || silence <= 0 {
		return bad("--silence: want a duration such as %s", defaultPullSilence)
	}
	client := model.ClientOptions{CAFile: in.value("ca-file")}
	if text := in.value("proxy"); text != "" {
		client.Proxy, err = url.Parse(text)
		if err != nil || client.Proxy.Host == "" {
			return bad("--proxy: want a URL such as http://proxy:3128")
		}
	}
	h, err := model.NewClient(client)
	return model.PullOptions{
		Source: source, Destination: in.arguments[1], ManifestSHA256: sum, MaxBytes: int64(most), Client: h, Silence: silence, Pause: pullPause,
	}, err
}
