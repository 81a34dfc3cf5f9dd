package configs_test

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rerankd/rerankd/configs"
)

func TestTheDefaultIsValid(t *testing.T) {
	if err := configs.Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesThePathOfEachProblem(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*configs.Config)
		want  string
	}{
		{"no address", func(c *configs.Config) { c.Listen = "" }, "listen: want host:port"},
		{"no port", func(c *configs.Config) { c.Listen = "127.0.0.1" }, "listen: want host:port"},
		{"a named port", func(c *configs.Config) { c.Listen = "127.0.0.1:http" }, "listen: want host:port"},
		{"a port too large", func(c *configs.Config) { c.Listen = "127.0.0.1:65536" }, "listen: want host:port"},
		{"a URL as address", func(c *configs.Config) { c.Listen = "http://127.0.0.1:80" }, "listen: want host:port"},
		{"a blank in the host", func(c *configs.Config) { c.Listen = "local host:80" }, "listen: want host:port"},
		{"a bad admin address", func(c *configs.Config) { c.Admin.Listen = "9281" }, "admin.listen: want host:port"},
		{"one address for both", func(c *configs.Config) { c.Admin.Listen = c.Listen }, "admin.listen: is the same as listen"},
		{"a token of two lines", func(c *configs.Config) { c.Admin.Token = "a\nb" }, "admin.token: must be visible ASCII"},
		{"the mask as token", func(c *configs.Config) { c.Admin.Token = configs.Mask }, "admin.token: is the mask"},
		{"no node", func(c *configs.Config) { c.Upstream.URLs = nil }, "upstream.urls: must be from 1 to 64, got 0"},
		{"two nodes alike", func(c *configs.Config) { c.Upstream.URLs = []string{"http://a:1", "http://A:1/"} }, "upstream.urls[1]: "},
		{"a CA that is not asked", func(c *configs.Config) { c.Upstream.CAFile, c.Upstream.InsecureSkipVerify = "ca.pem", true }, "upstream.insecure_skip_verify: "},
		{"a path of two lines", func(c *configs.Config) { c.Upstream.CAFile = "a\nb" }, "upstream.ca_file: a path can't hold"},
		{"too little room for one search", func(c *configs.Config) { c.Limits.HeldBytes = 256 * configs.MiB }, "limits.held_bytes: must be at least limits.body_bytes and limits.answer_bytes together, which are 266MiB, got 256MiB"},
		{"a window beyond the limit", func(c *configs.Config) { c.Rerank.DefaultWindow = c.Limits.Window + 1 }, "rerank.default_window: must be from 1 to 1000, got 1001"},
		{"an endpoint that is none", func(c *configs.Config) { c.Rerank.DefaultEndpoint = "other" }, `rerank.default_endpoint: "other" is not the id`},
		{"an unknown policy", func(c *configs.Config) { c.Rerank.OnFailure = "panic" }, "rerank.on_failure: want one of degrade, fail"},
		{"no endpoint", func(c *configs.Config) { c.Endpoints = nil }, "endpoints: must be from 1 to 64, got 0"},
		{"an endpoint without id", func(c *configs.Config) { c.Endpoints = append(c.Endpoints, configs.Endpoint{Model: "m"}) }, "endpoints[1].id: want 1 to 256 letters"},
		{"an id with a slash", func(c *configs.Config) { c.Endpoints = append(c.Endpoints, configs.Endpoint{ID: "a/b", Model: "m"}) }, "endpoints[1].id: want 1 to 256 letters"},
		{"an id twice", func(c *configs.Config) { c.Endpoints = append(c.Endpoints, c.Endpoints[0]) }, "endpoints[1].id: "},
		{"an endpoint without model", func(c *configs.Config) { c.Endpoints[0].Model = "" }, "endpoints[0].model: want builtin, builtin-tiny or a model folder"},
		{"a test model", func(c *configs.Config) { c.Endpoints[0].Model = "overlap" }, "endpoints[0].model: \"overlap\" is for tests only"},
		{"the other test model", func(c *configs.Config) { c.Endpoints[0].Model = "numeric" }, "endpoints[0].model: \"numeric\" is for tests only"},
		{"an endpoint that ranks too much", func(c *configs.Config) { c.Endpoints[0].TopN = 10001 }, "endpoints[0].top_n: must be from 0 to 10000, got 10001"},
		{"an unknown strategy", func(c *configs.Config) { c.Endpoints[0].LongDocuments = "cut" }, "endpoints[0].long_document_strategy: want one of truncate, chunk"},
		{"chunks of a cascade", func(c *configs.Config) {
			c.Endpoints[0].First, c.Endpoints[0].Keep, c.Endpoints[0].LongDocuments = "/small", 3, "chunk"
		}, "endpoints[0].long_document_strategy: is not for a cascade"},
		{"chunks without the strategy", func(c *configs.Config) { c.Endpoints[0].MaxChunks = 3 }, "endpoints[0].max_chunks_per_doc: needs"},
		{"a state folder with a NUL", func(c *configs.Config) { c.Inference.Folder = "a\x00b" }, "inference.folder: a path can't hold"},
		{"a folder with a NUL", func(c *configs.Config) { c.Endpoints[0].Model = "a\x00b" }, "endpoints[0].model: a path can't hold"},
		{"a deadline of no time", func(c *configs.Config) { c.Endpoints[0].Deadline = -1 }, "endpoints[0].deadline: must be from 1ms to 1h"},
		{"a deadline of a day", func(c *configs.Config) { c.Endpoints[0].Deadline = 24 * time.Hour }, "endpoints[0].deadline: must be from 1ms to 1h"},
		{"a cascade that keeps nothing", func(c *configs.Config) { c.Endpoints[0].First = "m" }, "endpoints[0].keep: must be from 1 to 10000, got 0"},
		{"a cascade of one model", func(c *configs.Config) { c.Endpoints[0].First, c.Endpoints[0].Keep = "builtin", 9 }, "endpoints[0].first: is the same as model"},
		{"a test model as first step", func(c *configs.Config) { c.Endpoints[0].First, c.Endpoints[0].Keep = "overlap", 9 }, "endpoints[0].first: \"overlap\" is for tests only"},
		{"patience beyond all windows", func(c *configs.Config) { c.Endpoints[0].Patience = 10001 }, "endpoints[0].patience: must be from 0 to 10000, got 10001"},
		{"patience with a cascade", func(c *configs.Config) {
			c.Endpoints[0].First, c.Endpoints[0].Keep, c.Endpoints[0].Patience = "m", 9, 9
		}, "endpoints[0].patience: is not for a cascade"},
		{"patience with chunks", func(c *configs.Config) { c.Endpoints[0].LongDocuments, c.Endpoints[0].Patience = "chunk", 9 }, "endpoints[0].patience: is not for long_document_strategy chunk"},
		{"something kept of no cascade", func(c *configs.Config) { c.Endpoints[0].Keep = 9 }, "endpoints[0].keep: is for a cascade"},
		{"a library with a NUL", func(c *configs.Config) { c.Engine.Library = "a\x00b" }, "engine.library: a path can't hold"},
		{"an unknown level", func(c *configs.Config) { c.Log.Level = "trace" }, "log.level: want one of debug, error, info, warn"},
		{"an unknown format", func(c *configs.Config) { c.Log.Format = "xml" }, "log.format: want one of json, text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := configs.Default()
			tc.spoil(&c)
			err := c.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Fatalf("Validate = %v, want an error that begins with %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("Validate = %v, want this one problem alone", err)
			}
		})
	}
}

