package yamlx

import (
	"cmp"
	"slices"
)

// Pos is a place in a file: line and column from 1, columns in characters. The
// zero Pos means that the place is not known.
type Pos struct{ Line, Column int }

// compare orders positions as they stand in the file.
func (p Pos) compare(q Pos) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Column, q.Column))
}

// Fault is one thing wrong with a file.
type Fault struct {
	Path    Path   // where in the document, empty for faults of the syntax
	Pos     Pos    // where in the text
	Value   string // what was found, as written
	Message string // what is wrong and what is allowed
	Warning bool   // legal, and very likely a mistake
}

// Sort orders faults by position, so that they read like the file.
func Sort(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Pos.compare(b.Pos) })
}

// Kind says what a node is.
type Kind uint8

// The kinds of node.
const (
	Scalar Kind = iota
	Mapping
	Sequence
)

// String names the kind for people.
func (k Kind) String() string { return [...]string{"a value", "a mapping", "a list"}[k] }

// Node is one value of a document. A tree holds no aliases and no merge keys:
// both are resolved when it is built.
type Node struct {
	Kind Kind
	Pos  Pos
	// Text is a scalar's value; after [Expand] with its variables filled in.
	Text string
	// Raw is a scalar's value as it was written.
	Raw string
	// Expanded marks a scalar in which a variable was filled in. What it holds
	// may be a secret and must not be shown: show Raw.
	Expanded bool
	// Quoted marks a scalar in quotes or of a block, which is always text.
	Quoted bool
	// Null marks a scalar that is missing, "~" or "null".
	Null bool
	// Bad marks a value of which a fault is known already: whoever decodes it
	// leaves it alone, so that one mistake is reported once.
	Bad   bool
	Pairs []Pair  // of a mapping, in the order of the file
	Items []*Node // of a sequence
}

// Pair is one entry of a mapping.
type Pair struct {
	Key    string
	KeyPos Pos
	Value  *Node
}

// Get returns the value of a mapping's key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for i := range n.Pairs {
		if n.Pairs[i].Key == key {
			return n.Pairs[i].Value
		}
	}
	return nil
}

// shown is what an error may say about the node's value.
func (n *Node) shown() string {
	if n.Kind != Scalar {
		return ""
	}
	const most = 60
	text := []rune(n.Raw)
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return n.Raw
}
