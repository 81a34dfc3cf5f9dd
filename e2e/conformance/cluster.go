package conformance

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Needs of a [Case] beside the modules of a cluster.
const (
	// NeedElasticsearch is what OpenSearch lacks.
	NeedElasticsearch = "elasticsearch"
)

// Cluster is what is known of the cluster behind the program.
type Cluster struct {
	OpenSearch bool
	Modules    []string // and plugins, sorted
}

// Ask asks a cluster what it is.
func Ask(ctx context.Context, t Target) (Cluster, error) {
	var c Cluster
	var root struct{ Version struct{ Distribution string } }
	if a, err := t.do(ctx, http.MethodGet, "/", "", nil); err != nil {
		return c, fmt.Errorf("ask the cluster what it is: %w", err)
	} else if a.Status == http.StatusOK && json.Unmarshal(a.Body, &root) == nil {
		c.OpenSearch = root.Version.Distribution == "opensearch"
	}
	a, err := t.do(ctx, http.MethodGet, "/_nodes/_local/plugins", "", nil)
	if err != nil {
		return c, fmt.Errorf("ask the cluster for its modules: %w", err)
	}
	var answer struct {
		Nodes map[string]struct{ Modules, Plugins []struct{ Name string } }
	}
	if err := json.Unmarshal(a.Body, &answer); err != nil {
		return c, fmt.Errorf("ask the cluster for its modules: status %d: %w", a.Status, err)
	}
	for _, node := range answer.Nodes {
		for _, module := range slices.Concat(node.Modules, node.Plugins) {
			c.Modules = append(c.Modules, module.Name)
		}
	}
	slices.Sort(c.Modules)
	return c, nil
}

// Has reports whether a need of a case is met.
func (c Cluster) Has(need string) bool {
	switch need {
	case NeedElasticsearch:
		return !c.OpenSearch
	}
	return slices.Contains(c.Modules, need)
}

//go:embed fixtures.json
var ownFixtures []byte

// Fixtures are the indices and aliases that cases search.
type Fixtures struct {
	Indices map[string]Index
	Aliases []struct{ Index, Alias string }
}

// Index is one index: how it is made, and its documents in their order.
type Index struct {
	Create    map[string]any
	Documents []struct {
		ID     string          `json:"_id"`
		Source json.RawMessage `json:"_source"`
	}
	Needs []string
}

// OwnFixtures are what the suite's own cases search.
func OwnFixtures() (Fixtures, error) { return parseFixtures(ownFixtures) }

// RecordedFixtures are what the recorded cases search.
func RecordedFixtures(folder string) (Fixtures, error) {
	data, err := os.ReadFile(filepath.Join(folder, "fixtures.json"))
	if err != nil {
		return Fixtures{}, fmt.Errorf("read recorded fixtures: %w", err)
	}
	return parseFixtures(data)
}

func parseFixtures(data []byte) (f Fixtures, err error) {
	if err := json.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("read fixtures: %w", err)
	}
	return f, nil
}

// mark stands in the mapping of every index that is made here, so that no other
// one is ever replaced.
const mark = "rerankd-conformance"

// ErrForeignIndex reports an index of a fixture's name that the suite has not made.
var ErrForeignIndex = errors.New("the cluster has an index of this name that is not the suite's")

// Load makes the indices anew that the cluster can hold, and the aliases.
func (f Fixtures) Load(ctx context.Context, t Target, cluster Cluster) error {
	for name, index := range f.Indices {
		if cluster.cannotHold(index) {
			continue
		}
		if err := load(ctx, t, name, index); err != nil {
			return fmt.Errorf("load index %s: %w", name, err)
		}
	}
	for _, alias := range f.Aliases {
		if err := t.must(ctx, http.MethodPut, "/"+alias.Index+"/_alias/"+alias.Alias, ""); err != nil {
			return fmt.Errorf("make alias %s: %w", alias.Alias, err)
		}
	}
	return nil
}

// cannotHold reports needs that are not met, or a mapping with vectors that only
// Elasticsearch has.
func (c Cluster) cannotHold(index Index) bool {
	if c.OpenSearch {
		if mapping, err := json.Marshal(index.Create); err != nil || bytes.Contains(mapping, []byte(`"dense_vector"`)) {
			return true
		}
	}
	return slices.ContainsFunc(index.Needs, func(need string) bool { return !c.Has(need) })
}

// Remove removes the indices, for a cluster that stays.
func (f Fixtures) Remove(ctx context.Context, t Target) error {
	for name := range f.Indices {
		if err := t.must(ctx, http.MethodDelete, "/"+name+"?ignore_unavailable=true", ""); err != nil {
			return fmt.Errorf("remove index %s: %w", name, err)
		}
	}
	return nil
}

func load(ctx context.Context, t Target, name string, index Index) error {
	a, err := t.do(ctx, http.MethodGet, "/"+name+"/_mapping", "", nil)
	switch {
	case err != nil:
		return err
	case a.Status == http.StatusOK && !strings.Contains(string(a.Body), mark):
		return ErrForeignIndex
	case a.Status == http.StatusOK:
		if err := t.must(ctx, http.MethodDelete, "/"+name, ""); err != nil {
			return err
		}
	}
	create, err := marked(index.Create)
	if err != nil {
		return err
	}
	if err := t.must(ctx, http.MethodPut, "/"+name, create); err != nil {
		return err
	}
	var bulk strings.Builder
	for _, d := range index.Documents {
		source, err := compact(d.Source)
		if err != nil {
			return err
		}
		fmt.Fprintf(&bulk, "{\"index\":{\"_id\":%q}}\n%s\n", d.ID, source)
	}
	if bulk.Len() == 0 {
		return nil
	}
	return t.must(ctx, http.MethodPost, "/"+name+"/_bulk?refresh=true", bulk.String())
}

func marked(create map[string]any) (string, error) {
	mappings, ok := create["mappings"].(map[string]any)
	if !ok {
		mappings = map[string]any{}
	}
	mappings["_meta"] = map[string]any{"made_by": mark}
	if create == nil {
		create = map[string]any{}
	}
	create["mappings"] = mappings
	if create["settings"] == nil {
		create["settings"] = map[string]any{"number_of_shards": 1, "number_of_replicas": 0}
	}
	body, err := json.Marshal(create)
	return string(body), err
}

// must is do for requests that have to succeed; a bulk is one only if each of its
// parts did.
func (t Target) must(ctx context.Context, method, path, body string) error {
	a, err := t.do(ctx, method, path, body, nil)
	if err != nil {
		return err
	}
	if a.Status >= http.StatusMultipleChoices || bytes.Contains(a.Body, []byte(`"errors":true`)) {
		return fmt.Errorf("%s %s: status %d: %.500s", method, path, a.Status, a.Body)
	}
	return nil
}
