package inference_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rerankd/rerankd/chunking"
	"github.com/rerankd/rerankd/internal/inference"
	"github.com/rerankd/rerankd/scorer"
)

// texts is a model that scores by length, and keeps what it was given.
type texts struct {
	mu    sync.Mutex
	seen  []string
	open  int   // ways that are not closed
	sizes []int // workers that the ways into it were made for, and resized to
}

func (m *texts) Score(_ context.Context, _ string, passages []string) ([]float32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = passages
	scores := make([]float32, len(passages))
	for i, p := range passages {
		scores[i] = float32(len(p))
	}
	return scores, nil
}

func (m *texts) way(workers int, counted inference.Counted) inference.Way {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open++
	m.sizes = append(m.sizes, workers)
	return inference.Way{
		Scorer: counted(m),
		Resize: func(workers int) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.sizes = append(m.sizes, workers)
		},
		SetWorkers: func(int) {},
		Close: func() error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.open--
			return nil
		},
	}
}

// newRegistry has the model "lengths" on an engine of 4 workers, and the reserved
// endpoint "fixed" on it.
func newRegistry(t *testing.T, m *texts, change func(*inference.Options)) *inference.Registry {
	t.Helper()
	r, err := openRegistry(m, change)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close the registry: %v", err)
		}
	})
	return r
}

