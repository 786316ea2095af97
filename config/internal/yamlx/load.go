package yamlx

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// The limits of a file. They are far above what a person writes and far below
// what would make the process slow.
const (
	MaxBytes = 4 << 20  // of the whole document
	MaxText  = 64 << 10 // of one key or value
	MaxDepth = 32       // of nesting
	MaxNodes = 100_000  // after aliases are resolved
	// marksForNode bounds what may begin a value or a key in the text. The library builds a
	// tree of half a kilobyte for each of them before we see one, and a text of 4 MiB
	// has room for two million.
	marksForNode = 3
	maxFaults    = 100 // reported of one file; what is behind them is left for the next try
)

// Size is how large a document may be.
type Size struct{ Bytes, Nodes int }

// Small is the size of what comes over the network. Large is that of the local file, which
// may hold 100,000 overrides of a rate limit with three numbers each: only whoever may write the
// file can make the process read so much.
var (
	Small = Size{MaxBytes, MaxNodes}
	Large = Size{2 * MaxBytes, 5 * MaxNodes}
)

// Parse is [Size.Parse] of a small document.
func Parse(data []byte) (*Node, []Fault) { return Small.Parse(data) }

// Parse reads the one document of data. The tree is nil if the text is no YAML;
// with faults of another kind it is as complete as can be, so that more faults
// are found in the same run.
func (s Size) Parse(data []byte) (*Node, []Fault) {
	if f, bad := s.checkText(data); bad {
		return nil, []Fault{f}
	}
	if f, bad := s.countMarks(data); bad {
		return nil, []Fault{f}
	}
	var documents []yaml.Node
	err := yaml.Load(data, &documents, yaml.WithAllDocuments(), yaml.WithPlugin(limits{}))
	if err != nil {
		return nil, []Fault{syntaxFault(data, err)}
	}
	if len(documents) == 0 || len(documents[0].Content) == 0 {
		return nil, []Fault{{Pos: Pos{1, 1}, Message: "the file is empty; it begins with version: 1"}}
	}
	b := builder{nodes: s.Nodes, most: s.Nodes}
	root := b.build(documents[0].Content[0], 0)
	if len(documents) > 1 {
		second := documents[1].Content[0]
		b.fault(second, "a second document begins here; a configuration is one document, remove the line ---")
	}
	return root, b.faults
}

// limits keeps the library from building a tree that is deeper than ours may be.
type limits struct{}

func (limits) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > MaxDepth {
		return errTooDeep
	}
	return nil
}

// CheckAlias leaves aliases to the builder, which knows where they stand.
func (limits) CheckAlias(int, int) error { return nil }

var errTooDeep = fmt.Errorf("nested more than %d levels deep", MaxDepth)

// checkText finds what the library would refuse without saying where.
func (s Size) checkText(data []byte) (Fault, bool) {
	if len(data) > s.Bytes {
		return Fault{Pos: Pos{1, 1}, Message: fmt.Sprintf("the file has %d bytes, at most %d are allowed", len(data), s.Bytes)}, true
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return Fault{Pos: Pos{line, column}, Value: fmt.Sprintf("%#02x", data[i]), Message: "this byte is not UTF-8 text"}, true
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return Fault{Pos: Pos{line, column}, Value: fmt.Sprintf("%#02x", r), Message: "control characters are not allowed"}, true
		}
		i, column = i+size, column+1
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return Fault{}, false
}

// countMarks refuses a text that may have too many values, before it is read as YAML.
// What it counts is never less than what there is, and more where texts have
// commas, brackets or hyphens.
func (s Size) countMarks(data []byte) (Fault, bool) {
	marks, line := 0, 1
	begins, comment := true, false // a value may begin at the first character of a line
	for i, c := range data {
		next := byte('\n')
		if i+1 < len(data) {
			next = data[i+1]
		}
		space := next == ' ' || next == '\t' || next == '\r' || next == '\n'
		switch {
		case c == '\n':
			line, begins, comment = line+1, true, false
			continue
		case comment || begins && c == '#':
			comment = true
			continue
		case c == ' ' || c == '\t' || c == '\r':
			continue
		case c == ',' || c == '[' || c == '{' || begins,
			c == ':' && (space || strings.IndexByte(",[]{}", next) >= 0 || i > 0 && (data[i-1] == '"' || data[i-1] == '\'')),
			(c == '-' || c == '?') && space:
			marks++
		}
		begins = false
		if marks > marksForNode*s.Nodes {
			return Fault{Pos: Pos{line, 1}, Message: fmt.Sprintf("the file has more than %d values up to here; split it, or leave out what is not needed", s.Nodes)}, true
		}
	}
	return Fault{}, false
}

// syntaxFault turns the library's error into ours.
func syntaxFault(data []byte, err error) Fault {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return Fault{Pos: Pos{1, 1}, Message: "invalid YAML: " + err.Error()}
	}
	pos := Pos{max(load.Mark.Line, 1), max(load.Mark.Column, 1)}
	message := load.Message
	switch {
	case strings.Contains(message, errTooDeep.Error()):
		message = errTooDeep.Error()
	case at(data, pos) == '\t':
		message = "a tab cannot indent YAML; use spaces"
	case load.ContextMsg != "":
		message = load.ContextMsg + ": " + message
		if load.ContextMark.Line > 0 {
			message += fmt.Sprintf(" (it began at %d:%d)", load.ContextMark.Line, max(load.ContextMark.Column, 1))
		}
	}
	return Fault{Pos: pos, Message: message}
}

// at returns the character at pos, or 0.
func at(data []byte, pos Pos) rune {
	line := []rune(Line(data, pos.Line))
	if pos.Column > len(line) {
		return 0
	}
	return line[pos.Column-1]
}

// longLine is how long a line may be to be shown: nobody has written a longer one, and
// a hundred faults would each look through it for what must not be shown.
const longLine = 4 << 10

// Line returns the text of a line, without its end; "" if there is none, or if it is too
// long to be shown.
func Line(data []byte, line int) string {
	for text := range bytes.Lines(data) {
		if line--; line == 0 {
			if len(text) > longLine {
				return ""
			}
			return string(bytes.TrimRight(text, "\r\n"))
		}
	}
	return ""
}
