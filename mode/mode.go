// Package mode holds the three ways in which a protection is applied. It has a package of
// its own because breakers, rate limits and guards have the same.
package mode

import "github.com/elixirscope/foundation/internal/enum"

// Mode says whether a protection refuses, only counts, or does nothing. The
// zero value enforces.
type Mode = enum.Of[modes]

const (
	// Enforce decides and refuses.
	Enforce Mode = iota
	// Shadow decides, counts and reports what it would have refused, and admits.
	Shadow
	// Off admits everything and decides nothing.
	Off
)

type modes struct{}

func (modes) Names() (string, []string) { return "mode", names }

var names = []string{Enforce: "enforce", Shadow: "shadow", Off: "off"}
