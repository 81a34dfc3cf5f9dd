package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/rerankd/rerankd/configs"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// runWith runs the program with a bare environment.
func runWith(args []string, environ ...string) (code int, stdout, stderr string) {
	var out, errs strings.Builder
	code = run(args, outside{environ: environ, stdout: &out, stderr: &errs})
	return code, out.String(), errs.String()
}

func TestArgumentsLeadToTheirAnswer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rerankd.yaml")
	if err := os.WriteFile(file, []byte("listen: nonsense\nlimits: {window: 5}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name           string
		args, environ  []string
		code           int
		stdout, stderr []string
	}{
		{"nothing", nil, nil, exitUsage, nil, []string{"no command given", "Try: rerankd help"}},
		{"help", []string{"help"}, nil, exitOK, []string{"serve", "check", "demo", "version"}, nil},
		{"--help", []string{"--help"}, nil, exitOK, []string{"Commands:"}, nil},
		{"help of a command", []string{"help", "serve"}, nil, exitOK, []string{"Usage: rerankd serve", "Examples:", "--upstream.urls LIST", "RERANKD_UPSTREAM_URLS", "default http://127.0.0.1:9200"}, nil},
		{"a command's --help", []string{"demo", "--help"}, nil, exitOK, []string{"--once", "ES_URL"}, nil},
		{"help among other flags", []string{"check", "--listen", ":1", "-h"}, nil, exitOK, []string{"Usage: rerankd check"}, nil},
		{"a slip", []string{"sevre"}, nil, exitUsage, nil, []string{`no command "sevre", did you mean serve?`}},
		{"no slip", []string{"launch"}, nil, exitUsage, nil, []string{`no command "launch"`, "Try: rerankd help"}},
		{"help of no command", []string{"help", "x"}, nil, exitUsage, nil, []string{`no command "x"`}},
		{"an argument", []string{"check", "file.yaml"}, nil, exitUsage, nil, []string{`takes no argument "file.yaml"`, "Try: rerankd check --help"}},
		{"two dashes alone", []string{"check", "--"}, nil, exitUsage, nil, []string{"takes no argument"}},
		{"a flag with a slip", []string{"serve", "--lisetn", ":1"}, nil, exitUsage, nil, []string{"--lisetn: unknown flag, did you mean listen?", "Try: rerankd serve --help"}},
		{"a flag of another command", []string{"serve", "--once"}, nil, exitUsage, nil, []string{"--once"}},
		{"a value that is missing", []string{"serve", "--listen"}, nil, exitUsage, nil, []string{"--listen wants a value"}},
		{"a value too many", []string{"demo", "--once=yes"}, nil, exitUsage, nil, []string{"--once takes no value"}},
		{"a valid configuration", []string{"check"}, nil, exitOK, []string{"no problems"}, nil},
		{"every problem by its path", []string{"check", "--config", file}, nil, exitFailed, nil, []string{"listen: want host:port", "rerank.default_window: must be from 1 to 5"}},
		{"a value that cannot be read", []string{"check", "--limits.window=many"}, nil, exitFailed, nil, []string{"--limits.window: want a whole number"}},
		{"a file that is not there", []string{"check", "--config=/nonexistent.yaml"}, nil, exitFailed, nil, []string{"/nonexistent.yaml"}},
		{"an unknown variable", []string{"check"}, []string{"RERANKD_LISTN=:1"}, exitFailed, nil, []string{"RERANKD_LISTN: unknown variable"}},
		{"a flag wins over its variable", []string{"check", "--print", "-listen=:1"}, []string{"RERANKD_LISTEN=:2", "RERANKD_LIMITS_WINDOW=77"}, exitOK, []string{"listen: :1\n", "limits.window: 77\n"}, nil},
		{"a bool needs no value", []string{"check", "--upstream.insecure_skip_verify", "--print"}, nil, exitOK, []string{"upstream.insecure_skip_verify: true\n"}, nil},
		{"a bool may have one", []string{"check", "--upstream.insecure_skip_verify=false", "--print"}, nil, exitOK, []string{"upstream.insecure_skip_verify: false\n"}, nil},
		{"a secret is masked", []string{"check", "--print", "--admin.token=planted"}, nil, exitOK, []string{"admin.token: " + configs.Mask}, nil},
		{"serve checks first", []string{"serve", "--config", file}, nil, exitFailed, nil, []string{"listen: want host:port"}},
		{"demo checks first", []string{"demo", "--config", file}, nil, exitFailed, nil, []string{"listen: want host:port"}},
		{"a model that is not there", []string{"serve", "--endpoints=.rerank-v1-elasticsearch=/nonexistent", "--listen=127.0.0.1:0", "--admin.listen="}, nil, exitFailed, nil, []string{"/nonexistent"}},
		{"version without a library", []string{"version", "--engine.library=/nonexistent.so"}, nil, exitOK, []string{"rerankd      " + version, "go           go1.", "none: ", "/nonexistent.so", "tokenizers   1."}, nil},
		{"a command with commands below", []string{"help", "model"}, nil, exitOK, []string{"Usage: rerankd model COMMAND", "model verify"}, nil},
		{"help of a command below", []string{"help", "model", "verify"}, nil, exitOK, []string{"Usage: rerankd model verify FOLDER", "Examples:"}, nil},
		{"no command below", []string{"model"}, nil, exitUsage, nil, []string{"model wants a command", "Try: rerankd model --help"}},
		{"an unknown command below", []string{"model", "remove"}, nil, exitUsage, nil, []string{`model has no command "remove"`, "Try: rerankd model --help"}},
		{"a model without a name", []string{"model", "inspect"}, nil, exitUsage, nil, []string{"model inspect wants a FOLDER", "Try: rerankd model inspect --help"}},
		{"a model too many", []string{"model", "verify", "a", "b"}, nil, exitUsage, nil, []string{`model verify takes no argument "b"`}},
		{"a model that is no folder", []string{"model", "verify", "run.go"}, nil, exitFailed, nil, []string{"open model folder run.go: not a folder"}},
		{"--version", []string{"--version", "--engine.library=/nonexistent.so"}, nil, exitOK, []string{"rerankd      " + version}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			code, stdout, stderr := runWith(tc.args, tc.environ...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d: %s", code, tc.code, stderr)
			}
			for _, part := range tc.stdout {
				if !strings.Contains(stdout, part) {
					t.Errorf("stdout lacks %q:\n%s", part, stdout)
				}
			}
			for _, part := range tc.stderr {
				if !strings.Contains(stderr, part) {
					t.Errorf("stderr lacks %q:\n%s", part, stderr)
				}
			}
			if (tc.stderr == nil) != (stderr == "") || (tc.stdout == nil) != (stdout == "") {
				t.Errorf("stdout %q, stderr %q: want something on one of them only", stdout, stderr)
			}
			if strings.Contains(stdout+stderr, "planted") {
				t.Errorf("the secret is shown:\n%s%s", stdout, stderr)
			}
		})
	}
}

