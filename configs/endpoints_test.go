package configs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

func TestEndpointsMeanTheSameInEverySpelling(t *testing.T) {
	want := []configs.Endpoint{
		{ID: "a", Model: "/m=n"},
		{ID: "b", Model: "builtin", Deadline: 200 * time.Millisecond, First: "/small", Keep: 30},
		{ID: "c", Model: "x", Deadline: time.Minute, Patience: 8},
		{ID: "d", Model: "x", TopN: 5, ScoresOnly: true, LongDocuments: "chunk", MaxChunks: 2},
	}
	const text = "a=/m=n,b=builtin;deadline=200ms;first=/small;keep=30,c=x;deadline=1m;patience=8,d=x;top_n=5;scores_only=true;long_document_strategy=chunk;max_chunks_per_doc=2"
	const yaml = "endpoints:\n- {id: a, model: /m=n}\n- {id: b, model: builtin, deadline: 200ms, first: /small, keep: 30}\n- {id: c, model: x, deadline: 1m, patience: 8}\n" +
		"- {id: d, model: x, top_n: 5, scores_only: true, long_document_strategy: chunk, max_chunks_per_doc: 2}\n"
	for _, o := range []configs.LoadOptions{{Path: write(t, yaml)}, {Flags: map[string]string{"endpoints": text}}} {
		c, err := configs.Load(o)
		if err != nil && !strings.Contains(err.Error(), "default_endpoint") {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, c.Endpoints); diff != "" {
			t.Errorf("endpoints (-want +got):\n%s", diff)
		}
		shown := ""
		for _, s := range c.Describe() {
			if s.Path == "endpoints" {
				shown = s.Value
			}
		}
		if shown != text {
			t.Errorf("shown as %q, want %q", shown, text)
		}
	}
	for _, bad := range []string{"a=b;deadline", "a=b;deadline=soon", "a=b;keep=x", "a=b;patience=x", "a=b;top_n=x", "a=b;scores_only=yes", "a=b;depth=3", "a=b;"} {
		if _, err := configs.Load(configs.LoadOptions{Flags: map[string]string{"endpoints": bad}}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