func openRegistry(m *texts, change func(*inference.Options)) (*inference.Registry, error) {
	o := inference.Options{
		Models:   []inference.Model{{ID: "lengths", Names: []string{"folder"}, Workers: 4, Open: m.way}},
		Default:  "lengths",
		Reserved: []inference.Reserved{{ID: "fixed", Model: "lengths", Scorer: m, Workers: 4}},

		MaxEndpoints: 3, ScaleDown: time.Minute, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	return inference.New(o)
}

func create(r *inference.Registry, id, body string) (*inference.Endpoint, error) {
	c, err := inference.ParseCreation([]byte(body))
	if err != nil {
		return nil, err
	}
	return r.Create(id, c)
}

// plain is a creation with the settings that must be there, and more.
func plain(service, task string) string {
	return `{"service":"elasticsearch","service_settings":{"model_id":"lengths","num_threads":1,"num_allocations":1` + service + `},"task_settings":{` + task + `}}`
}

func TestTheQueueOfAnEndpointFollowsItsSettings(t *testing.T) {
	m := &texts{}
	r := newRegistry(t, m, nil)
	if _, err := create(r, "e", strings.Replace(plain("", ""), `"num_threads":1`, `"num_threads":2`, 1)); err != nil {
		t.Fatal(err)
	}
	for _, settings := range []string{
		`"num_allocations":2`,
		`"adaptive_allocations":{"enabled":true,"max_number_of_allocations":1}`,
		`"adaptive_allocations":{"enabled":true}`,
		`"adaptive_allocations":{"enabled":false}`,
	} {
		u, err := inference.ParseUpdate([]byte(`{"service_settings":{` + settings + `}}`))
		if err == nil {
			_, err = r.Update("e", u)
		}
		if err != nil {
			t.Fatalf("%s: %v", settings, err)
		}
	}
	if want := []int{2, 4, 2, 4, 2}; !slices.Equal(m.sizes, want) {
		t.Errorf("places for %v workers, want %v", m.sizes, want)
	}
}

func TestAnEndpointIsWhatItWasMadeOf(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{
			"fixed allocations", plain("", ""),
			`{"inference_id":"e","task_type":"rerank","service":"elasticsearch","service_settings":{"num_allocations":1,"num_threads":1,"model_id":"lengths"},"task_settings":{}}`,
		},
		{
			"adaptive allocations begin with the least",
			`{"service":"elasticsearch","service_settings":{"model_id":".rerank-v1","num_threads":2,"adaptive_allocations":{"enabled":true,"min_number_of_allocations":0,"max_number_of_allocations":32}}}`,
			`{"inference_id":"e","task_type":"rerank","service":"elasticsearch","service_settings":{"num_allocations":0,"num_threads":2,"model_id":".rerank-v1","adaptive_allocations":{"enabled":true,"min_number_of_allocations":0,"max_number_of_allocations":32}},"task_settings":{}}`,
		},
		{
			"adaptive allocations that are off", `{"service":"elasticsearch","service_settings":{"model_id":"folder","num_threads":1,"adaptive_allocations":{"enabled":false}}}`,
			`{"inference_id":"e","task_type":"rerank","service":"elasticsearch","service_settings":{"num_allocations":1,"num_threads":1,"model_id":"folder","adaptive_allocations":{"enabled":false}},"task_settings":{}}`,
		},
		{
			"everything else", plain(`,"long_document_strategy":"chunk","max_chunks_per_doc":3`, `"return_documents":false,"top_n":2`),
			`{"inference_id":"e","task_type":"rerank","service":"elasticsearch","service_settings":{"num_allocations":1,"num_threads":1,"model_id":"lengths","long_document_strategy":"chunk","max_chunks_per_doc":3},"task_settings":{"return_documents":false,"top_n":2}}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRegistry(t, &texts{}, nil)
			e, err := create(r, "e", tc.body)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, e.Definition()); got != tc.want {
				t.Errorf("made   %s\nwanted %s", got, tc.want)
			}
			if again, ok := r.Lookup("e"); !ok || again != e {
				t.Error("it is not looked up")
			}
		})
	}
}

func TestAFaultyDefinitionIsRefusedInElasticsearchsWords(t *testing.T) {
	const invalid = "validation_exception"
	for _, tc := range []struct {
		name, id, body string
		status         int
		typ, reason    string
	}{
		{"no service", "e", `{"service_settings":{}}`, 400, "status_exception", "Inference endpoint configuration is missing the [service] setting"},
		{"no settings", "e", `{"service":"elasticsearch"}`, 400, "status_exception", "Inference endpoint configuration is missing the [service_settings] setting"},
		{"only a model", "e", `{"service":"elasticsearch","service_settings":{"model_id":".rerank-v1"}}`, 400, invalid, "Validation Failed: 1: [service_settings] does not contain the required setting [num_threads];2: [service_settings] does not contain one of the required settings [num_allocations, adaptive_allocations];"},
		{"no model", "e", `{"service":"elasticsearch","service_settings":{"num_threads":1,"num_allocations":1}}`, 400, invalid, "Validation Failed: 1: [service_settings] does not contain the required setting [model_id];"},
		{"an unknown model", "e", `{"service":"elasticsearch","service_settings":{"model_id":"/etc/passwd","num_threads":1,"num_allocations":1}}`, 404, "resource_not_found_exception", "No known trained model with model_id [/etc/passwd]"},
		{"no threads", "e", `{"service":"elasticsearch","service_settings":{"model_id":"lengths","num_threads":0,"num_allocations":-1}}`, 400, invalid, "Validation Failed: 1: [service_settings] Invalid value [0]. [num_threads] must be a positive integer;2: [service_settings] Invalid value [-1]. [num_allocations] must be a positive integer;"},
		{"threads as text", "e", `{"service":"elasticsearch","service_settings":{"model_id":"lengths","num_threads":"one","num_allocations":1}}`, 400, invalid, "Validation Failed: 1: field [num_threads] is not of the expected type. The value [one] cannot be converted to a [Integer];"},
		{"more than there is", "e", `{"service":"elasticsearch","service_settings":{"model_id":"lengths","num_threads":2,"num_allocations":3}}`, 429, "status_exception", "Could not start deployment because there are not enough resources to provide all requested allocations"},
		{"threads beyond the engine", "e", `{"service":"elasticsearch","service_settings":{"model_id":"lengths","num_threads":2147483647,"adaptive_allocations":{"enabled":true}}}`, 429, "status_exception", "Could not start deployment"},
		{"an unknown setting", "e", plain(`,"foo":{"a":[1, 2]}`, ""), 400, "status_exception", "Configuration contains settings [{foo={\"a\":[1,2]}}] unknown to the [elasticsearch] service"},
		{"an unknown section", "e", `{"service":"elasticsearch","chunking_settings":{},"service_settings":{"model_id":"lengths","num_threads":1,"num_allocations":1}}`, 400, "status_exception", "Configuration contains settings [{chunking_settings={}}] unknown to the [elasticsearch] service"},
		{"an unknown task setting", "e", plain("", `"query":"x"`), 400, "status_exception", "Configuration contains settings [{query=x}] unknown"},
		{"a deployment", "e", plain(`,"deployment_id":"d"`, ""), 400, "illegal_argument_exception", "rerankd does not support [deployment_id] in [service_settings]"},
		{"chunks without the strategy", "e", plain(`,"max_chunks_per_doc":3`, ""), 400, invalid, "Validation Failed: 1: The [max_chunks_per_doc] setting requires [long_document_strategy] to be set to [chunk];"},
		{"an unknown strategy", "e", plain(`,"long_document_strategy":"x"`, ""), 400, invalid, "Validation Failed: 1: [service_settings] Invalid value [x] received. [long_document_strategy] must be one of [chunk, truncate];"},
		{"two kinds of allocations", "e", plain(`,"adaptive_allocations":{"enabled":true}`, ""), 400, "illegal_argument_exception", "[num_allocations] cannot be set if adaptive allocations is enabled"},
		{"bounds that cross", "e", plain(`,"adaptive_allocations":{"enabled":true,"min_number_of_allocations":3,"max_number_of_allocations":2}`, ""), 400, "action_request_validation_exception", "Validation Failed: 1: [min_number_of_allocations] must not be larger than [max_number_of_allocations];"},
		{"a bound below", "e", plain(`,"adaptive_allocations":{"enabled":true,"min_number_of_allocations":-1}`, ""), 400, "action_request_validation_exception", "Validation Failed: 1: [min_number_of_allocations] must be a non-negative integer or null;"},
		{"no room above", "e", plain(`,"adaptive_allocations":{"enabled":true,"max_number_of_allocations":0}`, ""), 400, "action_request_validation_exception", "Validation Failed: 1: [max_number_of_allocations] must be a positive integer or null;"},
		{"an unknown bound", "e", plain(`,"adaptive_allocations":{"max":1}`, ""), 400, "x_content_parse_exception", "[1:129] [adaptive_allocations] unknown field [max]"},
		{"a ranking of nothing", "e", plain("", `"top_n":0`), 400, invalid, "Validation Failed: 1: [task_settings] Invalid value [0]. [top_n] must be a positive integer;"},
		{"settings twice", "e", `{"service":"elasticsearch","service_settings":{"model_id":"a","model_id":"b"}}`, 400, "x_content_parse_exception", "[1:63] Duplicate field 'model_id'"},
		{"an id in capitals", "Big", plain("", ""), 400, "action_request_validation_exception", "Validation Failed: 1: Invalid inference_id; 'Big' can contain lowercase alphanumeric (a-z and 0-9), hyphens or underscores; must start and end with alphanumeric;"},
		{"a path as id", "a/../b", plain("", ""), 400, "action_request_validation_exception", "Validation Failed: 1: Invalid inference_id;"},
		{"a long id", strings.Repeat("a", 300), plain("", ""), 400, "action_request_validation_exception", "Validation Failed: 1: Invalid inference_id; it can contain at most [256] characters;"},
		{"the id of a model", "lengths", plain("", ""), 400, "status_exception", "Inference endpoint IDs must be unique. Requested inference endpoint ID [lengths] matches existing trained model ID(s) but must not."},
		{"an id that is taken", "fixed", plain("", ""), 400, "resource_already_exists_exception", "Inference endpoint [fixed] already exists"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRegistry(t, &texts{}, nil)
			_, err := create(r, tc.id, tc.body)
			wantError(t, err, tc.status, tc.typ, tc.reason)
			if n := len(r.All()); n != 1 {
				t.Errorf("%d endpoints, want the one of the configuration", n)
			}
		})
	}
}

func TestOnlyCreationsOfItsOwnModelsAreServed(t *testing.T) {
	r := newRegistry(t, &texts{}, nil)
	for _, tc := range []struct {
		body  string
		serve bool
	}{
		{plain("", ""), true},
		{`{"service":"elasticsearch","service_settings":{"model_id":".rerank-v1"}}`, true},
		{`{"service":"elasticsearch","service_settings":{}}`, true}, // to be told what is missing
		{`{"service":"elasticsearch","task_type":"sparse_embedding","service_settings":{"model_id":"lengths"}}`, false},
		{`{"service":"elasticsearch","service_settings":{"model_id":".multilingual-e5-small"}}`, false},
		{`{"service":"cohere","service_settings":{"model_id":"lengths"}}`, false},
	} {
		c, err := inference.ParseCreation([]byte(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Serves(c); got != tc.serve {
			t.Errorf("serves %s: %v, want %v", tc.body, got, tc.serve)
		}
	}
}

func TestARankingFollowsTheRequestThenTheEndpoint(t *testing.T) {
	yes, two := true, 2
	r := newRegistry(t, &texts{}, nil)
	for _, tc := range []struct {
		name, task string
		call       inference.Rerank
		want       string
	}{
		{"all with their texts", ``, inference.Rerank{}, `{"rerank":[{"index":1,"relevance_score":3.0,"text":"<b>"},{"index":0,"relevance_score":1.0,"text":"a"},{"index":2,"relevance_score":1.0,"text":"c"}]}`},
		{"without", `"return_documents":false`, inference.Rerank{}, `{"rerank":[{"index":1,"relevance_score":3.0},{"index":0,"relevance_score":1.0},{"index":2,"relevance_score":1.0}]}`},
		{"with, by the request", `"return_documents":false,"top_n":1`, inference.Rerank{ReturnDocuments: &yes}, `{"rerank":[{"index":1,"relevance_score":3.0,"text":"<b>"}]}`},
		{"more, by the request", `"return_documents":false,"top_n":1`, inference.Rerank{TopN: &two}, `{"rerank":[{"index":1,"relevance_score":3.0},{"index":0,"relevance_score":1.0}]}`},
		{"more than there are", `"return_documents":false,"top_n":9`, inference.Rerank{}, `{"rerank":[{"index":1,"relevance_score":3.0},{"index":0,"relevance_score":1.0},{"index":2,"relevance_score":1.0}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := create(r, "e", plain("", tc.task))
			if err != nil {
				t.Fatal(err)
			}
			tc.call.Query, tc.call.Input = "q", []string{"a", "<b>", "c"}
			got, err := e.Rerank(t.Context(), tc.call)
			if err != nil || string(got) != tc.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tc.want)
			}
			if err := r.Delete("e", false); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestALongPassageIsScoredByTheBestOfItsFirstChunks(t *testing.T) {
	m := &texts{}
	r := newRegistry(t, m, nil)
	long := strings.Repeat("Some words make a sentence here. ", 200) // 1,200 words: chunks of at most 381
	for _, tc := range []struct {
		name, settings string
		chunks         int
	}{
		{"cut by the model", ``, 1},
		{"all chunks", `,"long_document_strategy":"chunk"`, 4},
		{"the first two", `,"long_document_strategy":"chunk","max_chunks_per_doc":2`, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := create(r, "e", plain(tc.settings, ""))
			if err != nil {
				t.Fatal(err)
			}
			scores, err := e.Score(t.Context(), "q", []string{"short", long})
			if err != nil {
				t.Fatal(err)
			}
			m.mu.Lock()
			seen := slices.Clone(m.seen)
			m.mu.Unlock()
			if len(seen) != 1+tc.chunks {
				t.Fatalf("the model saw %d texts, want 1 and %d", len(seen), tc.chunks)
			}
			longest := 0
			for _, s := range seen[1:] {
				longest = max(longest, len(s))
			}
			if want := []float32{5, float32(longest)}; !slices.Equal(scores, want) {
				t.Errorf("scores %v, want %v", scores, want)
			}
			if err := r.Delete("e", false); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// One huge document doesn't keep the others from being scored.
func TestOfATooLongPassageTheBeginningIsCutIntoChunks(t *testing.T) {
	m := &texts{}
	e, err := create(newRegistry(t, m, nil), "e", plain(`,"long_document_strategy":"chunk","max_chunks_per_doc":1`, ""))
	if err != nil {
		t.Fatal(err)
	}
	huge := strings.Repeat("Some words make a sentence here. ", chunking.MaxText/33+9)
	scores, err := e.Score(t.Context(), "q", []string{"short", huge})
	if err != nil || len(scores) != 2 || scores[0] != 5 || len(m.seen) != 2 {
		t.Errorf("scores %v, %v of %d texts", scores, err, len(m.seen))
	}
}

func TestAnUpdateChangesAllocationsAndTaskSettings(t *testing.T) {
	r := newRegistry(t, &texts{}, nil)
	if _, err := create(r, "e", plain("", `"top_n":5`)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, body, want string }{
		{"more allocations", `{"service_settings":{"num_allocations":3}}`, `"service_settings":{"num_allocations":3,"num_threads":1,"model_id":"lengths"},"task_settings":{"top_n":5}`},
		{"adaptive ones", `{"service_settings":{"adaptive_allocations":{"enabled":true,"min_number_of_allocations":1}}}`, `"service_settings":{"num_allocations":3,"num_threads":1,"model_id":"lengths","adaptive_allocations":{"enabled":true,"min_number_of_allocations":1}},"task_settings":{"top_n":5}`},
		{"no longer", `{"service_settings":{"adaptive_allocations":{"enabled":false},"num_allocations":2}}`, `"service_settings":{"num_allocations":2,"num_threads":1,"model_id":"lengths","adaptive_allocations":{"enabled":false}},"task_settings":{"top_n":5}`},
		{"a task setting", `{"task_settings":{"return_documents":false}}`, `"service_settings":{"num_allocations":2,"num_threads":1,"model_id":"lengths","adaptive_allocations":{"enabled":false}},"task_settings":{"return_documents":false,"top_n":5}`},
	} {
		u, err := inference.ParseUpdate([]byte(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Update("e", u); err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		e, _ := r.Lookup("e")
		if got := text(t, e.Definition()); !strings.HasSuffix(got, tc.want+"}") {
			t.Errorf("%s: %s, want it to end with %s", tc.name, got, tc.want)
		}
	}
}

func TestAFaultyUpdateIsRefused(t *testing.T) {
	r := newRegistry(t, &texts{}, nil)
	if _, err := create(r, "e", plain("", "")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, id, body string
		status         int
		typ, reason    string
	}{
		{"an empty one", "e", `{}`, 400, "status_exception", "Request body is empty"},
		{"another model", "e", `{"service_settings":{"model_id":"x"}}`, 400, "illegal_argument_exception", "[model_id] of an endpoint can't be changed"},
		{"an unknown section", "e", `{"service":"cohere"}`, 400, "status_exception", "Configuration contains settings [{service=cohere}] unknown"},
		{"too much", "e", `{"service_settings":{"num_allocations":9}}`, 429, "status_exception", "Could not start deployment"},
		{"no endpoint", "x", `{"task_settings":{}}`, 404, "resource_not_found_exception", "Inference endpoint not found [x]"},
		{"one of the configuration", "fixed", `{"task_settings":{}}`, 400, "status_exception", "[fixed] is a reserved inference endpoint."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u, err := inference.ParseUpdate([]byte(tc.body))
			if err == nil {
				_, err = r.Update(tc.id, u)
			}
			wantError(t, err, tc.status, tc.typ, tc.reason)
		})
	}
}

func TestReservedEndpointsAreNotDeleted(t *testing.T) {
	r := newRegistry(t, &texts{}, nil)
	wantError(t, r.Delete("fixed", false), 400, "status_exception", "[fixed] is a reserved inference endpoint. Use the force=true query parameter to delete the inference endpoint.")
	wantError(t, r.Delete("fixed", true), 400, "status_exception", "[fixed] is a reserved inference endpoint. Cannot delete a reserved inference endpoint.")
	wantError(t, r.Delete("none", false), 404, "resource_not_found_exception", "Inference endpoint not found [none]")
}

func TestEndpointsAreKeptAcrossRestarts(t *testing.T) {
	m := &texts{}
	folder := filepath.Join(t.TempDir(), "state")
	in := func(o *inference.Options) { o.Folder = folder }
	r, err := openRegistry(m, in)
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range []string{
		plain(`,"long_document_strategy":"chunk"`, `"top_n":7`), plain("", ""),
		`{"service":"elasticsearch","service_settings":{"model_id":"lengths","num_threads":1,"adaptive_allocations":{"enabled":true,"max_number_of_allocations":2}}}`,
	} {
		if _, err := create(r, fmt.Sprintf("e%d", i), body); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := create(r, "one-more", plain("", "")); err == nil {
		t.Error("a fourth endpoint was made, want at most 3")
	} else {
		wantError(t, err, 400, "illegal_argument_exception", "rerankd keeps at most [3] inference endpoints, by [inference.max_endpoints]")
	}
	if err := r.Delete("e1", false); err != nil {
		t.Fatal(err)
	}
	before := shown(t, r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if m.open != 0 {
		t.Errorf("%d ways are open after the end", m.open)
	}
	if again := shown(t, newRegistry(t, m, in)); again != before {
		t.Errorf("after the restart\n%s\nbefore\n%s", again, before)
	}
	list, err := os.ReadDir(folder)
	if err != nil || len(list) != 1 {
		t.Errorf("%d files in the folder (%v), want one", len(list), err)
	}
	if info, err := os.Stat(filepath.Join(folder, "endpoints.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v), want it to be its owner's alone", info, err)
	}
}

func shown(t *testing.T, r *inference.Registry) string {
	t.Helper()
	var lines []string
	for _, e := range r.All() {
		lines = append(lines, text(t, e.Definition()))
	}
	return strings.Join(lines, "\n")
}

func TestAKeptEndpointWithoutItsModelStaysAndFails(t *testing.T) {
	m := &texts{}
	folder := t.TempDir()
	r, err := openRegistry(m, func(o *inference.Options) { o.Folder = folder })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := create(r, "e", plain("", "")); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	without := newRegistry(t, m, func(o *inference.Options) { o.Folder, o.Models = folder, nil })
	e, ok := without.Lookup("e")
	if !ok {
		t.Fatal("the endpoint is gone")
	}
	if _, err := e.Score(t.Context(), "q", []string{"p"}); err == nil || !strings.Contains(err.Error(), "not configured: lengths") {
		t.Errorf("err = %v, want one that names the model", err)
	}
	if err := without.Delete("e", false); err != nil {
		t.Errorf("delete it: %v", err)
	}
}

func TestAFileThatCannotBeReadStopsTheStart(t *testing.T) {
	const good = `{"version":1,"endpoints":[{"inference_id":"e","task_type":"rerank","service":"elasticsearch","service_settings":{"num_allocations":1,"num_threads":1,"model_id":"lengths"},"task_settings":{}}]}`
	for _, tc := range []struct{ name, text, want string }{
		{"no JSON", "{", "decode"},
		{"another version", strings.Replace(good, `:1,`, `:2,`, 1), "has version 2, want 1"},
		{"an unknown key", strings.Replace(good, `"task_settings"`, `"foo":1,"task_settings"`, 1), "unknown field"},
		{"a bad id", strings.Replace(good, `"e"`, `"../e"`, 1), "invalid inference_id"},
		{"another service", strings.Replace(good, "elasticsearch", "cohere", 1), "want task type rerank"},
		{"no threads", strings.Replace(good, `"num_threads":1`, `"num_threads":0`, 1), "must be positive"},
		{"bounds that cross", strings.Replace(good, `"num_threads":1`, `"num_threads":1,"adaptive_allocations":{"enabled":true,"min_number_of_allocations":2,"max_number_of_allocations":1}`, 1), "invalid adaptive_allocations"},
		{"a large file", strings.Repeat(" ", 5<<20), "larger than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "endpoints.json"), []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := openRegistry(&texts{}, func(o *inference.Options) { o.Folder = folder })
			if err == nil {
				_ = r.Close()
				t.Fatal("it was read")
			}
			if !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), folder) {
				t.Errorf("err = %v, want it to name the file and %q", err, tc.want)
			}
		})
	}
}

func TestAFolderThatCannotBeWrittenToStopsTheStart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openRegistry(&texts{}, func(o *inference.Options) { o.Folder = file }); err == nil {
		t.Error("a file was taken for the folder")
	}
}

func TestAnEndpointThatCannotBeKeptIsNotMade(t *testing.T) {
	m := &texts{}
	folder := filepath.Join(t.TempDir(), "state")
	r := newRegistry(t, m, func(o *inference.Options) { o.Folder = folder })
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := create(r, "e", plain("", "")); err == nil {
		t.Error("it was made")
	}
	if _, ok := r.Lookup("e"); ok || m.open != 0 {
		t.Errorf("it is there (%v), with %d open ways", ok, m.open)
	}
}

func TestEndpointsMayBeMadeChangedCalledAndDeletedAtTheSameTime(t *testing.T) {
	m := &texts{}
	r := newRegistry(t, m, func(o *inference.Options) { o.Folder = t.TempDir() })
	update, err := inference.ParseUpdate([]byte(`{"service_settings":{"num_allocations":2}}`))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for worker := range 3 {
		id := fmt.Sprintf("e%d", worker)
		all.Go(func() {
			for range 20 {
				if _, err := create(r, id, plain("", "")); err != nil {
					t.Error(err)
				}
				if _, err := r.Update(id, update); err != nil {
					t.Error(err)
				}
				if err := r.Delete(id, false); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 200 {
				if e, ok := r.Lookup(id); ok {
					if _, err := e.Score(t.Context(), "q", []string{"p"}); err != nil {
						t.Error(err)
					}
				}
				_ = r.All()
			}
		})
	}
	all.Wait()
	if n := len(r.All()); n != 1 {
		t.Errorf("%d endpoints are left, want the reserved one", n)
	}
}

var _ scorer.Scorer = (*texts)(nil)
