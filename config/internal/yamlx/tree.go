package yamlx

import (
	"cmp"
	"slices"
	"strconv"
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
	// Bare marks a number or a boolean of JSON, which is never text.
	Bare bool
	// Null marks a scalar that is missing, "~" or "null".
	Null bool
	// Bad marks a value of which a fault is known already: whoever decodes it
	// leaves it alone, so that one mistake is reported once.
	Bad   bool
	Pairs []Pair  // of a mapping, in the order of the file
	Items []*Node // of a sequence

	index map[string]int // of the pairs, where there are many
	field *tag           // that the node was decoded for; nil if nobody asked for it
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
	if pair := n.pair(key); pair != nil {
		return pair.Value
	}
	return nil
}

// many is from how many pairs on a mapping has an index: a scan for each of its keys
// would take minutes for what fits into a file.
const many = 16

func (n *Node) pair(key string) *Pair {
	if n.index != nil {
		if i, ok := n.index[key]; ok {
			return &n.Pairs[i]
		}
		return nil
	}
	for i := range n.Pairs {
		if n.Pairs[i].Key == key {
			return &n.Pairs[i]
		}
	}
	return nil
}

// add appends a pair whose key is new.
func (n *Node) add(pair Pair) {
	n.Pairs = append(n.Pairs, pair)
	switch {
	case n.index != nil:
		n.index[pair.Key] = len(n.Pairs) - 1
	case len(n.Pairs) > many:
		n.index = make(map[string]int)
		for i := range n.Pairs {
			n.index[n.Pairs[i].Key] = i
		}
	}
}

// Entry is where a value stands: its node, and its key's position. The zero Entry
// stands for none.
type Entry struct {
	Node   *Node
	KeyPos Pos
}

// Find returns what was decoded at a path below n, and false where nothing stands or
// nothing was asked for.
func (n *Node) Find(path Path) (Entry, bool) {
	e := Entry{Node: n}
	if n != nil {
		e.KeyPos = n.Pos
	}
	for _, key := range path.Elements() {
		if e.Node == nil {
			break
		}
		e = e.Node.child(key)
	}
	return e, e.Node != nil && e.Node.field != nil
}

func (n *Node) child(key string) Entry {
	if n.Kind == Sequence {
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(n.Items) {
			return Entry{n.Items[i], n.Items[i].Pos}
		}
		return Entry{}
	}
	if pair := n.pair(key); pair != nil {
		return Entry{pair.Value, pair.KeyPos}
	}
	return Entry{}
}

// All iterates over n and everything below it.
func (n *Node) All(yield func(*Node) bool) { n.walk(yield) }

func (n *Node) walk(yield func(*Node) bool) bool {
	if !yield(n) {
		return false
	}
	for i := range n.Pairs {
		if !n.Pairs[i].Value.walk(yield) {
			return false
		}
	}
	for _, item := range n.Items {
		if !item.walk(yield) {
			return false
		}
	}
	return true
}

// Secret reports whether the field that n was decoded for is marked as one.
func (n *Node) Secret() bool { return n.field != nil && n.field.secret }

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
