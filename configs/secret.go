package configs

import (
	"fmt"
	"io"
	"log/slog"
)

// Mask is what a secret shows of itself in logs and files.
const Mask = "********"

// Secret is a string that is masked wherever a Config is printed, logged or
// written: by fmt with any verb, by slog, as JSON and as YAML. An empty one shows
// as empty, so that "not set" can be seen. Only [Secret.Reveal] tells it.
type Secret string

var (
	_ fmt.Formatter  = Secret("")
	_ slog.LogValuer = Secret("")
)

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns Mask, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// Format writes the masked form whatever the verb: String alone would leave %#v
// and %x to print the secret.
func (s Secret) Format(state fmt.State, verb rune) {
	if verb == 'q' || state.Flag('#') {
		_, _ = fmt.Fprintf(state, "%q", s.String())
		return
	}
	_, _ = io.WriteString(state, s.String())
}

// LogValue returns the masked form.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText returns the masked form, which JSON and YAML use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
