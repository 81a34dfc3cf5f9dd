package configs

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// setText sets the setting that v holds from its text in a file, a variable or a
// flag. Nothing is set when there is an error.
func setText(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *string:
		*p = text
	case *Secret:
		*p = Secret(text)
	case *bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("want true or false, got %q", clip(text))
		}
		*p = text == "true"
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("want a whole number, got %q", clip(text))
		}
		*p = n
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("want a duration such as 30s or 5m, got %q", clip(text))
		}
		*p = d
	case *ByteSize:
		return p.UnmarshalText([]byte(text))
	case *[]string:
		*p = splitList(text)
	case *[]Endpoint:
		list, err := parseEndpoints(text)
		if err != nil {
			return err
		}
		*p = list
	case *[]Rule:
		list, err := parseRules(text)
		if err != nil {
			return err
		}
		*p = list
	default:
		panic(fmt.Sprintf("configs: setting of type %s", v.Type()))
	}
	return nil
}

// textOf is what setText reads, but for secrets, which are masked.
func textOf(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return durationText(x)
	case []string:
		return strings.Join(x, ",")
	case []Endpoint:
		list := make([]string, len(x))
		for i, e := range x {
			list[i] = e.String()
		}
		return strings.Join(list, ",")
	case []Rule:
		texts := make([]string, len(x))
		for i, r := range x {
			texts[i] = r.String()
		}
		return strings.Join(texts, ",")
	default:
		return fmt.Sprint(x)
	}
}

func typeName(v reflect.Value) string {
	switch v.Interface().(type) {
	case Secret:
		return "secret"
	case bool:
		return "bool"
	case int:
		return "number"
	case time.Duration:
		return "duration"
	case ByteSize:
		return "size"
	case []string, []Endpoint, []Rule:
		return "list"
	default:
		return "string"
	}
}

// durationText is d without the units that are zero: 2m, not 2m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func splitList(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}
