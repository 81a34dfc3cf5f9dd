package configs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

// write puts a configuration file where it is gone after the test.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rerankd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// environment gives LoadOptions both views of the variables.
func environment(o configs.LoadOptions, variables map[string]string) configs.LoadOptions {
	o.Env = func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
	for name, value := range variables {
		o.Environ = append(o.Environ, name+"="+value)
	}
	return o
}

func TestNothingSetGivesTheDefault(t *testing.T) {
	got, err := configs.Load(configs.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(configs.Default(), got); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
}

func TestAFlagWinsOverTheEnvironmentAndTheEnvironmentOverTheFile(t *testing.T) {
	o := environment(configs.LoadOptions{
		Path:  write(t, "engine: {workers: 1, running: 1, waiting: 1}\n"),
		Flags: map[string]string{"engine.waiting": "3"},
	}, map[string]string{"RERANKD_ENGINE_RUNNING": "2", "RERANKD_ENGINE_WAITING": "2"})
	c, err := configs.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	want := configs.Default().Engine
	want.Workers, want.Running, want.Waiting = 1, 2, 3
	if diff := cmp.Diff(want, c.Engine); diff != "" {
		t.Errorf("engine (-want +got):\n%s", diff)
	}
}

// samples holds a value for each key that is valid and not its default.
var samples = map[string]string{
	"listen": "0.0.0.0:1", "admin.listen": "", "admin.token": "hunter2",
	"upstream.urls": "https://a:1,https://b:2", "upstream.flavour": "opensearch", "upstream.ca_file": "/ca.pem", "upstream.insecure_skip_verify": "true",
	"upstream.dial_timeout": "1s", "upstream.max_idle_conns_per_host": "7", "upstream.health_interval": "1m",
	"limits.body_bytes": "1MB", "limits.answer_bytes": "65537", "limits.searches": "11", "limits.held_bytes": "300MiB", "limits.window": "99",
	"limits.header_timeout": "1500ms", "limits.idle_timeout": "1h",
	"rerank.default_window": "31", "rerank.default_endpoint": "other", "rerank.timeout": "1s",
	"rerank.on_failure": "fail", "rerank.fusion": "cluster", "rerank.fusion_alone": "true", "rerank.field_templates": "true", "rerank.allow_test_models": "true", "endpoints": "a=builtin,b=/models/b;top_n=5;scores_only=true;long_document_strategy=chunk;max_chunks_per_doc=2",
	"rules":                      "index=a*;field=b;window=5,index=c;field=d",
	"inference.manage":           "false",
	"inference.folder":           "/var/lib/rerankd",
	"inference.max_endpoints":    "7",
	"inference.scale_down_after": "5m",
	"engine.library":             "/lib.so", "engine.workers": "2", "engine.batch_tokens": "99", "engine.max_tokens": "128",
	"engine.running": "9", "engine.waiting": "0",
	"cache.bytes": "0", "log.level": "debug", "log.format": "text", "shutdown_timeout": "0s",
}

func TestEveryKeyCanBeSetByVariableAndByFlagAlike(t *testing.T) {
	for _, k := range configs.Keys() {
		text, ok := samples[k.Path]
		if !ok {
			t.Errorf("no sample for %s", k.Path)
			continue
		}
		byFlag, err := configs.Load(configs.LoadOptions{Flags: map[string]string{k.Path: text}})
		if err != nil {
			t.Errorf("flag: %v", err)
			continue
		}
		byVariable, err := configs.Load(environment(configs.LoadOptions{}, map[string]string{k.Env: text}))
		if err != nil {
			t.Errorf("variable: %v", err)
			continue
		}
		if diff := cmp.Diff(byFlag, byVariable); diff != "" {
			t.Errorf("%s by flag and by variable (-flag +variable):\n%s", k.Path, diff)
		}
		if cmp.Equal(configs.Default(), byFlag) {
			t.Errorf("--%s=%q changed nothing", k.Path, text)
		}
	}
}

func TestTheDefaultOfAKeyMeansTheDefault(t *testing.T) {
	for _, k := range configs.Keys() {
		c, err := configs.Load(configs.LoadOptions{Flags: map[string]string{k.Path: k.Default}})
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(configs.Default(), c); diff != "" {
			t.Errorf("--%s=%q (-default +got):\n%s", k.Path, k.Default, diff)
		}
	}
}

func TestAListReplacesTheOneBelow(t *testing.T) {
	c, err := configs.Load(configs.LoadOptions{
		Path:  write(t, "upstream: {urls: ['http://a:1', 'http://b:1']}\nendpoints:\n- {id: a, model: x}\n- {id: b, model: y}\n"),
		Flags: map[string]string{"endpoints": " c = z , d = /m=n "},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"http://a:1", "http://b:1"}, c.Upstream.URLs); diff != "" {
		t.Errorf("upstream.urls (-want +got):\n%s", diff)
	}
	want := []configs.Endpoint{{ID: "c", Model: "z"}, {ID: "d", Model: "/m=n"}}
	if diff := cmp.Diff(want, c.Endpoints); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}

func TestTheVariableNamesTheFileUnlessAPathDoes(t *testing.T) {
	first, second := write(t, "shutdown_timeout: 1s\n"), write(t, "shutdown_timeout: 2s\n")
	variables := map[string]string{"RERANKD_CONFIG": first}
	for _, tc := range []struct {
		path string
		want time.Duration
	}{{"", time.Second}, {second, 2 * time.Second}} {
		c, err := configs.Load(environment(configs.LoadOptions{Path: tc.path}, variables))
		if err != nil || c.ShutdownTimeout != tc.want {
			t.Errorf("Load with path %q: %v, %v, want %v", tc.path, c.ShutdownTimeout, err, tc.want)
		}
	}
}

func TestWhatCanNotBeUnderstoodIsAnError(t *testing.T) {
	for _, tc := range []struct {
		name      string
		variables map[string]string
		flags     map[string]string
		want      string
	}{
		{"an unknown variable", map[string]string{"RERANKD_CACHE_BYTE": "1"}, nil, "RERANKD_CACHE_BYTE: unknown variable, did you mean RERANKD_CACHE_BYTES?"},
		{"a variable that is like no other", map[string]string{"RERANKD_SOMETHING_ELSE_ALTOGETHER": "1"}, nil, "RERANKD_SOMETHING_ELSE_ALTOGETHER: unknown variable"},
		{"an unknown flag", nil, map[string]string{"limits.windw": "1"}, "--limits.windw: unknown flag, did you mean limits.window?"},
		{"a section as flag", nil, map[string]string{"limits": "1"}, "--limits: unknown flag"},
		{"a number that is none", map[string]string{"RERANKD_ENGINE_WORKERS": "two"}, nil, `RERANKD_ENGINE_WORKERS: want a whole number, got "two"`},
		{"an empty number", map[string]string{"RERANKD_ENGINE_WORKERS": ""}, nil, `RERANKD_ENGINE_WORKERS: want a whole number, got ""`},
		{"a number too large", nil, map[string]string{"engine.workers": "99999999999999999999"}, "--engine.workers: want a whole number"},
		{"a duration without unit", nil, map[string]string{"rerank.timeout": "30"}, "--rerank.timeout: want a duration such as 30s"},
		{"a bool that is none", nil, map[string]string{"upstream.insecure_skip_verify": "1"}, "--upstream.insecure_skip_verify: want true or false"},
		{"a size with a fraction", nil, map[string]string{"cache.bytes": "1.5GiB"}, "--cache.bytes: want a size like 65536"},
		{"an endpoint with an unknown key", nil, map[string]string{"endpoints": "a=b;size=5"}, `--endpoints: an endpoint has no key "size", want one of deadline`},
		{"an endpoint with a word for a number", nil, map[string]string{"endpoints": "a=b;top_n=x"}, `--endpoints: top_n: want a whole number, got "x"`},
		{"endpoints without models", nil, map[string]string{"endpoints": "a,b"}, `--endpoints: want id=model pairs separated by commas, got "a"`},
		{"a text without end", nil, map[string]string{"engine.workers": strings.Repeat("9", 1<<20)}, "--engine.workers: want a whole number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := configs.Load(environment(configs.LoadOptions{Flags: tc.flags}, tc.variables))
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Fatalf("Load = %v, want an error that begins with %q", err, tc.want)
			}
			if len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if diff := cmp.Diff(configs.Config{}, c); diff != "" {
				t.Errorf("Load with an error gave settings:\n%s", diff)
			}
		})
	}
}

func TestVariablesOfOthersAndReservedOnesAreLeftAlone(t *testing.T) {
	o := configs.LoadOptions{Environ: []string{
		"PATH=/bin", "RERANKD=x", "rerankd_listen=x", "=C:=C:\\", "odd",
		"RERANKD_CONFIG=", "RERANKD_CACHE=/c", "RERANKD_ONNXRUNTIME=/o", "RERANKD_TOKENIZERS=/t",
		"RERANKD_NATIVE_SOURCES=pip",
	}}
	if _, err := configs.Load(o); err != nil {
		t.Error(err)
	}
}

func TestProblemsOfAllSourcesAreReportedTogether(t *testing.T) {
	_, err := configs.Load(environment(configs.LoadOptions{
		Path:  write(t, "listn: x\nlimits:\n  window: many\n"),
		Flags: map[string]string{"cache.bytes": "lots"},
	}, map[string]string{"RERANKD_ENGINE_WORKERS": "two"}))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{":1:1: listn: unknown key, did you mean listen?", ":3:11: limits.window: ", "RERANKD_ENGINE_WORKERS: ", "--cache.bytes: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 4 {
		t.Errorf("%d lines, want 4:\n%v", lines, err)
	}
}
