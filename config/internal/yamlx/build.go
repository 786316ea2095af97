package yamlx

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"
)

// builder copies the library's tree into ours.
type builder struct {
	faults []Fault
	nodes  int          // that may still be built
	most   int          // that might be built at the beginning
	open   []*yaml.Node // the aliases being resolved, to find circles
	shared int          // how many nodes around the one being built have an anchor
}

func position(n *yaml.Node) Pos { return Pos{n.Line, n.Column} }

func (b *builder) fault(n *yaml.Node, format string, args ...any) {
	if len(b.faults) < maxFaults {
		b.faults = append(b.faults, Fault{Pos: position(n), Message: fmt.Sprintf(format, args...)})
	}
}

// build returns the tree of n. Where n cannot be used the fault is recorded and
// a bad node stands in its place.
func (b *builder) build(n *yaml.Node, depth int) *Node {
	out := &Node{Pos: position(n), Bad: true}
	if depth > MaxDepth {
		b.fault(n, "%v", errTooDeep)
		return out
	}
	if b.nodes--; b.nodes < 0 {
		if b.nodes == -1 {
			b.fault(n, "aliases make the file larger than %d values", b.most)
		}
		return out
	}
	if n.Style&yaml.TaggedStyle != 0 {
		b.fault(n, "the tag %s is not supported; write the plain value", n.Tag)
		return out
	}
	switch n.Kind {
	case yaml.AliasNode:
		return b.alias(n, depth)
	case yaml.ScalarNode:
		b.scalar(out, n)
	default:
		b.collection(out, n, depth)
	}
	return out
}

// collection builds what has values below it, and lets go of the library's nodes on the way:
// they are several times as large as ours. What has an anchor may be needed again.
func (b *builder) collection(out *Node, n *yaml.Node, depth int) {
	if n.Anchor != "" {
		b.shared++
		defer func() { b.shared-- }()
	}
	out.Bad = false
	if n.Kind == yaml.MappingNode {
		out.Kind = Mapping
		b.mapping(out, n, depth)
		return
	}
	out.Kind = Sequence
	out.Items = make([]*Node, 0, len(n.Content))
	for i, item := range n.Content {
		out.Items = append(out.Items, b.build(item, depth+1))
		b.release(n, i)
	}
}

func (b *builder) release(n *yaml.Node, i int) {
	if b.shared == 0 {
		n.Content[i] = nil
	}
}

func (b *builder) scalar(out *Node, n *yaml.Node) {
	if len(n.Value) > MaxText {
		b.fault(n, "this text has %d bytes, at most %d are allowed", len(n.Value), MaxText)
		return
	}
	out.Bad = false
	out.Text, out.Raw = n.Value, n.Value
	out.Quoted = n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	out.Null = n.Tag == "!!null" && !out.Quoted
}

func (b *builder) alias(n *yaml.Node, depth int) *Node {
	if slices.Contains(b.open, n.Alias) {
		b.fault(n, "the alias *%s contains itself", n.Value)
		return &Node{Pos: position(n), Bad: true}
	}
	b.open = append(b.open, n.Alias)
	out := b.build(n.Alias, depth+1)
	b.open = b.open[:len(b.open)-1]
	return out
}

func (b *builder) mapping(out *Node, n *yaml.Node, depth int) {
	var merged []*Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			b.fault(key, "a key must be a plain word")
		case key.Tag == "!!merge" && key.Value == "<<":
			merged = append(merged, b.merge(value, depth)...)
		case len(key.Value) > MaxText:
			b.fault(key, "this key has %d bytes, at most %d are allowed", len(key.Value), MaxText)
		case out.pair(key.Value) != nil:
			b.fault(key, "%q stands here twice; the first is in line %d", key.Value, out.pair(key.Value).KeyPos.Line)
		default:
			out.add(Pair{key.Value, position(key), b.build(value, depth+1)})
		}
		b.release(n, i)
		b.release(n, i+1)
	}
	for _, from := range merged { // what is written out wins over what is merged
		for _, pair := range from.Pairs {
			if out.pair(pair.Key) == nil {
				out.add(pair)
			}
		}
	}
}

// merge returns the mappings that the value of a merge key names.
func (b *builder) merge(n *yaml.Node, depth int) []*Node {
	if n.Kind == yaml.SequenceNode {
		var all []*Node
		for _, item := range n.Content {
			all = append(all, b.merge(item, depth+1)...)
		}
		return all
	}
	from := b.build(n, depth+1)
	if from.Kind != Mapping {
		b.fault(n, "a merge key takes an alias of a mapping")
		return nil
	}
	return []*Node{from}
}
