// Package mode holds the three ways in which a protection can be applied. It is
// internal because the packages that have a mode (breaker, ratelimit, guard)
// each export it as an alias of their own, so that a user imports one package.
package mode

import (
	"fmt"
	"strings"
)

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

var names = [...]string{Enforce: "enforce", Shadow: "shadow", Off: "off"}

// Valid reports whether m is one of the three modes.
func (m Mode) Valid() bool { return int(m) < len(names) }

// String returns the name that configuration files use.
func (m Mode) String() string {
	if !m.Valid() {
		return fmt.Sprintf("mode(%d)", uint8(m))
	}
	return names[m]
}

// MarshalText implements [encoding.TextMarshaler].
func (m Mode) MarshalText() ([]byte, error) {
	if !m.Valid() {
		return nil, fmt.Errorf("mode %d is not one of %s", uint8(m), strings.Join(names[:], ", "))
	}
	return []byte(m.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]; it leaves m unchanged
// when the text names no mode.
func (m *Mode) UnmarshalText(text []byte) error {
	for i, name := range names {
		if name == string(text) {
			*m = Mode(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a mode: use one of %s", text, strings.Join(names[:], ", "))
}
