package config

import (
	"log/slog"
	"strconv"
)

// Secret is a text that is shown nowhere: printing, logging and encoding it give
// "(hidden)". Who needs the text itself converts it: string(s).
type Secret string

// hidden stands for a secret.
const hidden = "(hidden)"

// String hides the secret; an empty one has nothing to hide.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText hides the secret from JSON and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
