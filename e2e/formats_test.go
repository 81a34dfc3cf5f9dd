package e2e

import (
	"bytes"
	"compress/zlib"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/internal/xcontent"
)

// Elasticsearch's YAML breaks long texts, which is but another way to write them.
var (
	yamlTook  = regexp.MustCompile(`(?m)^took: \d+$`)
	yamlBreak = regexp.MustCompile(`\\\n *\\`)
)

// What this program makes of a JSON answer is, to the byte but for the breaking of
// long texts, the YAML that Elasticsearch itself answers, and in value its CBOR.
func TestAnswersAreWrittenAsElasticsearchWritesThem(t *testing.T) {
	itemIndex(t)
	base := cluster(t).URL
	for _, body := range []string{
		`{"query":{"match":{"title":"apple"}},"highlight":{"fields":{"title":{}}},"fields":["multi","n"],"explain":true,"_source":["n","title"]}`,
		`{"size":0,"aggs":{"by tag":{"terms":{"field":"tag"},"aggs":{"n":{"stats":{"field":"n"}}}}}}`,
		`{"query":{"match_all":{}},"_source":{"excludes":["big"]},"sort":["n"],"suggest":{"s":{"text":"aple","term":{"field":"title"}}}}`,
		`{"query":{"no_such":{}}}`,
		`{"size":0,"profile":false,"from":-1}`,
	} {
		plain := send(t, http.MethodPost, base+"/e2e-items/_search", body)
		asYAML := send(t, http.MethodPost, base+"/e2e-items/_search?format=yaml", body)
		got, err := xcontent.FromJSON(xcontent.YAML, plain.Body)
		if err != nil {
			t.Fatal(err)
		}
		steady := func(text []byte) string {
			return yamlBreak.ReplaceAllString(yamlTook.ReplaceAllString(string(text), "took: 0"), "")
		}
		if d := cmp.Diff(steady(asYAML.Body), steady(got)); d != "" {
			t.Errorf("%s\nElasticsearch's YAML (-) and this program's (+):\n%s", body, d)
		}
		inCBOR, err := xcontent.FromJSON(xcontent.CBOR, plain.Body)
		if err != nil {
			t.Fatal(err)
		}
		theirs := send(t, http.MethodPost, base+"/e2e-items/_search", body, "Accept", "application/cbor")
		if d := cmp.Diff(fromCBOR(t, theirs.Body), fromCBOR(t, inCBOR)); d != "" {
			t.Errorf("%s\nElasticsearch's CBOR (-) and this program's (+):\n%s", body, d)
		}
	}
}

// fromCBOR reads a search's answer, without its time. Numbers are cut to single
// precision: Elasticsearch writes scores in it.
func fromCBOR(t *testing.T, data []byte) any {
	t.Helper()
	text, err := xcontent.ToJSON(xcontent.CBOR, data)
	if err != nil {
		t.Fatalf("read %x: %v", data, err)
	}
	v := decode[map[string]any](t, text)
	delete(v, "took")
	return single(v)
}

func single(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = single(v[name])
		}
		return v
	case []any:
		for i := range v {
			v[i] = single(v[i])
		}
		return v
	case float64:
		return float32(v)
	}
	return v
}

// A reranked search in YAML, CBOR or a compressed body gets what it gets in JSON, in
// the form that it asks for.
func TestSearchesInOtherFormatsAreRerankedAlike(t *testing.T) {
	itemIndex(t)
	p := startProxy(t, nil)
	target := p.url + "/e2e-items/_search"
	body := feature{beside: `"size":2,"_source":["n"]`}.body()
	want := timeless(t, send(t, http.MethodPost, target, body))
	inYAML, err := xcontent.FromJSON(xcontent.YAML, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	inCBOR, err := xcontent.FromJSON(xcontent.CBOR, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var deflated bytes.Buffer
	w := zlib.NewWriter(&deflated)
	_, _ = w.Write([]byte(body)) // into memory it can't fail
	_ = w.Close()
	const vendor = "application/vnd.elasticsearch+"
	for _, tc := range []struct {
		name, query, body string
		header            []string
		media             string
	}{
		{"YAML", "", string(inYAML), []string{"Content-Type", "application/yaml"}, "application/yaml"},
		{"YAML for JSON", "", string(inYAML), []string{"Content-Type", "application/yaml", "Accept", "application/json"}, "application/json"},
		{"CBOR", "", string(inCBOR), []string{"Content-Type", "application/cbor"}, "application/cbor"},
		{"JSON for YAML", "?format=yaml", body, nil, "application/yaml"},
		{"JSON for CBOR", "", body, []string{"Accept", "application/cbor"}, "application/cbor"},
		{
			"the vendor form", "", string(inCBOR),
			[]string{"Content-Type", vendor + "cbor; compatible-with=8", "Accept", vendor + "yaml;compatible-with=8"},
			vendor + "yaml;compatible-with=8",
		},
		{"a list", "", body, []string{"Accept", "text/html,application/yaml"}, "application/json"},
		{"deflate", "", deflated.String(), []string{"Content-Encoding", "deflate"}, "application/json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := send(t, http.MethodPost, target+tc.query, tc.body, tc.header...)
			if a.Status != http.StatusOK || a.Header.Get("Content-Type") != tc.media || a.Header.Get("X-Rerankd-Outcome") != "reranked" {
				t.Fatalf("%v\n%s", a.Header, a)
			}
			format, _, _ := xcontent.Of(tc.media)
			back, err := xcontent.ToJSON(format, a.Body)
			if err != nil {
				t.Fatal(err)
			}
			got := decode[map[string]any](t, back)
			delete(got, "took")
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("in JSON (-) and in this form (+):\n%s", d)
			}
		})
	}
	t.Run("errors", func(t *testing.T) {
		for name, bad := range map[string]string{
			"of the cluster": feature{child: `{"standard":{"query":{"no_such":{}}}}`}.body(), "of this program": strings.Replace(body, `"field"`, `"fields"`, 1),
		} {
			plain := send(t, http.MethodPost, target, bad)
			a := send(t, http.MethodPost, target+"?format=yaml", bad)
			want, err := xcontent.FromJSON(xcontent.YAML, plain.Body)
			if err != nil || a.Status != http.StatusBadRequest || plain.Status != a.Status || a.Header.Get("Content-Type") != "application/yaml" {
				t.Fatalf("%s: %v, %v\n%s", name, err, a.Header, a)
			}
			if d := cmp.Diff(string(want), string(a.Body)); d != "" {
				t.Errorf("%s:\n%s", name, d)
			}
		}
	})
	t.Run("several searches", func(t *testing.T) {
		a := send(t, http.MethodPost, p.url+"/_msearch?format=yaml", `{"index":"e2e-items"}`+"\n"+body+"\n{}\n{\"size\":0}\n", "Content-Type", "application/x-ndjson")
		back, err := xcontent.ToJSON(xcontent.YAML, a.Body)
		if err != nil || a.Header.Get("Content-Type") != "application/yaml" {
			t.Fatalf("%v\n%s", err, a)
		}
		list := decode[struct{ Responses []map[string]any }](t, back).Responses
		for _, one := range list {
			delete(one, "took")
			delete(one, "status")
		}
		if len(list) != 2 {
			t.Fatal(a)
		}
		if d := cmp.Diff(want, list[0]); d != "" {
			t.Error(d)
		}
	})
}
