// Package mode holds the three ways in which a protection is applied. It has a package of
// its own because breakers, rate limits and guards have the same.
package mode

import "github.com/elixirscope/foundation/internal/enum"

// Mode says whether a protection refuses, only counts, or does nothing. The
// zero value enforces.
type Mode uint8

const (
	// Enforce decides and refuses.
	Enforce Mode = iota
	// Shadow decides, counts and reports what it would have refused, and admits.
	Shadow
	// Off admits everything and decides nothing.
	Off
)

const kind = "mode"

var names = []string{Enforce: "enforce", Shadow: "shadow", Off: "off"}

// Valid reports whether m is one of the three modes.
func (m Mode) Valid() bool { return int(m) < len(names) }

// String returns the name that configuration files use.
func (m Mode) String() string { return enum.Name(kind, names, m) }

// MarshalText implements [encoding.TextMarshaler].
func (m Mode) MarshalText() ([]byte, error) { return enum.Text(kind, names, m) }

// UnmarshalText implements [encoding.TextUnmarshaler]; it leaves m unchanged
// when the text names no mode.
func (m *Mode) UnmarshalText(text []byte) error { return enum.Parse(kind, names, text, m) }
