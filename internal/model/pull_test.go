package model_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rerankd/rerankd/internal/model"
	"github.com/rerankd/rerankd/scorer/onnx"
)

// mirror is a folder behind a web server.
type mirror struct {
	*httptest.Server

	mu       sync.Mutex
	files    fstest.MapFS
	requests []string // paths, with the range that was asked for

	// before answers in the server's place where it returns true.
	before func(w http.ResponseWriter, r *http.Request) bool
}

func newMirror(t *testing.T, files fstest.MapFS, start func(http.Handler) *httptest.Server) *mirror {
	t.Helper()
	m := &mirror{files: files}
	m.Server = start(http.HandlerFunc(m.serve))
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) serve(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.requests = append(m.requests, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	before := m.before
	m.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	http.StripPrefix("/models/mine", http.FileServerFS(m.files)).ServeHTTP(w, r)
}

// asked returns the requests since the last call.
func (m *mirror) asked() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := strings.Join(m.requests, "\n")
	m.requests = nil
	return all
}

// large is a folder whose graph needs more than one packet.
func large(t *testing.T) fstest.MapFS {
	t.Helper()
	files := folder(t)
	weights := make([]byte, 3<<20)
	for i := range weights {
		weights[i] = byte(i * i >> 7)
	}
	files["model.onnx"].Data = weights
	seal(t, files, onnx.Manifest{ID: "mini", Revision: "8"})
	return files
}

func pullOptions(t *testing.T, source string) model.PullOptions {
	t.Helper()
	u, err := model.ParseSource(source)
	if err != nil {
		t.Fatal(err)
	}
	client, err := model.NewClient(model.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return model.PullOptions{
		Source: u, Destination: filepath.Join(t.TempDir(), "srv", "mine"), MaxBytes: 1 << 30,
		Client: client, Silence: time.Minute, Pause: time.Nanosecond,
	}
}

// mustPull pulls and holds what is there against the mirror's files.
func mustPull(t *testing.T, o model.PullOptions, files fstest.MapFS) {
	t.Helper()
	m, already, err := model.Pull(t.Context(), o)
	if err != nil || already || m.ID != "mini" {
		t.Fatalf("pull: %+v, already %v, %v", m, already, err)
	}
	for name, f := range files {
		if data, err := os.ReadFile(filepath.Join(o.Destination, name)); err != nil || string(data) != string(f.Data) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(data), err, len(f.Data))
		}
	}
	if unlisted, err := model.Verify(t.Context(), os.DirFS(o.Destination), nil); err != nil || unlisted != nil {
		t.Errorf("verify: %v, %v", unlisted, err)
	}
	onlyThere(t, filepath.Dir(o.Destination), filepath.Base(o.Destination))
}

func TestPullFetchesAFolderFromAnyWebServerAndFromADisk(t *testing.T) {
	files := large(t)
	plain := newMirror(t, files, httptest.NewServer)
	o := pullOptions(t, plain.URL+"/models/mine")
	var tried string
	o.Check = func(_ context.Context, folder string) (onnx.Info, error) {
		tried = folder
		_, err := onnx.OpenFolder(folder)
		if _, there := os.Stat(o.Destination); !errors.Is(there, fs.ErrNotExist) {
			t.Error("the folder was there before it was tried")
		}
		return onnx.Info{}, err
	}
	var p steps
	o.Progress = &p
	mustPull(t, o, files)
	if tried == "" || p.steps < 3 {
		t.Errorf("tried in %q, %d steps", tried, p.steps)
	}
	if asked := plain.asked(); !strings.HasPrefix(asked, "/models/mine/rerankd.json\n") || strings.Count(asked, "\n") != 4 {
		t.Errorf("asked for\n%s", asked)
	}

	disk := onDisk(t, t.TempDir(), "mine", files)
	mustPull(t, pullOptions(t, (&url.URL{Scheme: "file", Path: disk}).String()), files)

	if _, already, err := model.Pull(t.Context(), o); err != nil || !already {
		t.Errorf("a second pull: already %v, %v", already, err)
	}
	if err := os.Truncate(filepath.Join(o.Destination, "model.onnx"), 7); err != nil {
		t.Fatal(err)
	}
	if _, _, err := model.Pull(t.Context(), o); !errors.Is(err, model.ErrChecksum) {
		t.Errorf("a damaged folder at the place: %v", err)
	}
	seal(t, files, onnx.Manifest{ID: "mini", Revision: "9"})
	if _, _, err := model.Pull(t.Context(), o); !errors.Is(err, model.ErrExists) || !strings.Contains(err.Error(), "never changed in place") {
		t.Errorf("another model at the place: %v", err)
	}
}

