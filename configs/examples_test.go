package configs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEveryExampleFileLoadsAndIsValid(t *testing.T) {
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("example files: %q, %v, want three at least", files, err)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			c, err := Load(LoadOptions{Path: file})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The file is read over values that are nobody's default, so that a key it
// forgets shows.
func TestTheDefaultFileNamesEveryKeyWithItsDefault(t *testing.T) {
	text, err := os.ReadFile("default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := strange(t)
	if err := decode(&c, "default.yaml", text); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), c); diff != "" {
		t.Errorf("default.yaml against Default (-want +got):\n%s", diff)
	}
}

func TestTheMinimalFileIsTheDefaultInEverything(t *testing.T) {
	c, err := Load(LoadOptions{Path: "minimal.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), c); diff != "" {
		t.Errorf("minimal.yaml against Default (-want +got):\n%s", diff)
	}
}

// strange returns a Config that differs from the default in every setting.
func strange(t *testing.T) Config {
	t.Helper()
	c, defaults := Default(), Default()
	for _, l := range leaves {
		switch p := l.in(&c).Addr().Interface().(type) {
		case *string:
			*p += "x"
		case *Secret:
			*p += "x"
		case *bool:
			*p = !*p
		case *int:
			*p += 3
		case *ByteSize:
			*p += 3
		case *time.Duration:
			*p += 3 * time.Second
		case *[]string:
			*p = append(*p, "x")
		case *[]Endpoint:
			*p = append(*p, Endpoint{ID: "x", Model: "y"})
		case *[]Rule:
			*p = append(*p, Rule{Index: "x*", Field: "y", Window: 3, Apply: RuleApplyAlways})
		default:
			t.Fatalf("%s has type %T: teach this test to change it", l.path, p)
		}
		if cmp.Equal(l.in(&c).Interface(), l.in(&defaults).Interface()) {
			t.Fatalf("%s was not changed", l.path)
		}
	}
	return c
}