func TestEveryCommandAndSettingHasHelp(t *testing.T) {
	list := commands()
	for _, c := range list {
		list = append(list, c.commands...)
	}
	for _, c := range list {
		code, help, _ := runWith(append(strings.Fields(c.name), "--help"))
		if code != exitOK || c.summary == "" || len(c.example) == 0 {
			t.Errorf("%s: exit code %d, summary %q, %d examples", c.name, code, c.summary, len(c.example))
		}
		for _, k := range configs.Keys() {
			if c.config && !strings.Contains(help, "--"+k.Path+" ") {
				t.Errorf("%s --help lacks --%s", c.name, k.Path)
			}
		}
	}
}

// A first letter of its own is what makes the hint at a slip right.
func TestCommandsDifferInTheirFirstLetter(t *testing.T) {
	seen := map[byte]string{}
	for _, c := range commands() {
		if other := seen[c.name[0]]; other != "" {
			t.Errorf("%s and %s begin alike", c.name, other)
		}
		seen[c.name[0]] = c.name
	}
}

func TestVersionAsJSONHasEveryPart(t *testing.T) {
	code, stdout, stderr := runWith([]string{"version", "--json", "--engine.library=/nonexistent.so"})
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(stdout), &v); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	for _, key := range []string{"rerankd", "go", "platform", "onnxruntime", "tokenizers", "model"} {
		if _, ok := v[key]; !ok {
			t.Errorf("no %s in %s", key, stdout)
		}
	}
}

// served is a program that runs.
type served struct {
	signals chan os.Signal
	address string
	code    chan int
}

func serveInTest(t *testing.T, upstream string) served {
	t.Helper()
	logs, w := io.Pipe()
	s := served{signals: make(chan os.Signal, 2), code: make(chan int, 1)}
	go func() {
		s.code <- run([]string{
			"serve", "--listen=127.0.0.1:0", "--admin.listen=", "--upstream.urls", upstream,
			"--endpoints=e=overlap", "--rerank.default_endpoint=e", "--rerank.allow_test_models", "--shutdown_timeout=1m",
		}, outside{stdout: io.Discard, stderr: w, signals: s.signals})
		_ = w.Close()
	}()
	lines := bufio.NewScanner(logs)
	for lines.Scan() {
		var line struct{ Msg, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("a line that is not JSON: %s", lines.Bytes())
		}
		if line.Msg == "listening" {
			s.address = line.Address
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, logs) }()
	if s.address == "" {
		t.Fatalf("it does not listen; exit code %d", <-s.code)
	}
	return s
}

func TestTheFirstSignalDrainsAndTheSecondCutsShort(t *testing.T) {
	entered, release := make(chan struct{}, 1), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/slow" {
			return
		}
		entered <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer up.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	ask := func(ctx context.Context, s served, status chan<- int) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/slow", http.NoBody)
		if err != nil {
			t.Error(err)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			status <- 0
			return
		}
		_ = res.Body.Close()
		status <- res.StatusCode
	}
	status := make(chan int, 1)

	s := serveInTest(t, up.URL)
	go ask(t.Context(), s, status)
	<-entered
	s.signals <- syscall.SIGTERM
	close(release)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the request in flight got %d, want 200", got)
	}
	if code := <-s.code; code != exitOK {
		t.Errorf("exit code %d after one signal, want %d", code, exitOK)
	}

	release = make(chan struct{})
	s = serveInTest(t, up.URL)
	go ask(t.Context(), s, status)
	<-entered
	s.signals <- syscall.SIGINT
	s.signals <- syscall.SIGINT
	if code := <-s.code; code != exitFailed {
		t.Errorf("exit code %d after two signals, want %d", code, exitFailed)
	}
	if got := <-status; got == http.StatusOK {
		t.Error("the request that was cut short got 200")
	}
}