func TestPullGoesOnWhereAConnectionWasCut(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewServer)
	cuts := 0
	m.before = func(w http.ResponseWriter, r *http.Request) bool {
		if cuts == 2 || !strings.HasSuffix(r.URL.Path, "/model.onnx") {
			return false
		}
		cuts++
		http.ServeContent(&cutting{ResponseWriter: w, left: 1 << 20}, r, "model.onnx", time.Time{}, strings.NewReader(string(files["model.onnx"].Data)))
		return true
	}
	mustPull(t, pullOptions(t, m.URL+"/models/mine"), files)
	asked := m.asked()
	for _, part := range []string{"model.onnx bytes=1048576-", "model.onnx bytes=2097152-"} {
		if strings.Count(asked, part) != 1 {
			t.Errorf("asked for\n%s\nwant once %q", asked, part)
		}
	}
}

// cutting sends so many bytes and then ends the connection.
type cutting struct {
	http.ResponseWriter

	left int
}

func (c *cutting) Write(data []byte) (int, error) {
	if len(data) > c.left {
		_, _ = c.ResponseWriter.Write(data[:c.left])
		if f, ok := c.ResponseWriter.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	c.left -= len(data)
	return c.ResponseWriter.Write(data)
}

func TestTheNextPullGoesOnWhereOneWasInterrupted(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewServer)
	o := pullOptions(t, m.URL+"/models/mine")
	ctx, interrupt := context.WithCancel(t.Context())
	o.Progress = stepFunc(interrupt) // at the first mebibyte of the graph
	if _, _, err := model.Pull(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("the interrupted pull: %v", err)
	}
	onlyThere(t, filepath.Dir(o.Destination), ".mine.partial") // nothing half-installed
	o.Progress = nil
	m.asked()
	mustPull(t, o, files)
	if asked := m.asked(); !strings.Contains(asked, "/model.onnx bytes=") || strings.Contains(asked, "config.json") {
		t.Errorf("asked for\n%s\nwant the rest of the graph, and nothing that was whole", asked)
	}
}

// stepFunc is called after each mebibyte.
type stepFunc func()

func (f stepFunc) Begin(_, _ string, _ int) (step, done func()) { return f, func() {} }

// What lies in the folder of an attempt may have been changed since, or be of a
// mirror that has changed its files.
func TestPartsThatDoNotFitAreFetchedAnew(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewServer)
	o := pullOptions(t, m.URL+"/models/mine")
	graph := files["model.onnx"].Data
	for name, part := range map[string][]byte{
		"another beginning": []byte("something else"),
		"all of it":         graph,
		"too much":          append([]byte("x"), graph...),
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Destination = filepath.Join(t.TempDir(), "srv", "mine")
			staging := filepath.Join(filepath.Dir(o.Destination), ".mine.partial")
			if err := os.MkdirAll(staging, 0o755); err != nil {
				t.Fatal(err)
			}
			for file, data := range map[string][]byte{sum(graph) + ".part": part, "tokenizer.json": []byte("old"), "left.txt": nil} {
				if err := os.WriteFile(filepath.Join(staging, file), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			mustPull(t, o, files)
		})
	}
}

func TestAServerWithoutRangesIsAskedForAllAgain(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewServer)
	cut := false
	m.before = func(w http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		if strings.HasSuffix(r.URL.Path, "/model.onnx") && !cut {
			cut = true
			w = &cutting{ResponseWriter: w, left: 1 << 20}
		}
		http.StripPrefix("/models/mine", http.FileServerFS(files)).ServeHTTP(w, r)
		return true
	}
	mustPull(t, pullOptions(t, m.URL+"/models/mine"), files)
}

