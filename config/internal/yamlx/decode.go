package yamlx

import (
	"encoding"
	"fmt"
	"reflect"
	"time"

	"github.com/elixirscope/foundation/internal/suggest"
)

// Decoder fills Go values from trees. The zero Decoder is ready; one Decoder
// may decode several trees of one file.
type Decoder struct {
	// Faults are all that was found so far.
	Faults []Fault
	// Secrets are the values that are secrets, and those that may be meant to be one:
	// whatever stands in the wrong place near one.
	Secrets []*Node
	// known are the fields of the types that were met: to list them anew for each
	// element of a long list would cost fifty times its text.
	known map[reflect.Type]layout
}

// layout is what a struct says about itself.
type layout struct {
	fields []field
	index  int // see [switchOf]
	word   string
}

func (d *Decoder) layout(t reflect.Type) layout {
	known, ok := d.known[t]
	if !ok {
		if d.known == nil {
			d.known = make(map[reflect.Type]layout)
		}
		known.fields = fields(t)
		known.index, known.word = switchOf(t)
		d.known[t] = known
	}
	return known
}

func (d *Decoder) fields(t reflect.Type) []field { return d.layout(t).fields }

// word returns the field that a word stands for in the place of a struct, and the word; the
// zero Value if v has none.
func (d *Decoder) word(v reflect.Value) (set reflect.Value, word string) {
	if v.Kind() != reflect.Struct {
		return reflect.Value{}, ""
	}
	if known := d.layout(v.Type()); known.index >= 0 {
		return v.Field(known.index), known.word
	}
	return reflect.Value{}, ""
}

// Conceal adds every single value of n to the secrets.
func (d *Decoder) Conceal(n *Node) {
	if n.Kind == Scalar {
		d.Secrets = append(d.Secrets, n)
	}
	for i := range n.Pairs {
		d.Conceal(n.Pairs[i].Value)
	}
	for _, item := range n.Items {
		d.Conceal(item)
	}
}

// holdsSecret reports whether a value of type t has a secret somewhere in it.
func holdsSecret(t reflect.Type) bool {
	switch {
	case t.Kind() == reflect.Interface:
		return true // of a type that is not known yet
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Slice, t.Kind() == reflect.Map:
		return holdsSecret(t.Elem())
	case t.Kind() != reflect.Struct:
		return false
	}
	for _, f := range fields(t) {
		if f.secret || holdsSecret(f.typ) {
			return true
		}
	}
	return false
}

// Holds reports whether v is what stands at the entry, variables filled in.
func (e Entry) Holds(v reflect.Value) bool {
	if e.Node.Kind != Scalar || !isScalar(v) {
		return false
	}
	var d Decoder
	n, there := *e.Node, reflect.New(v.Type()).Elem()
	d.scalar("", &n, there, *n.field)
	return len(d.Faults) == 0 && there.Comparable() && there.Equal(v)
}

// Decode fills the value that target points to from n. A key that is not in the
// tree leaves its field unchanged.
func (d *Decoder) Decode(path Path, n *Node, target any) {
	d.value(path, n, reflect.ValueOf(target).Elem(), &tag{})
}

func (d *Decoder) fault(path Path, n *Node, format string, args ...any) {
	n.Bad = true
	d.Faults = append(d.Faults, Fault{Path: path, Pos: n.Pos, Value: n.shown(), Message: fmt.Sprintf(format, args...)})
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// value decodes n into v.
func (d *Decoder) value(path Path, n *Node, v reflect.Value, t *tag) {
	n.field = t
	if t.secret {
		d.Conceal(n)
	}
	if n.Bad {
		return
	}
	switch {
	case v.Kind() == reflect.Interface:
		return // decoded later by whoever knows the type
	case v.Kind() == reflect.Pointer && n.Null:
		return // a section without content is no section
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, n, v.Elem(), t)
	case isScalar(v):
		d.scalar(path, n, v, *t)
	case v.Kind() == reflect.Struct:
		d.structure(path, n, v)
	case v.Kind() == reflect.Map:
		d.mapping(path, n, v, t)
	case v.Kind() == reflect.Slice:
		d.list(path, n, v, t)
	default:
		panic(fmt.Sprintf("yamlx: %s has type %s, which no file can hold", path, v.Type()))
	}
}

