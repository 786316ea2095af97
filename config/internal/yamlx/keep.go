package yamlx

import "reflect"

// names are the keys by which the elements of a list are told apart. An element
// keeps its name when others come before it.
var names = []string{"name", "match"}

// Named is [Flatten] with the elements of lists by their names, where they have
// one, and with nothing shortened, for documents that are compared.
func Named(v any, veil Veil) map[Path]Leaf {
	f := flattener{veil: veil, named: true, out: make(map[Path]Leaf)}
	f.value("", "", reflect.ValueOf(v), tag{})
	return f.out
}

func (f *flattener) element(path Path, v reflect.Value, i int) Path {
	if !f.named || v.Kind() != reflect.Struct {
		return path.Index(i)
	}
	known := fields(v.Type())
	for _, name := range names {
		if sub, ok := find(known, name); ok && v.FieldByIndex(sub.index).String() != "" {
			return path.named(v.FieldByIndex(sub.index).String(), i)
		}
	}
	return path.Index(i)
}

func (p Path) named(name string, i int) Path {
	if name == "" {
		return p.Index(i)
	}
	return p.Key("=" + name) // which is no index
}

// Keep fills in what a document leaves as it is. Every value that stands there as
// known shows it, a variable or a hidden secret, becomes what it holds, as if it had
// been expanded. It returns where all values stand, by their named path. A tree
// shares no value between places, so that none carries to one what another may hold.
func Keep(root *Node, known map[Path]Leaf, hidden string) map[Path]Path {
	k := keeper{known: known, hidden: hidden, places: make(map[Path]Path)}
	k.node("", "", root)
	return k.places
}

type keeper struct {
	known  map[Path]Leaf
	hidden string
	places map[Path]Path
}

func (k *keeper) node(path, named Path, n *Node) {
	if n == nil {
		return
	}
	k.places[named] = path
	if n.Kind == Scalar && n.Raw == k.hidden {
		k.unfold(named, n)
	}
	for i := range n.Pairs {
		k.node(path.Key(n.Pairs[i].Key), named.Key(n.Pairs[i].Key), n.Pairs[i].Value)
	}
	for i, item := range n.Items {
		k.node(path.Index(i), named.named(item.name(), i), item)
	}
	leaf, ok := k.known[named]
	if ok && n.Kind == Scalar && leaf.Shown != leaf.Value && leaf.Shown == n.Raw {
		n.Text, n.Expanded = leaf.Value, true
	}
}

// unfold makes the mapping again for which one hidden value stands.
func (k *keeper) unfold(named Path, n *Node) {
	for path, leaf := range k.known {
		if path.Parent() == named {
			keys := path.Elements()
			value := &Node{Kind: Scalar, Pos: n.Pos, Text: leaf.Shown, Raw: leaf.Shown}
			n.Kind, n.Pairs = Mapping, append(n.Pairs, Pair{Key: keys[len(keys)-1], KeyPos: n.Pos, Value: value})
		}
	}
}

func (n *Node) name() string {
	for _, name := range names {
		if value := n.Get(name); value != nil && value.Kind == Scalar && value.Text != "" {
			return value.Text
		}
	}
	return ""
}
