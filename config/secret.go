package config

import "fmt"

// Secret is a text that is shown nowhere: printing, logging and encoding it give
// "(hidden)". Code that needs the text itself converts it: string(s).
type Secret string

// hidden stands for a secret.
const hidden = "(hidden)"

// Format implements [fmt.Formatter], which no verb gets around: it hides the secret.
// An empty one has nothing to hide.
func (s Secret) Format(f fmt.State, verb rune) {
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), s.shown())
}

// MarshalText hides the secret from JSON, [log/slog] and other encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

func (s Secret) shown() string {
	if s == "" {
		return ""
	}
	return hidden
}