func TestValidateReportsEveryProblemOfAConfiguration(t *testing.T) {
	err := configs.Config{}.Validate()
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("Validate of a zero Config = %v, want joined errors", err)
	}
	for _, path := range []string{
		"listen", "upstream.urls", "upstream.dial_timeout", "upstream.max_idle_conns_per_host", "upstream.health_interval",
		"limits.body_bytes", "limits.answer_bytes", "limits.window", "limits.header_timeout", "limits.idle_timeout",
		"rerank.default_window", "rerank.timeout", "rerank.on_failure",
		"endpoints", "engine.batch_tokens", "log.level", "log.format",
	} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(path) + `: `).MatchString(err.Error()) {
			t.Errorf("no line for %s in:\n%v", path, err)
		}
	}
}

func TestNodesAreTakenOnlyAsSchemeHostAndPort(t *testing.T) {
	for _, tc := range []struct{ url, want string }{
		{"http://127.0.0.1:9200", ""},
		{"https://es.example.org", ""},
		{"http://[::1]:9200/", ""},
		{"", "want http(s)://host:port"},
		{"es.example.org:9200", "want http(s)://host:port"},
		{"ftp://es.example.org", "want http(s)://host:port"},
		{"http://", "want http(s)://host:port"},
		{"http://:9200", "want http(s)://host:port"},
		{"http://a,http://b", "want http(s)://host:port"},
		{"http://es.example.org:0", "port must be"},
		{"http://es.example.org:", "port must be"},
		{"http://es.example.org:99999", "port must be"},
		{"http://elastic:hunter2@es.example.org", "must not hold a user"},
		{"http://es.example.org/hunter2", "must end after the port"},
		{"http://es.example.org?key=hunter2", "must end after the port"},
		{"http://es.example.org?", "must end after the port"},
		{"http://es.example.org#hunter2", "must end after the port"},
		{"http://es.example.org#", "must end after the port"},
		{"http://elastic:hunter2@es.example.org:port", "want http(s)://host:port"},
		{"http://elastic:hunter2 @es.example.org", "want http(s)://host:port"},
		{"http:elastic:hunter2@es.example.org", "want http(s)://host:port"},
	} {
		c := configs.Default()
		c.Upstream.URLs = []string{tc.url}
		err := c.Validate()
		if tc.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tc.url, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), "upstream.urls[0]: "+tc.want) {
			t.Errorf("%q: Validate = %v, want %q", tc.url, err, tc.want)
		}
		// A path is shown, since it is what has to go; the rest may be a password.
		for _, shown := range []string{fmt.Sprint(err), fmt.Sprint(c.Describe())} {
			if strings.Contains(shown, "hunter2") && !strings.Contains(tc.url, "/hunter2") {
				t.Errorf("%q: a password is shown: %s", tc.url, shown)
			}
		}
	}
}

