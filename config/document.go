package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"

	"github.com/elixirscope/foundation/config/internal/yamlx"
)

// veil hides secrets, and shows variables as they were written as long as the
// value is the one that was read.
func (c *Config) veil(path yamlx.Path, v reflect.Value, isSecret bool) (string, bool) {
	if c.origin != nil {
		if entry, ok := c.origin.find(path); ok && entry.Node.Expanded && entry.Holds(v) {
			return entry.Node.Raw, true
		}
	}
	return hidden, isSecret
}

// plain shows variables as they were written, and every secret that stands in the
// document itself, which what it returns must not leave the process for.
func (c *Config) plain(path yamlx.Path, v reflect.Value, isSecret bool) (string, bool) {
	if c.origin != nil {
		if entry, ok := c.origin.find(path); ok && entry.Node.Expanded && entry.Node.Raw != hidden && entry.Holds(v) {
			return entry.Node.Raw, true
		}
	}
	if v.Kind() == reflect.String && (isSecret || v.Type() == reflect.TypeFor[Secret]()) {
		return yamlx.Literal(v.String()), true
	}
	return "", false
}

// document returns c in its JSON form with variables as they were written and with
// its secrets.
func (c *Config) document() map[string]any {
	out := *c
	out.Version = cmp.Or(c.Version, version)
	m, _ := yamlx.Document(out, c.plain).(map[string]any) // of a struct it is one
	return m
}

// parts is the document with all sections of named parts, so that the difference of
// two is one of parts, and never that of a section.
func (c *Config) parts() map[string]any {
	out := c.document()
	for _, section := range []string{"breakers", "rate_limits", "retries", "pools", "guards"} {
		if _, ok := out[section]; !ok {
			out[section] = map[string]any{}
		}
	}
	return out
}

// hash tells documents apart by what they say: variables count as they were written,
// how it is written does not, and neither do comments. A changed secret changes it.
func (c *Config) hash() string {
	if c.hashed != "" {
		return c.hashed
	}
	text, _ := json.Marshal(c.document()) // of texts, numbers and booleans; keys are in order
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// MarshalText renders the settings of c as a YAML file that says the same. Variables
// are shown as they were written, secrets that were not read from one are hidden. As
// it is also what encoders of JSON and YAML ask, nothing that logs or stores a Config
// by accident gives a secret away.
func (c Config) MarshalText() ([]byte, error) {
	c.Version = cmp.Or(c.Version, version)
	return yamlx.Encode(c, c.veil)
}

// MarshalJSON renders the settings of c in the JSON form of the document, which
// [Server.Patch] and [Server.Update] work on: the keys of the file, numbers and
// booleans as such, durations and sizes as texts with their unit. Variables and
// secrets are as in [Config.MarshalText].
func (c Config) MarshalJSON() ([]byte, error) {
	c.Version = cmp.Or(c.Version, version)
	return json.Marshal(yamlx.Document(c, c.veil))
}

// String renders c as YAML without secrets, see [Config.MarshalText].
func (c Config) String() string {
	text, err := c.MarshalText()
	if err != nil {
		return "config: " + err.Error()
	}
	return string(text)
}

// GoString renders c without secrets, for %#v.
func (c Config) GoString() string { return "config.Config{\n" + c.String() + "}" }

// String renders p as YAML without secrets.
func (p Pool) String() string {
	text, err := yamlx.Encode(p, func(_ yamlx.Path, _ reflect.Value, isSecret bool) (string, bool) { return hidden, isSecret })
	if err != nil {
		return "pool: " + err.Error()
	}
	return string(text)
}

// MarshalJSON renders p as a JSON string of its YAML, without secrets.
func (p Pool) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }
