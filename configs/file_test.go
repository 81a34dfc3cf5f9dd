package configs_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rerankd/rerankd/configs"
)

// loadText loads one file and nothing else. The path is cut out of the error, so
// that it begins with line and column.
func loadText(t *testing.T, text string) (configs.Config, string) {
	t.Helper()
	path := write(t, text)
	c, err := configs.Load(configs.LoadOptions{Path: path})
	if err == nil {
		return c, ""
	}
	return c, strings.ReplaceAll(strings.ReplaceAll(err.Error(), path+":", ""), path, "")
}

func TestFilesThatSetNothingGiveTheDefault(t *testing.T) {
	for _, text := range []string{
		"", "\n", "# nothing\n", "---\n", "--- # nothing\n...\n", "{}\n", "cache:\n", "cache: {}\n", "cache: ~\n",
		"cache:\n  # bytes: 0\nlog:\n", "\ufeff# nothing\n",
	} {
		c, fault := loadText(t, text)
		if fault != "" {
			t.Errorf("%q: %s", text, fault)
		}
		if diff := cmp.Diff(configs.Default(), c); fault == "" && diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestOneValueMayBeWrittenInManyWays(t *testing.T) {
	for _, tc := range []struct{ text, path, want string }{
		{"listen: 0.0.0.0:80", "listen", "0.0.0.0:80"},
		{"\"listen\": \"0.0.0.0:80\"", "listen", "0.0.0.0:80"},
		{"'listen': '0.0.0.0:80' # all", "listen", "0.0.0.0:80"},
		{"listen:\n  0.0.0.0:80\n", "listen", "0.0.0.0:80"},
		{"\ufefflisten: 0.0.0.0:80\r\nlog: {level: warn}\r\n", "listen", "0.0.0.0:80"},
		{"admin: {listen: ''}", "admin.listen", ""},
		{"engine:\n  library: |-\n    /a\n", "engine.library", "/a"},
		{"engine: {library: 0755}", "engine.library", "0755"},
		{"engine: {library: true}", "engine.library", "true"},
		{"cache: {bytes: 0}", "cache.bytes", "0"},
		{"cache: {bytes: 65536}", "cache.bytes", "64KiB"},
		{"cache: {bytes: \"64KiB\"}", "cache.bytes", "64KiB"},
		{"cache: {bytes: 1MB}", "cache.bytes", "1000000"},
		{"rerank: {timeout: 90s}", "rerank.timeout", "1m30s"},
		{"rerank: {timeout: 2h}", "rerank.timeout", "2h"},
		{"upstream: {insecure_skip_verify: true}", "upstream.insecure_skip_verify", "true"},
		{"upstream:\n  urls:\n  - http://a:1\n  - 'http://b:2'\n", "upstream.urls", "http://a:1,http://b:2"},
		{"upstream: {urls: []}", "upstream.urls", ""},
		{"endpoints:\n- id: a\n  model: builtin\n- {model: /m, id: b}\n", "endpoints", "a=builtin,b=/m"},
	} {
		c, fault := loadText(t, tc.text)
		if fault != "" {
			t.Errorf("%q: %s", tc.text, fault)
			continue
		}
		for _, s := range c.Describe() {
			if s.Path == tc.path && s.Value != tc.want {
				t.Errorf("%q: %s = %q, want %q", tc.text, s.Path, s.Value, tc.want)
			}
		}
	}
}

func TestAFaultIsNamedByLineColumnAndPath(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"an unknown key", "limits:\n  windw: 5\n", "2:3: limits.windw: unknown key, did you mean limits.window?"},
		{"an unknown section", "limit:\n  window: 5\n", "1:1: limit: unknown key, did you mean limits?"},
		{"a key of another section", "window: 5\n", "1:1: window: unknown key, did you mean limits.window?"},
		{"a path as key", "limits.window: 5\n", "1:1: limits.window: unknown key, write window below limits"},
		{"a key like no other", "something: 5\n", "1:1: something: unknown key"},
		{"an unknown key of an endpoint", "endpoints:\n- {id: a, modal: b}\n", "2:11: endpoints[0].modal: unknown key, did you mean endpoints[0].model?"},
		{"a number as key", "1: 2\n", "1:1: 1: unknown key"},
		{"a key of another case", "Listen: x\n", "1:1: Listen: unknown key, did you mean listen?"},
		{"a key twice", "listen: a:1\nlisten: b:1\n", `2:1: mapping key "listen" already defined`},
		{"a section twice", "log: {level: warn}\nlog: {format: text}\n", `2:1: mapping key "log" already defined`},
		{"a bad number", "engine:\n  workers: 2.5\n", `2:12: engine.workers: want a whole number, got "2.5"`},
		{"a bad size", "cache:\n  bytes: 64mb\n", `2:10: cache.bytes: want a size like 65536, 64KiB or 10MB, got "64mb"`},
		{"a bad bool", "upstream: {insecure_skip_verify: yes}\n", "1:34: upstream.insecure_skip_verify: want true or false, got \"yes\""},
		{"no value", "listen:\n", "listen: want a single value, got nothing"},
		{"a list as value", "listen: [a, b]\n", "listen: want a single value, got a list"},
		{"keys as value", "listen: {host: a}\n", "listen: want a single value, got keys with values"},
		{"a value as list", "upstream: {urls: 'http://a:1'}\n", "upstream.urls: want a list, got a single value"},
		{"no list", "endpoints:\n", "endpoints: want a list, got nothing"},
		{"keys in a list", "upstream: {urls: [{a: b}]}\n", "upstream.urls[0]: want a single value, got keys with values"},
		{"a value as section", "cache: 64MiB\n", "1:8: cache: want keys with values, got a single value"},
		{"a list as section", "cache: [64MiB]\n", "cache: want keys with values, got a list"},
		{"a list as file", "- a\n", "want keys with values, got a list"},
		{"a value as file", "listen\n", "want keys with values, got a single value"},
		{"an anchor", "listen: &a x:1\n", "listen: want a single value, got an anchor"},
		{"an alias", "listen: &a x:1\nadmin: {listen: *a}\n", "admin.listen: want a single value, got an anchor, an alias"},
		{"a merge", "<<: {listen: a}\n", "want a plain key, got an anchor, an alias or a merge"},
		{"a tag", "listen: !!str x:1\n", "listen: want a single value, got a tag"},
		{"a question mark", "? listen\n: x:1\n", "want a plain key, got a key with a question mark"},
		{"two documents", "listen: a:1\n---\nlisten: b:1\n", "2 documents, want one"},
		{"a list without end", "upstream: {urls: [a\nlisten: b:1\n", ":"},
		{"a tab", "log:\n\tlevel: warn\n", ":"},
		{"no UTF-8", "listen: \xff\n", "not UTF-8"},
		{"UTF-16", "\xff\xfel\x00i\x00s\x00", "not UTF-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, fault := loadText(t, tc.text)
			if !strings.Contains(fault, tc.want) {
				t.Errorf("Load of %q = %q, want %q", tc.text, fault, tc.want)
			}
			if diff := cmp.Diff(configs.Config{}, c); diff != "" {
				t.Errorf("Load with an error gave settings:\n%s", diff)
			}
		})
	}
}

