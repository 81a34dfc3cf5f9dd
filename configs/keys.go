package configs

import (
	"log/slog"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// Key describes one setting.
type Key struct {
	// Path is the name in the YAML file, sections before a dot. The flag is the
	// same after two dashes.
	Path string
	// Env is the environment variable.
	Env string
	// Type is one of string, secret, bool, number, duration, size and list.
	Type string
	// Default is what a variable or flag would say to mean it; empty for nothing.
	Default string
	// Doc is the meaning, in words that stand without the path.
	Doc string
	// Limits is what is accepted beyond the type; empty when there is no limit.
	Limits string
}

// Keys lists every setting in the order of the file.
func Keys() []Key {
	defaults := Default()
	keys := make([]Key, len(leaves))
	for i, l := range leaves {
		value := l.in(&defaults)
		keys[i] = Key{
			Path: l.path, Env: envName(l.path), Type: typeName(value), Default: textOf(value),
			Doc: l.field.Tag.Get("usage"), Limits: l.field.Tag.Get("limits"),
		}
	}
	return keys
}

// Setting is the path of a key with its value as text.
type Setting struct {
	Path, Value string
}

// Describe lists the value of every key in the order of [Keys], secrets masked.
func (c Config) Describe() []Setting {
	c.Upstream.URLs = redact(c.Upstream.URLs)
	settings := make([]Setting, len(leaves))
	for i, l := range leaves {
		settings[i] = Setting{l.path, textOf(l.in(&c))}
	}
	return settings
}

// LogValue is [Config.Describe] for a log line, one attribute a key.
func (c Config) LogValue() slog.Value {
	settings := c.Describe()
	attrs := make([]slog.Attr, len(settings))
	for i, s := range settings {
		attrs[i] = slog.String(s.Path, s.Value)
	}
	return slog.GroupValue(attrs...)
}

// redact hides the secrets in addresses that no [Config.Validate] has seen.
func redact(urls []string) []string {
	safe := make([]string, len(urls))
	for i, raw := range urls {
		safe[i] = redacted(raw)
	}
	return safe
}

// redacted is the address without what may be secret in it (user, password, query
// and fragment), or a note that it is no address.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || strings.Contains(u.Path, "@") || strings.Contains(u.Host, "@") {
		return "(not an address)"
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	if u.RawQuery != "" {
		u.RawQuery = "xxxxx"
	}
	if u.Fragment != "" {
		u.Fragment, u.RawFragment = "xxxxx", ""
	}
	return clip(u.String())
}

// leaf is the place of a setting in a Config.
type leaf struct {
	path  string
	field reflect.StructField
	index []int
}

var leaves = leavesOf(reflect.TypeFor[Config](), "", nil)

// in returns the setting within c, to read or to set.
func (l leaf) in(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(l.index) }

func leavesOf(t reflect.Type, prefix string, index []int) []leaf {
	var found []leaf
	for f := range t.Fields() {
		path := prefix + f.Tag.Get("yaml")
		at := append(slices.Clip(index), f.Index...)
		if f.Type.Kind() == reflect.Struct {
			found = append(found, leavesOf(f.Type, path+".", at)...)
			continue
		}
		found = append(found, leaf{path, f, at})
	}
	return found
}

// envPrefix leads the name of every variable.
const envPrefix = "RERANKD_"

func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
