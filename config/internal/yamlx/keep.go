package yamlx

import (
	"reflect"
	"strconv"
)

// names are the keys by which the elements of a list are told apart. An element
// keeps its name when others come before it.
var names = []string{"name", "match"}

// Named is [Flatten] of what is wanted, with the elements of lists by their names, where
// they have one, and with nothing shortened, for documents that are compared.
func Named(v any, veil Veil, wanted func(Path, Leaf) bool) map[Path]Leaf {
	f := flattener{veil: veil, named: true, wanted: wanted, out: make(map[Path]Leaf)}
	f.value("", "", reflect.ValueOf(v), tag{})
	return f.out
}

func (f *flattener) element(path Path, v reflect.Value, i int) Path {
	if !f.named || v.Kind() != reflect.Struct {
		return path.Index(i)
	}
	known := f.known.fields(v.Type())
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
// been expanded. It returns where everything stands, by its named path. A tree
// shares no value between places, so that none carries to one what another may hold.
func Keep(root *Node, known map[Path]Leaf, hidden string) Places {
	k := keeper{known: known, hidden: hidden, places: Places{root: root, items: make(map[Path]int)}}
	k.node("", root)
	return k.places
}

// Places says where in a document the named paths of another lead.
type Places struct {
	root  *Node
	items map[Path]int // of lists, by their named path: where in the list they stand
}

// Of follows a named path. What is not there stands below the nearest that is, and the
// result is false.
func (p Places) Of(named Path) (Path, bool) {
	place, at, n := Path(""), Path(""), p.root
	for _, key := range named.Elements() {
		at = at.Key(key)
		if i, ok := p.items[at]; ok {
			key = strconv.Itoa(i)
		}
		place = place.Key(key)
		if n != nil {
			n = n.child(key).Node
		}
	}
	return place, n != nil
}

type keeper struct {
	known  map[Path]Leaf
	hidden string
	places Places
}

func (k *keeper) node(named Path, n *Node) {
	if n == nil {
		return
	}
	if n.Kind == Scalar && n.Raw == k.hidden {
		k.unfold(named, n)
	}
	for i := range n.Pairs {
		k.node(named.Key(n.Pairs[i].Key), n.Pairs[i].Value)
	}
	for i, item := range n.Items {
		at := named.named(item.name(), i)
		k.places.items[at] = i
		k.node(at, item)
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
			n.Kind = Mapping
			n.add(Pair{Key: keys[len(keys)-1], KeyPos: n.Pos, Value: value})
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
