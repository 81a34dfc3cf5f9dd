package configs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// LoadOptions are the places that a configuration is read from. The zero value
// gives [Default].
type LoadOptions struct {
	// Path is the YAML file; empty: the one that the variable RERANKD_CONFIG
	// names, or none.
	Path string
	// Env looks a variable up, as os.LookupEnv does; nil: there are none. A
	// variable that is set to nothing counts as set.
	Env func(name string) (string, bool)
	// Environ lists the variables that there are, as os.Environ does. Those of
	// this program's prefix that it does not know are an error. Values are not
	// taken from here. May be nil: then unknown variables go unnoticed.
	Environ []string
	// Flags are values by path, without the dashes.
	Flags map[string]string
}

// fileVariable names the configuration file.
const fileVariable = envPrefix + "CONFIG"

// reserved variables carry the prefix but are no settings: they steer where the
// native libraries come from.
var reserved = []string{
	fileVariable, envPrefix + "CACHE", envPrefix + "ONNXRUNTIME", envPrefix + "TOKENIZERS",
	envPrefix + "NATIVE_SOURCES",
}

// Load reads the file over [Default], the variables over that, and the flags over
// those. A list that is given replaces the one below as a whole. The error joins
// everything that could not be understood, each with its place: file, line and
// column, or the name of the variable or flag; then the Config is of no use.
// Whether the values make sense together is for [Config.Validate] to say.
func Load(o LoadOptions) (Config, error) {
	c := Default()
	env := o.Env
	if env == nil {
		env = func(string) (string, bool) { return "", false }
	}
	path := o.Path
	if path == "" {
		path, _ = env(fileVariable)
	}
	var errs []error
	if path != "" {
		errs = append(errs, loadFile(&c, path))
	}
	errs = append(errs, loadEnv(&c, env, o.Environ), loadFlags(&c, o.Flags))
	if err := errors.Join(errs...); err != nil {
		return Config{}, err
	}
	return c, nil
}

func loadEnv(c *Config, env func(string) (string, bool), environ []string) error {
	var errs []error
	names := make([]string, len(leaves))
	for i, l := range leaves {
		names[i] = envName(l.path)
		if text, set := env(names[i]); set {
			if err := setText(l.in(c), text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", names[i], err))
			}
		}
	}
	known := append(names, reserved...)
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("%s: unknown variable%s", name, suggest(name, known)))
		}
	}
	return errors.Join(errs...)
}

func loadFlags(c *Config, flags map[string]string) error {
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(flags)) {
		at := slices.IndexFunc(leaves, func(l leaf) bool { return l.path == path })
		if at < 0 {
			errs = append(errs, fmt.Errorf("--%s: unknown flag%s", path, suggest(path, paths())))
			continue
		}
		if err := setText(leaves[at].in(c), flags[path]); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

// paths lists the path of every setting.
func paths() []string {
	list := make([]string, len(leaves))
	for i, l := range leaves {
		list[i] = l.path
	}
	return list
}