func isScalar(v reflect.Value) bool {
	if reflect.PointerTo(v.Type()).Implements(textType) {
		return true
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice:
		return false
	default:
		return true
	}
}

// wants reports a fault unless n is of the given kind. An empty value stands for
// an empty mapping or list, as in "breakers:" with nothing below.
func (d *Decoder) wants(path Path, n *Node, kind Kind, t reflect.Type) bool {
	if n.Kind == Scalar && n.Null {
		return false
	}
	if n.Kind != kind {
		if holdsSecret(t) {
			d.Conceal(n)
		}
		d.fault(path, n, "must be %s, not %s", kind, n.Kind)
		return false
	}
	return true
}

func (d *Decoder) structure(path Path, n *Node, v reflect.Value) {
	if set, word := d.word(v); set.IsValid() && n.Kind == Scalar && !n.Null {
		if n.Text != word && holdsSecret(v.Type()) {
			d.Conceal(n)
		}
		n.field = &tag{word: word}
		d.scalar(path, n, set, *n.field)
		return
	}
	if !d.wants(path, n, Mapping, v.Type()) {
		return
	}
	known, more := d.fields(v.Type()), entries(v)
	defer keepFound(more, n)
	for i := range n.Pairs {
		pair := &n.Pairs[i]
		f, ok := find(known, pair.Key)
		if entry := entry(more, pair.Key); !ok && entry.IsValid() {
			d.value(path.Key(pair.Key), pair.Value, entry, &tag{})
			continue
		}
		if !ok {
			d.unknownKey(path, pair, known, more)
			if holdsSecret(v.Type()) {
				d.Conceal(pair.Value)
			}
			continue
		}
		d.value(path.Key(pair.Key), pair.Value, v.FieldByIndex(f.index), &f.tag)
	}
}

// entry returns what an inlined entry points to; the zero Value if there is none
// with this key.
func entry(more reflect.Value, key string) reflect.Value {
	if !more.IsValid() {
		return reflect.Value{}
	}
	e := more.MapIndex(reflect.ValueOf(key))
	if !e.IsValid() {
		return e
	}
	return e.Elem().Elem()
}

// keepFound drops the inlined entries that are not in the tree, or have no content
// there: a section without content is no section.
func keepFound(more reflect.Value, n *Node) {
	for _, key := range sortedKeys(more) {
		if found := n.Get(key.String()); found == nil || found.Null {
			more.SetMapIndex(key, reflect.Value{})
		}
	}
}

func find(known []field, key string) (*field, bool) {
	for i := range known {
		if known[i].key == key {
			return &known[i], true
		}
	}
	return nil, false
}

func (d *Decoder) unknownKey(path Path, pair *Pair, known []field, more reflect.Value) {
	var names []string
	for _, f := range known {
		names = append(names, f.key)
	}
	for _, key := range sortedKeys(more) {
		names = append(names, key.String())
	}
	d.Faults = append(d.Faults, Fault{
		Path: path.Key(pair.Key), Pos: pair.KeyPos,
		Message: "unknown key" + suggest.For(pair.Key, names),
	})
}

func (d *Decoder) mapping(path Path, n *Node, v reflect.Value, t *tag) {
	if !d.wants(path, n, Mapping, v.Type()) || len(n.Pairs) == 0 {
		return
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Pairs)))
	for i := range n.Pairs {
		pair := &n.Pairs[i]
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(path.Key(pair.Key), pair.Value, element, t)
		v.SetMapIndex(reflect.ValueOf(pair.Key).Convert(v.Type().Key()), element)
	}
}

func (d *Decoder) list(path Path, n *Node, v reflect.Value, t *tag) {
	if !d.wants(path, n, Sequence, v.Type()) || len(n.Items) == 0 {
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items)))
	for i, item := range n.Items {
		d.value(path.Index(i), item, v.Index(i), t)
	}
}