func TestNothingIsInstalledThatIsNotTheManifests(t *testing.T) {
	answer := func(name string, status int, body string) func(*mirror) {
		return func(m *mirror) {
			m.before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/"+name) {
					return false
				}
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
				return true
			}
		}
	}
	manifest := func(text string) func(*mirror) { return answer("rerankd.json", http.StatusOK, text) }
	good := strings.Repeat("0f", 32)
	for _, tc := range []struct {
		name   string
		change func(*mirror)
		also   func(*model.PullOptions)
		want   string
	}{
		{"other weights", answer("model.onnx", http.StatusOK, "others"), nil, "wrong checksum: model.onnx has the SHA-256 " + sum([]byte("others"))},
		{"a file that is gone", answer("tokenizer.json", http.StatusNotFound, ""), nil, "fetch tokenizer.json: the mirror answered Not Found"},
		{"a page in place of a manifest", manifest("<html>"), nil, "decode rerankd.json"},
		{"no manifest", answer("rerankd.json", http.StatusForbidden, ""), nil, "fetch rerankd.json: the mirror answered Forbidden"},
		{"a server in trouble", answer("rerankd.json", http.StatusBadGateway, ""), nil, "Bad Gateway"},
		{"a part that nobody asked for", answer("config.json", http.StatusPartialContent, "x"), nil, "Partial Content"},
		{"a path upwards", manifest(`{"files":{"../../evil":"` + good + `"}}`), nil, "without a path"},
		{"an absolute path", manifest(`{"files":{"/etc/cron.d/evil":"` + good + `"}}`), nil, "without a path"},
		{"no files", manifest(`{"id":"m"}`), nil, "no rerankd.json that lists files"},
		{"no model", manifest(`{"files":{"notes.txt":"` + good + `"}}`), nil, "this is no model"},
		{"a name of our own", manifest(`{"files":{"a.part":"` + good + `","model.onnx":"` + good + `","tokenizer.json":"` + good + `"}}`), nil, "unfinished download"},
		{"a manifest without end", manifest(strings.Repeat(" ", 1<<20)), nil, "too large"},
		{"a file without end", answer("model_int8.onnx", http.StatusOK, strings.Repeat("x", 5<<20)), func(o *model.PullOptions) { o.MaxBytes = 4 << 20 }, "too large"},
		{"more than wanted in all", nil, func(o *model.PullOptions) { o.MaxBytes = 3<<20 + 10 }, "too large"},
		{"another manifest than was said", nil, func(o *model.PullOptions) { o.ManifestSHA256 = good }, "wrong checksum: rerankd.json"},
		{"a model that does not work", nil, func(o *model.PullOptions) {
			o.Check = func(context.Context, string) (onnx.Info, error) { return onnx.Info{}, errors.New("no cross-encoder") }
		}, "no cross-encoder"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMirror(t, large(t), httptest.NewServer)
			if tc.change != nil {
				tc.change(m)
			}
			o := pullOptions(t, m.URL+"/models/mine")
			if tc.also != nil {
				tc.also(&o)
			}
			if _, _, err := model.Pull(t.Context(), o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
			if _, err := os.Lstat(o.Destination); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the folder is there: %v", err)
			}
		})
	}
}

func TestTheManifestThatWasSaidIsTaken(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewServer)
	o := pullOptions(t, m.URL+"/models/mine/")
	o.ManifestSHA256 = strings.ToUpper(sum(files[onnx.ManifestName].Data))
	mustPull(t, o, files)
}

// The link stands where a pull works, and points to where it must not write.
func TestPullDoesNotFollowLinksOutOfItsFolder(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewServer)
	o := pullOptions(t, m.URL+"/models/mine")
	above := filepath.Dir(o.Destination)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := errors.Join(os.MkdirAll(filepath.Join(above, ".mine.partial"), 0o755), os.WriteFile(victim, []byte("precious"), 0o600)); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(above, ".mine.partial", sum(files["model.onnx"].Data)+".part")
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := model.Pull(t.Context(), o); err == nil {
		t.Error("the link was followed or passed over")
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
		t.Errorf("the file outside is %q, %v", data, err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(above, ".mine.partial")), os.Symlink(t.TempDir(), filepath.Join(above, ".mine.partial"))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := model.Pull(t.Context(), o); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("a link in place of the folder: %v", err)
	}
}

func TestASilentMirrorIsLeft(t *testing.T) {
	m := newMirror(t, large(t), httptest.NewServer)
	m.before = func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	o := pullOptions(t, m.URL+"/models/mine")
	o.Silence = 10 * time.Millisecond
	var notices []string
	o.Notice = func(text string) { notices = append(notices, text) }
	if _, _, err := model.Pull(t.Context(), o); err == nil || !strings.Contains(err.Error(), "the mirror sent nothing for 10ms") {
		t.Errorf("error %v", err)
	}
	if len(notices) != 4 || // of five attempts
		notices[3] != "the mirror sent nothing for 10ms; the mirror is asked again in 8ns" {
		t.Errorf("told %q", notices)
	}
}

