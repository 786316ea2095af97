// Package enum gives named values their three methods from one list of names: an
// enum is a small integer whose value is the index of its name.
package enum

import (
	"fmt"
	"slices"
	"strings"
)

// Name returns the name of v, or for a value without one something like "mode(7)".
func Name[E ~uint8](kind string, names []string, v E) string {
	if int(v) >= len(names) {
		return fmt.Sprintf("%s(%d)", kind, uint8(v))
	}
	return names[v]
}

// Text returns the name of v for [encoding.TextMarshaler]; a value without one is an
// error, so that no file is written that cannot be read back.
func Text[E ~uint8](kind string, names []string, v E) ([]byte, error) {
	if int(v) >= len(names) {
		return nil, fmt.Errorf("%s %d is not one of %s", kind, uint8(v), strings.Join(names, ", "))
	}
	return []byte(names[v]), nil
}

// Parse finds the value of a name for [encoding.TextUnmarshaler]. It leaves *into as
// it is when the text is no name.
func Parse[E ~uint8](kind string, names []string, text []byte, into *E) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("%.40q is not one of the values of %s: %s", text, kind, strings.Join(names, ", "))
	}
	*into = E(i)
	return nil
}
