// Package configs is the configuration of rerankd: what can be set ([Config]),
// what holds when nothing is ([Default]), how it is read ([Load]) and what it
// must satisfy ([Config.Validate]).
//
// Every setting has one name in three spellings, which [Keys] lists: its path in
// the YAML file (cache.bytes), an environment variable (RERANKD_CACHE_BYTES) and
// a flag (--cache.bytes). A flag wins over the environment, the environment over
// the file, the file over the default. A name that no setting has is an error,
// never ignored.
//
// The package opens no connection and looks at no file but the configuration
// itself. It is the only one that knows YAML.
package configs