func TestAFileThatIsTooMuchIsRefused(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"too large", strings.Repeat("# comment\n", 7000), "is larger than 64KiB"},
		{"too many values", "upstream: {urls: [" + strings.Repeat("a,", 6000) + "]}", "more than 8192 tokens"},
		{"lists in lists", strings.Repeat("[", 60000), "more than 8192 tokens"},
		{"fewer lists in lists", strings.Repeat("[", 5000), "1:17: nested deeper than 16"},
		{"keys in keys", strings.Repeat("{a: ", 1000), "nested deeper than 16"},
		{"dashes", "endpoints: \n" + strings.Repeat("- ", 8000) + "a", "endpoints[0]: want keys with values, got a list"},
		{"question marks", strings.Repeat("? ", 8000) + "a", "1:3: "},
		{"tags", "listen: " + strings.Repeat("!a ", 8000) + "b", "1:13: "},
		{"a long key", strings.Repeat("k", 60000) + ": 1", "unknown key"},
		{"a long key twice", strings.Repeat(strings.Repeat("k", 20000)+": 1\n", 2), "2:1: mapping key"},
		{"a long value", "engine: {workers: " + strings.Repeat("9", 60000) + "}", "want a whole number"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, fault := loadText(t, tc.text)
			if !strings.Contains(fault, tc.want) || len(fault) > 500 {
				t.Errorf("Load = %.500q, want %q", fault, tc.want)
			}
		})
	}
}

func TestAFileThatIsNotThereIsAnError(t *testing.T) {
	for _, path := range []string{t.TempDir() + "/none.yaml", t.TempDir()} {
		if _, err := configs.Load(configs.LoadOptions{Path: path}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Load of %s: %v, want an error that names it", path, err)
		}
	}
}

func TestASyntaxErrorDoesNotShowWhatTheFileHolds(t *testing.T) {
	for _, text := range []string{
		"admin:\n  token: |hunter2\n", "admin:\n  token: \"hunter2\n", "admin: {token: hunter2\n", "admin:\n  token: !hunter2{ x\n",
		"admin:\n  token: @hunter2\n", "%YAML hunter2\n---\n", "admin:\n  token: hunter2\n bad: [\n",
	} {
		if _, fault := loadText(t, text); fault == "" || strings.Contains(fault, "hunter2") {
			t.Errorf("%q: fault %q", text, fault)
		}
	}
}
