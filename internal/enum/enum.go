// Package enum gives named values their methods from one list of names: an enum is a
// small integer whose value is the index of its name.
package enum

import (
	"fmt"
	"slices"
	"strings"
)

// Set says what an enum is called and how its values are: the value is the index of its
// name. It is implemented by an empty struct for each enum.
type Set interface {
	Names() (kind string, names []string)
}

// Of is a value of the enum S. The zero value is the first of the set. Packages export
// it by an alias:
//
//	type Mode = enum.Of[modes]
type Of[S Set] uint8

// Known reports whether v has a name.
func (v Of[S]) Known() bool {
	_, names := v.set()
	return int(v) < len(names)
}

// String returns the name of v, or for a value without one something like "mode(7)".
func (v Of[S]) String() string {
	kind, names := v.set()
	if int(v) >= len(names) {
		return fmt.Sprintf("%s(%d)", kind, uint8(v))
	}
	return names[v]
}

// MarshalText returns what String does. It never fails, so that a record of what went
// wrong can always be written; a text that stands for no name is refused when it is read.
func (v Of[S]) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a name. It leaves v as it is when the text is none.
func (v *Of[S]) UnmarshalText(text []byte) error {
	kind, names := v.set()
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("%.40q is not one of the values of %s: %s", text, kind, strings.Join(names, ", "))
	}
	*v = Of[S](i)
	return nil
}

func (Of[S]) set() (kind string, names []string) {
	var s S
	return s.Names()
}
