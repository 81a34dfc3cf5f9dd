package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// tolerance is the relative distance up to which two numbers are equal.
const tolerance = 1e-5

// Diff tells where got isn't what want asks for; "" is nowhere. Of objects the
// members that want names must be there, others may be; arrays must have the same
// length; numbers may differ by 1e-5 of their size; a string in slashes is a
// regular expression for the whole of a string.
func Diff(want, got any) string { return differ{}.diff("", want, got) }

// differ compares; exact wants no members but those that want names.
type differ struct{ exact bool }

func (d differ) diff(at string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		return d.object(at, want, got)
	case []any:
		return d.array(at, want, got)
	case float64:
		if n, ok := got.(float64); ok && near(want, n) {
			return ""
		}
	case string:
		if matches(want, got) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s: want %s, got %s\n", place(at), show(want), show(got))
}

func (d differ) object(at string, want map[string]any, got any) string {
	have, ok := got.(map[string]any)
	if !ok {
		return fmt.Sprintf("%s: want an object, got %s\n", place(at), show(got))
	}
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, there := have[name]
		if !there {
			fmt.Fprintf(&all, "%s: want %s, is not there\n", place(at+"."+name), show(want[name]))
			continue
		}
		all.WriteString(d.diff(at+"."+name, want[name], value))
	}
	if d.exact {
		for _, name := range slices.Sorted(maps.Keys(have)) {
			if _, known := want[name]; !known {
				fmt.Fprintf(&all, "%s: want nothing, got %s\n", place(at+"."+name), show(have[name]))
			}
		}
	}
	return all.String()
}

func (d differ) array(at string, want []any, got any) string {
	have, ok := got.([]any)
	if !ok || len(have) != len(want) {
		return fmt.Sprintf("%s: want %d elements, got %s\n", place(at), len(want), show(got))
	}
	var all strings.Builder
	for i := range want {
		all.WriteString(d.diff(at+"."+strconv.Itoa(i), want[i], have[i]))
	}
	return all.String()
}

func near(a, b float64) bool { return math.Abs(a-b) <= tolerance*max(math.Abs(a), math.Abs(b)) }

func matches(want string, got any) bool {
	text, ok := got.(string)
	if !ok {
		return false
	}
	if pattern, ok := strings.CutPrefix(want, "/"); ok && strings.HasSuffix(pattern, "/") {
		expression, err := regexp.Compile("(?s)^(?:" + strings.TrimSuffix(pattern, "/") + ")$")
		return err == nil && expression.MatchString(text)
	}
	return want == text
}

func place(at string) string {
	if at == "" {
		return "the answer"
	}
	return at[1:]
}

func show(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(text) > 600 {
		return string(text[:600]) + "…"
	}
	return string(text)
}

// at collects the values at a path of names separated by dots, where * is each
// element of an array and a number one of them.
func at(v any, path string) []any {
	found := []any{v}
	for part := range strings.SplitSeq(path, ".") {
		var next []any
		for _, v := range found {
			switch v := v.(type) {
			case map[string]any:
				if value, ok := v[part]; ok {
					next = append(next, value)
				}
			case []any:
				if i, err := strconv.Atoi(part); err == nil && i < len(v) {
					next = append(next, v[i])
				} else if part == "*" {
					next = append(next, v...)
				}
			}
		}
		found = next
	}
	return found
}

// volatile are the members that differ from answer to answer. Recorded answers come
// without them.
var volatile = []string{"took", "_shards", "pit_id", "node", "_node", "failed_shards", "index_uuid", "shard"}

// Steady is a decoded answer without what differs from one to the next: times,
// shards and ids, at any depth.
func Steady(v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, value := range v {
			if !slices.Contains(volatile, name) {
				kept[name] = Steady(value)
			}
		}
		return kept
	case []any:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = Steady(value)
		}
		return list
	}
	return v
}
