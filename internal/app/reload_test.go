package app_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/rerankd/rerankd/configs"
	"github.com/rerankd/rerankd/scorer/onnx"
)

const testdata = "../../scorer/onnx/testdata/"

// revision makes a model folder of the reference's tokenizer and a graph.
func revision(t *testing.T, dir, name, graph string, m onnx.Manifest) {
	t.Helper()
	folder := filepath.Join(dir, name)
	if err := os.CopyFS(folder, os.DirFS(testdata+"reference/model")); err != nil {
		t.Fatal(err)
	}
	m.Files = map[string]string{}
	for file, from := range map[string]string{
		"model.onnx": testdata + graph, "tokenizer.json": testdata + "reference/model/tokenizer.json",
		"tokenizer_config.json": testdata + "reference/model/tokenizer_config.json", "config.json": testdata + "reference/model/config.json",
	} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, file), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		m.Files[file] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	manifest, err := json.Marshal(m)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, onnx.ManifestName), manifest, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// revisions makes folders of two models and of those that may not take their place.
func revisions(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	revision(t, dir, "v1", "reference/model/model.onnx", onnx.Manifest{ID: "mine", Revision: "1"})
	revision(t, dir, "v2", "faulty/flat.onnx", onnx.Manifest{ID: "mine", Revision: "2", Precision: "flat"})
	revision(t, dir, "other", "faulty/flat.onnx", onnx.Manifest{ID: "other"})
	revision(t, dir, "broken", "faulty/two-outputs.onnx", onnx.Manifest{ID: "mine", Revision: "3"})
	choose(t, dir, "v1")
	return dir
}

// choose sets the link that the configuration names to a revision.
func choose(t *testing.T, dir, name string) {
	t.Helper()
	next := filepath.Join(dir, "next")
	if err := os.Symlink(name, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "current")); err != nil {
		t.Fatal(err)
	}
}

func post(t *testing.T, url string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// scoreIn finds the scores in an answer.
var scoreIn = regexp.MustCompile(`"_score":[-+.\deE]+`)

// alike reports whether two answers differ in the last digits of scores at most,
// which depend on what else is in a batch.
func alike(t *testing.T, a, b string) bool {
	t.Helper()
	if scoreIn.ReplaceAllString(a, "") != scoreIn.ReplaceAllString(b, "") {
		return false
	}
	of, others := scoreIn.FindAllString(a, -1), scoreIn.FindAllString(b, -1)
	for i := range of {
		var x, y struct {
			Score float64 `json:"_score"`
		}
		if err := errors.Join(json.Unmarshal([]byte("{"+of[i]+"}"), &x), json.Unmarshal([]byte("{"+others[i]+"}"), &y)); err != nil {
			t.Error(err)
		}
		if math.Abs(x.Score-y.Score) > 1e-4 {
			return false
		}
	}
	return true
}

func TestModelsAreExchangedWhileSearchesRun(t *testing.T) {
	dir := revisions(t)
	current := filepath.Join(dir, "current")
	u := newUpstream(t)
	config := testConfig(u.URL)
	config.Endpoints = append(config.Endpoints, configs.Endpoint{ID: "mine", Model: current})
	a, log := start(t, config)
	c := client(t)
	reload := func() (int, string) { return do(t, c, post(t, "http://"+a.AdminAddr()+"/-/models/reload")) }
	ask := func() string {
		status, body := do(t, c, search(t, "http://"+a.Addr()+"/i/_search", "mine"))
		if status != http.StatusOK {
			t.Errorf("status %d: %s", status, body)
		}
		return body[strings.Index(body, `"hits"`):] // took differs
	}
	first := ask()
	if status, body := reload(); status != http.StatusOK || body != `{"reloaded":[]}`+"\n" {
		t.Fatalf("nothing has changed: %d %s", status, body)
	}

	stop := make(chan struct{})
	var searches sync.WaitGroup
	answers := sync.Map{}
	for range 2 {
		searches.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					answers.Store(ask(), true)
				}
			}
		})
	}
	choose(t, dir, "v2")
	if status, body := reload(); status != http.StatusOK || body != `{"reloaded":["`+current+`"]}`+"\n" {
		t.Errorf("another revision: %d %s", status, body)
	}
	close(stop)
	searches.Wait()
	second := ask()
	if alike(t, second, first) {
		t.Errorf("the scores are still the former model's: %s", second)
	}
	answers.Range(func(answer, _ any) bool {
		if !alike(t, answer.(string), first) && !alike(t, answer.(string), second) {
			t.Errorf("an answer of neither model: %s", answer)
		}
		return true
	})
	if strings.Contains(log.String(), "degraded") {
		t.Errorf("a search was not reranked:\n%s", log)
	}
	_, metrics := get(t, c, "http://"+a.AdminAddr()+"/metrics")
	if info := `rerankd_model_info{batching="together",id="mine",model="` + current + `",precision="flat"} 1`; !strings.Contains(metrics, info) {
		t.Errorf("the metrics lack %s", info)
	}

	for name, want := range map[string]string{"other": "another model, other in place of mine", "broken": "outputs logits", "nowhere": "nothing tells whether it has changed"} {
		choose(t, dir, name)
		if status, body := reload(); status != http.StatusInternalServerError || !strings.Contains(body, want) || !strings.Contains(body, `"reloaded":[]`) {
			t.Errorf("%s: %d %s, want an error with %q", name, status, body, want)
		}
		if got := ask(); got != second {
			t.Errorf("%s: the model in use has changed: %s", name, got)
		}
	}
	choose(t, dir, "v1")
	if status, body := reload(); status != http.StatusOK || ask() != first {
		t.Errorf("back to the first revision: %d %s", status, body)
	}
}