func TestTestModelsAreTakenWhenTheyAreAllowed(t *testing.T) {
	for _, model := range []string{configs.ModelOverlap, configs.ModelNumeric, configs.ModelFailing, configs.ModelShort} {
		c := configs.Default()
		c.Rerank.AllowTestModels = true
		c.Endpoints[0].Model = model
		if err := c.Validate(); err != nil {
			t.Errorf("model %s: %v", model, err)
		}
	}
}

func TestPortZeroMayStandTwice(t *testing.T) {
	c := configs.Default()
	c.Listen, c.Admin.Listen = "127.0.0.1:0", "127.0.0.1:0"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// bounds finds the range in the description of a key: "0, or 64KiB to 1TiB".
var bounds = regexp.MustCompile(`^(?:0, or )?([0-9]+[A-Za-z]*) to ([0-9]+[A-Za-z]*)$`)

// What the help and the documentation say is what Validate does: both ends of a
// range pass, and the next value on either side does not.
func TestRangesAreAsDescribed(t *testing.T) {
	seen := 0
	for _, k := range configs.Keys() {
		ends := bounds.FindStringSubmatch(k.Limits)
		if ends == nil {
			if k.Type == "number" && k.Path != "rerank.default_window" || k.Type == "size" || k.Type == "duration" {
				t.Errorf("%s: no range in its limits %q", k.Path, k.Limits)
			}
			continue
		}
		seen++
		for i, step := range []int64{-1, +1} {
			if err := validateWith(t, k.Path, ends[i+1]); err != nil {
				t.Errorf("%s %s: %v", k.Path, ends[i+1], err)
			}
			beyond := next(t, k.Type, ends[i+1], step)
			if beyond == "0" && strings.HasPrefix(k.Limits, "0, or") {
				continue
			}
			if err := validateWith(t, k.Path, beyond); err == nil || !strings.Contains(err.Error(), k.Path+": must be from ") {
				t.Errorf("%s %s: %v, want it to be out of range", k.Path, beyond, err)
			}
		}
	}
	if seen < 15 {
		t.Errorf("%d keys have a range, want 15 at least", seen)
	}
}

// validateWith validates the default with one setting changed. A negative size
// can't be read, only made.
func validateWith(t *testing.T, path, text string) error {
	t.Helper()
	flags := map[string]string{path: text}
	if path == "limits.window" {
		flags["rerank.default_window"] = "1"
	}
	if path == "limits.held_bytes" {
		flags["limits.body_bytes"], flags["limits.answer_bytes"] = "1", "1"
	}
	c, err := configs.Load(configs.LoadOptions{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return c.Validate()
}

// next is the value one step from an end of a range.
func next(t *testing.T, kind, text string, step int64) string {
	t.Helper()
	switch kind {
	case "duration":
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return (d + time.Duration(step)).String()
	case "size":
		b, err := configs.ParseByteSize(text)
		if err != nil {
			t.Fatal(err)
		}
		return (b + configs.ByteSize(step)).String()
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return strconv.FormatInt(n+step, 10)
	}
}