func TestRedirectsAreFollowedWithinBounds(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewServer)
	to := func(target func(path string) string) {
		m.before = func(w http.ResponseWriter, r *http.Request) bool {
			path := target(r.URL.Path)
			if path == "" {
				return false
			}
			http.Redirect(w, r, path, http.StatusFound)
			return true
		}
	}
	to(func(path string) string {
		if rest, ok := strings.CutPrefix(path, "/old"); ok {
			return "/models" + rest
		}
		return ""
	})
	mustPull(t, pullOptions(t, m.URL+"/old/mine"), files)
	for want, target := range map[string]string{"more than 5 redirects": "/again", "from http to file": "file:///etc/passwd", "from http to ftp": "ftp://127.0.0.1/x"} {
		to(func(string) string { return target })
		m.asked()
		if _, _, err := model.Pull(t.Context(), pullOptions(t, m.URL+"/models/mine")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: error %v, want one with %q", target, err, want)
		}
		if n := strings.Count(m.asked(), "/models/mine/rerankd.json"); n != 1 {
			t.Errorf("to %s: begun %d times, want once", target, n)
		}
	}
}

func TestTheMirrorsCertificateIsChecked(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewTLSServer)
	if _, _, err := model.Pull(t.Context(), pullOptions(t, m.URL+"/models/mine")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("an unknown certificate: %v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	o := pullOptions(t, m.URL+"/models/mine")
	client, err := model.NewClient(model.ClientOptions{CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	o.Client = client
	mustPull(t, o, files)

	m.before = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "http://127.0.0.1/", http.StatusFound)
		return true
	}
	o.Destination += "-2"
	if _, _, err := model.Pull(t.Context(), o); err == nil || !strings.Contains(err.Error(), "from https to http is not followed") {
		t.Errorf("a redirect to http: %v", err)
	}
	for _, file := range []string{filepath.Join(t.TempDir(), "none"), "pull_test.go"} {
		if _, err := model.NewClient(model.ClientOptions{CAFile: file}); err == nil || !strings.Contains(err.Error(), "certificates to trust") {
			t.Errorf("%s: error %v", file, err)
		}
	}
}

func TestPullAsksTheProxy(t *testing.T) {
	files := large(t)
	proxy := newMirror(t, files, httptest.NewServer)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	o := pullOptions(t, "http://nowhere.invalid/models/mine")
	client, err := model.NewClient(model.ClientOptions{Proxy: at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	o.Client = client
	mustPull(t, o, files)
}

func TestPasswordsInAURLAreSentAndNotShown(t *testing.T) {
	files := large(t)
	m := newMirror(t, files, httptest.NewServer)
	m.before = func(w http.ResponseWriter, r *http.Request) bool {
		if user, password, _ := r.BasicAuth(); user == "reader" && password == "planted" {
			return false
		}
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	host := strings.TrimPrefix(m.URL, "http://")
	mustPull(t, pullOptions(t, "http://reader:planted@"+host+"/models/mine"), files)
	// A token in the query is sent with every file.
	m.asked()
	for source, want := range map[string]string{
		"http://other:planted@" + host + "/models/mine?token=planted": "Unauthorized",
		"http://other:planted@127.0.0.1:1/mine?token=planted":         "refused",
	} {
		var told []string
		o := pullOptions(t, source)
		o.Notice = func(text string) { told = append(told, text) }
		_, _, err := model.Pull(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(fmt.Sprint(err, told), "planted") {
			t.Errorf("error %v, told %q; want %q", err, told, want)
		}
	}
}

func TestURLsOfMirrorsAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.org/a?token=x": "", "http://127.0.0.1:8080": "", "file:///srv/a": "", "FILE:///srv/a": "", "file:/srv/a": "",
		"srv/models": "want a URL", "": "want a URL", "/srv/a": "want a URL", "ftp://example.org/a": "http, https or file",
		"file:a": "absolute path", "file://host/a": "absolute path", "https:///a": "host", "http://example.org/a#b": "fragment",
		"http://user:planted@[::1": "can be read",
	} {
		_, err := model.ParseSource(text)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(fmt.Sprint(err), "planted")) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
