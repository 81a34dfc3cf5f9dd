package xcontent_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/internal/xcontent"
)

func TestYAMLIsWrittenAsElasticsearchWritesIt(t *testing.T) {
	in := `{"took":0,"hits":{"total":{"value":1,"relation":"eq"},"max_score":1.0E-5,"hits":[{"_id":"a \"b\"","sort":[1.50,[2,[]],null],"f":{}},{"true":true,"a b":"é\n"}]},"e":[]}`
	want := `---
took: 0
hits:
  total:
    value: 1
    relation: "eq"
  max_score: 1.0E-5
  hits:
  - _id: "a \"b\""
    sort:
    - 1.50
    - - 2
      - []
    - null
    f: {}
  - "true": true
    a b: "é\n"
e: []
`
	got, err := xcontent.FromJSON(xcontent.YAML, []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	for _, top := range []string{`{}`, `[1,{"a":1}]`} {
		got, err := xcontent.FromJSON(xcontent.YAML, []byte(top))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := xcontent.ToJSON(xcontent.YAML, got); err != nil || string(back) != top {
			t.Errorf("%s became %q and %s, %v", top, got, back, err)
		}
	}
}

func TestCBORIsWrittenAsElasticsearchWritesIt(t *testing.T) {
	got, err := xcontent.FromJSON(xcontent.CBOR, []byte(`{"took":0,"t":false,"l":["ä",null,-1,1.5,12345678901]}`))
	if want := "bf64746f6f6b00" + "6174f4" + "616c9f" + "62c3a4f620" + "fb3ff8000000000000" + "1b00000002dfdc1c35" + "ffff"; err != nil || hex.EncodeToString(got) != want {
		t.Errorf("got %x, %v, want %s", got, err, want)
	}
}

func TestBodiesAreReadAsJSON(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    xcontent.Format
		in   string
		want string
	}{
		{"block", xcontent.YAML, "---\nsize: 1\nquery:\n  match:\n    title: \"red <fox>\"\n", `{"size":1,"query":{"match":{"title":"red <fox>"}}}`},
		{"flow", xcontent.YAML, "{size: 1.5, list: [a, true, null, 0x10, -3]}", `{"size":1.5,"list":["a",true,null,16,-3]}`},
		{"blank lines", xcontent.YAML, "a: |\n  x" + strings.Repeat("\r\n", 64) + "  y", `{"a":"x` + strings.Repeat(`\n`, 64) + `y"}`},
		{"one pair", xcontent.YAML, "a: b", `{"a":"b"}`},
		{"lines of text", xcontent.YAML, "a: |\n  x\n  y\nb: >\n  x\n  y\n", `{"a":"x\ny\n","b":"x y\n"}`},
		{"names that are numbers", xcontent.YAML, "{1: a, true: b}", `{"1":"a","true":"b"}`},
		{"JSON is YAML", xcontent.YAML, `{"a": ["b"]}`, `{"a":["b"]}`},
		{"CBOR", xcontent.CBOR, "\xbf\x64size\x01\x61f\xfb\x3f\xf8\x00\x00\x00\x00\x00\x00\x61l\x9f\x61a\xf6\xff\xff", `{"f":1.5,"l":["a",null],"size":1}`},
		{"CBOR that says so", xcontent.CBOR, "\xd9\xd9\xf7\xa1\x61a\x01", `{"a":1}`},
		{"JSON", xcontent.JSON, `{"a": 1}`, `{"a": 1}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := xcontent.ToJSON(tc.f, []byte(tc.in))
			if err != nil || string(got) != tc.want {
				t.Errorf("got %s, %v, want %s", got, err, tc.want)
			}
		})
	}
}

func TestHostileBodiesAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		f    xcontent.Format
		in   string
	}{
		{"alias", xcontent.YAML, "a: &x 1\nb: *x\n"},
		{"tag", xcontent.YAML, "a: !!binary aGk=\n"},
		{"merge", xcontent.YAML, "a: &x {b: 1}\nc: {<<: *x}\n"},
		{"two documents", xcontent.YAML, "a: 1\n---\nb: 2\n"},
		{"no document", xcontent.YAML, ""},
		{"infinity", xcontent.YAML, "a: .inf"},
		{"no YAML", xcontent.YAML, "a: [1"},
		{"no UTF-8", xcontent.YAML, "a: \xff"},
		{"large", xcontent.YAML, "a: " + strings.Repeat("x", 300<<10)},
		{"many parts", xcontent.YAML, "[" + strings.Repeat("1,", 40000) + "1]"},
		{"blank lines", xcontent.YAML, "a: |\n  " + strings.Repeat(" \n", 100<<10)},
		{"deep brackets", xcontent.YAML, strings.Repeat("[", 1000) + strings.Repeat("]", 1000)},
		{"deep lines", xcontent.YAML, deepYAML(1000)},
		{"deep dashes", xcontent.YAML, strings.Repeat("- ", 1000) + "a"},
		{"a name twice", xcontent.CBOR, "\xa2\x61a\x01\x61a\x02"},
		{"a name that is no text", xcontent.CBOR, "\xa1\x01\x02"},
		{"deep CBOR", xcontent.CBOR, strings.Repeat("\x81", 1000) + "\x01"},
		{"a length that isn't there", xcontent.CBOR, "\x9a\xff\xff\xff\xff\x01"},
		{"many parts of CBOR", xcontent.CBOR, "\x8a" + strings.Repeat("\x9a\x00\x01\xff\x00"+strings.Repeat("\xa0", 0x1ff00), 10)},
		{"a tag of CBOR", xcontent.CBOR, "\xc2\x41\x01"},
		{"not a number", xcontent.CBOR, "\xf9\x7e\x00"},
		{"more than one value", xcontent.CBOR, "\x01\x02"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := xcontent.ToJSON(tc.f, []byte(tc.in)); !errors.Is(err, xcontent.ErrSyntax) {
				t.Errorf("read as %.100s, %v", got, err)
			}
		})
	}
	for _, in := range []string{``, `{`, `{"a"}`, `1 2`, `nul`, strings.Repeat("[", 2000) + strings.Repeat("]", 2000)} {
		for _, f := range []xcontent.Format{xcontent.YAML, xcontent.CBOR} {
			if got, err := xcontent.FromJSON(f, []byte(in)); !errors.Is(err, xcontent.ErrSyntax) {
				t.Errorf("%s of %.20s: %q, %v", f, in, got, err)
			}
		}
	}
	for _, convert := range []func(xcontent.Format, []byte) ([]byte, error){xcontent.ToJSON, xcontent.FromJSON} {
		if _, err := convert(xcontent.Smile, []byte(`{}`)); !errors.Is(err, xcontent.ErrFormat) {
			t.Errorf("Smile: %v", err)
		}
	}
}

// A list a thousand deep has lines a thousand wide.
func TestYAMLThatWouldBeFarLargerThanItsJSONIsNotWritten(t *testing.T) {
	for depth, written := range map[int]bool{10: true, 900: false} {
		in := strings.Repeat("[", depth) + strings.Repeat("1,", 50_000) + "1" + strings.Repeat("]", depth)
		out, err := xcontent.FromJSON(xcontent.YAML, []byte(in))
		if written != (err == nil) || !written && !errors.Is(err, xcontent.ErrSyntax) {
			t.Errorf("%d deep: %d bytes became %d, %v", depth, len(in), len(out), err)
		}
	}
}

func deepYAML(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

func TestFormatsAreNamedByMediaTypes(t *testing.T) {
	for _, tc := range []struct {
		in, version string
		f           xcontent.Format
	}{
		{"application/json", "", xcontent.JSON},
		{"Application/YAML; charset=utf-8", "", xcontent.YAML},
		{"application/vnd.elasticsearch+cbor; compatible-with=8", "8", xcontent.CBOR},
		{"application/vnd.elasticsearch+smile;compatible-with=9", "9", xcontent.Smile},
		{"text/plain", "", ""},
		{"yaml", "", ""},
		{"*/*", "", ""},
		{"application/yaml,application/json", "", ""},
		{"application/x-ndjson", "", ""},
	} {
		f, version, ok := xcontent.Of(tc.in)
		if f != tc.f || version != tc.version || ok != (tc.f != "") {
			t.Errorf("%s is %q version %q, %v", tc.in, f, version, ok)
		}
	}
	if got := xcontent.YAML.MediaType("8"); got != "application/vnd.elasticsearch+yaml;compatible-with=8" {
		t.Errorf("vendor form %s", got)
	}
	if got := xcontent.CBOR.MediaType(""); got != "application/cbor" {
		t.Errorf("plain form %s", got)
	}
}

// Whatever the value, it comes back out of a format as it went in.
func FuzzThereAndBack(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5,{"b":null,"c d":"x\ny"}],"":{},"y":[[],[[1]]]}`, `"a: b"`, `[{"a":[]},[{"b":"#"}]]`, `{"\u007f":"\u0085\ufeff- x"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var want any
		if len(in) > 4<<10 || !utf8.Valid(in) || json.Unmarshal(in, &want) != nil {
			return
		}
		for _, format := range []xcontent.Format{xcontent.YAML, xcontent.CBOR} {
			out, err := xcontent.FromJSON(format, in)
			if err != nil {
				continue // a number out of range, or too deep
			}
			back, err := xcontent.ToJSON(format, out)
			if err != nil {
				continue // a name twice, which JSON allows, or the limits of a body
			}
			if d := cmp.Diff(want, value(t, back)); d != "" {
				t.Fatalf("%s through %s:\n%s\n%s", in, format, out, d)
			}
		}
	})
}

func value(t *testing.T, in []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(in, &v); err != nil {
		t.Fatalf("%s: %v", in, err)
	}
	return v
}

// Whatever the bytes, a body that is read gives JSON.
func FuzzToJSON(f *testing.F) {
	f.Add([]byte("a:\n- b: [1, 0x1F, 1_000, .5, 1e3]\n  c: 'it''s'\n"))
	f.Add([]byte("\xbf\x61a\x9f\x01\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4<<10 {
			return
		}
		for _, format := range []xcontent.Format{xcontent.YAML, xcontent.CBOR} {
			if out, err := xcontent.ToJSON(format, in); err == nil && !json.Valid(out) {
				t.Fatalf("%q of %s became %s", in, format, out)
			}
		}
	})
}
