package fault

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Problem is one fault of a configuration. A part reports its problems by the
// names that the configuration file uses, so that whoever read the file can say
// on which line each stands.
type Problem struct {
	// Field is the path below the part, as in "window" or "options.dsn".
	Field string `json:"field"`
	// Value is what was found, as the reader wrote it; empty if it is missing.
	Value string `json:"value"`
	// Message says what is wrong and what is allowed.
	Message string `json:"message"`
	// Warning marks what is legal and very likely a mistake; it refuses nothing.
	Warning bool `json:"warning,omitempty"`
	// Position is where it stands, as in "foundation.yaml:12:7"; empty where the
	// configuration was made in code.
	Position string `json:"position,omitempty"`
	// Excerpt is the line at Position with a caret below the place, two lines.
	Excerpt string `json:"excerpt,omitempty"`
}

// String renders the problem on one line, without the excerpt.
func (p Problem) String() string {
	var s string
	switch {
	case p.Field == "":
	case p.Value == "":
		s = p.Field + ": "
	default:
		s = p.Field + " " + p.Value + ": "
	}
	if p.Warning {
		s = "warning: " + s
	}
	if p.Position != "" {
		s = p.Position + ": " + s
	}
	return s + p.Message
}

// Problems collects the problems of one configuration, all of them, so that a
// reader mends them in one go. The zero value is empty and ready.
type Problems []Problem

// Add records that field must not have the value that it has.
func (ps *Problems) Add(field string, value any, format string, args ...any) {
	*ps = append(*ps, Problem{Field: field, Value: fmt.Sprint(value), Message: fmt.Sprintf(format, args...)})
}

// Warn records that field is legal and very likely not meant.
func (ps *Problems) Warn(field string, value any, format string, args ...any) {
	ps.Add(field, value, format, args...)
	(*ps)[len(*ps)-1].Warning = true
}

// Require records the problem unless ok.
func (ps *Problems) Require(ok bool, field string, value any, format string, args ...any) {
	if !ok {
		ps.Add(field, value, format, args...)
	}
}

// Err returns an [InvalidConfig] fault of all problems that are not warnings,
// or nil if there are none.
func (ps Problems) Err(component, name string) error {
	faults := slices.DeleteFunc(slices.Clone(ps), func(p Problem) bool { return p.Warning })
	if len(faults) == 0 {
		return nil
	}
	return New(Spec{Code: InvalidConfig, Component: component, Name: name, Problems: faults})
}

// MaxNameLength is the greatest length of a configured name, in bytes.
const MaxNameLength = 63

// maxName is the greatest length of a name that code gives, in bytes.
const maxName = 128

// CheckName records a problem unless name is 1 to 128 bytes of printable text in
// UTF-8, as in "LLM Service": what a part may be called that code makes. Names in a
// configuration are of [ValidName]'s form.
func (ps *Problems) CheckName(name string) {
	ps.Require(printable(name), "name", fmt.Sprintf("%.80q", name), "a name has 1 to %d bytes of printable text in UTF-8", maxName)
}

// printable says no to control characters, to what reverses the direction of text and
// to every blank but the space: a name goes into logs, metrics and terminals.
func printable(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// ValidName reports whether name fits [a-z0-9][a-z0-9_.-]{0,62}, the form of the names
// in a configuration.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxNameLength {
		return false
	}
	for i := range len(name) {
		c := name[i]
		alnum := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return true
}
