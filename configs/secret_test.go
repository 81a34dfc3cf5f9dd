package configs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/rerankd/rerankd/configs"
)

const planted = "hunter2"

// secretive is a configuration with every secret set.
func secretive() configs.Config {
	c := configs.Default()
	c.Admin.Token = planted
	return c
}

// shown is all the ways in which a Config may reach a reader.
func shown(t *testing.T, c configs.Config) map[string]string {
	t.Helper()
	ways := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v"} {
		args := []any{c}
		if strings.HasPrefix(verb, "%T") {
			args = []any{c, c}
		}
		ways["fmt "+verb] = fmt.Sprintf(verb, args...)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ways["JSON"], ways["YAML"] = string(asJSON), string(asYAML)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("configuration", "effective", c, "part", c.Admin, "token", c.Admin.Token)
		ways[name] = b.String()
	}
	ways["Describe"] = fmt.Sprint(c.Describe())
	return ways
}

func TestASecretIsMaskedHoweverItIsShown(t *testing.T) {
	for way, text := range shown(t, secretive()) {
		if strings.Contains(text, planted) || strings.Contains(strings.ToLower(text), fmt.Sprintf("%x", planted)) {
			t.Errorf("%s shows the secret: %s", way, text)
		}
		if !strings.Contains(text, configs.Mask) {
			t.Errorf("%s shows no mask: %s", way, text)
		}
	}
}

// A new secret must come with a mask: all keys of the type are set, and as many
// masks are counted.
func TestThereAreAsManyMasksAsSecrets(t *testing.T) {
	secrets := 0
	flags := map[string]string{}
	for _, k := range configs.Keys() {
		if k.Type == "secret" {
			secrets++
			flags[k.Path] = planted
		}
	}
	c, err := configs.Load(configs.LoadOptions{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for way, text := range map[string]string{"Describe": fmt.Sprint(c.Describe()), "YAML": string(asYAML)} {
		if got := strings.Count(text, configs.Mask); got != secrets || secrets == 0 {
			t.Errorf("%s has %d masks for %d secrets: %s", way, got, secrets, text)
		}
	}
}

func TestASecretThatIsNotSetShowsAsEmpty(t *testing.T) {
	for way, text := range shown(t, configs.Default()) {
		if strings.Contains(text, configs.Mask) {
			t.Errorf("%s shows a mask where there is no secret: %s", way, text)
		}
	}
}

func TestRevealTellsTheSecret(t *testing.T) {
	if got := secretive().Admin.Token.Reveal(); got != planted {
		t.Errorf("Reveal = %q, want %q", got, planted)
	}
}

func TestNoErrorQuotesASecret(t *testing.T) {
	for _, text := range []string{
		"admin:\n  tokn: hunter2\n",
		"admin:\n  token: [hunter2]\n",
		"admin:\n  token: {hunter2: 1\n",
		"admin:\n  token: \"hunter2\n",
		"admin:\n  token: 'hunter2\nlog: {}\n",
		"admin:\n  token: \"hunter2\\q\"\n",
		"admin:\n  token: &hunter2\n",
		"admin:\n\ttoken: hunter2\n",
		"admin:\n  token: hunter2: x\n",
		"admin: token: hunter2\n",
		"admin:\n  token: !hunter2 x\n",
		"admin:\n  token: `hunter2\n",
		"admin:\n  token: \"hunter2 \"\n",
		"admin:\n  token: hunter2\n   more: x\n",
	} {
		c, fault := loadText(t, text)
		if fault == "" {
			if err := c.Validate(); err != nil {
				fault = err.Error()
			}
		}
		if fault == "" || strings.Contains(fault, planted) {
			t.Errorf("%q: error %q, want one without the secret", text, fault)
		}
	}
}

func TestTheEffectiveConfigurationIsLoggedByPath(t *testing.T) {
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("configuration", "settings", secretive())
	var line struct{ Settings map[string]string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	for _, k := range configs.Keys() {
		want := k.Default
		if k.Path == "admin.token" {
			want = configs.Mask
		}
		if got, ok := line.Settings[k.Path]; !ok || got != want {
			t.Errorf("logged %s = %q, %t, want %q", k.Path, got, ok, want)
		}
	}
	if len(line.Settings) != len(configs.Keys()) {
		t.Errorf("%d settings logged, want %d", len(line.Settings), len(configs.Keys()))
	}
}
