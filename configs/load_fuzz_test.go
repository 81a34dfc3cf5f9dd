package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// Whatever the file holds, reading it ends with settings or an error of a
// readable length, and settings that are valid mean the same when they are
// written as YAML and read again.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("example files: %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, seed := range []string{
		"", "\ufefflisten: a:1\r\n", "listen: \xff", "? listen\n: x", "listen: &a x\nlog: {level: *a}", "<<: {}",
		"listen: !!str x", "- a", "a: b: c", "listen: |\n  x\n", "%YAML 1.2\n---\nlisten: :1\n...\n", "---\n---\n",
		"endpoints: [{id: a, model: 'b c'}, {id: b, model: \"\\u00e9\"}]\nrerank: {default_endpoint: a}",
		"upstream: {urls: [http://a:1, 'https://[::1]:2/']}", "cache: {bytes: 1MB}\nrerank: {timeout: 1.5s}",
		"admin: {token: '********'}", "admin: {token: x y}", "engine: {library: '\\x00'}",
		strings.Repeat("[", 50), strings.Repeat("{a: ", 20), "endpoints: " + strings.Repeat("- ", 50) + "a",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxFileBytes {
			t.Skip("larger than a file may be")
		}
		c := Default()
		if err := decode(&c, "f", text); err != nil {
			if longest := longestLine(err.Error()); longest > 1000 {
				t.Errorf("an error has a line of %d bytes", longest)
			}
			return
		}
		if err := c.Validate(); err != nil {
			return
		}
		// Quoted: the library writes some plain texts (`? c`) that it can't read.
		written, err := yaml.MarshalWithOptions(c, yaml.JSON())
		if err != nil {
			t.Fatalf("write %+v: %v", c, err)
		}
		again := Default()
		if err := decode(&again, "f", written); err != nil {
			t.Fatalf("read again: %v\n%s", err, written)
		}
		again.Admin.Token = c.Admin.Token // only its mask was written
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("read, written and read again (-first +second):\n%s\n%s", diff, written)
		}
	})
}

func longestLine(s string) int {
	longest := 0
	for line := range strings.Lines(s) {
		longest = max(longest, len(line))
	}
	return longest
}
