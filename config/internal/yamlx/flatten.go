package yamlx

import (
	"fmt"
	"reflect"
)

// Leaf is a single value of a document.
type Leaf struct {
	Value string // to compare with; may be a secret
	Shown string // to show
	Local bool   // set by the local file only
}

// Flatten lists the single values of v that are not at their zero, by path.
func Flatten(v any, veil Veil) map[Path]Leaf {
	f := flattener{veil: veil, out: make(map[Path]Leaf)}
	f.value("", "", reflect.ValueOf(v), tag{})
	return f.out
}

type flattener struct {
	veil  Veil
	named bool // the elements of lists go by their names
	out   map[Path]Leaf
	known Decoder // for its fields
}

// value lists v, which stands at place; the path is what it goes by.
func (f *flattener) value(path, place Path, v reflect.Value, t tag) {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	switch {
	case !v.IsValid() || v.IsZero():
	case isScalar(v):
		f.leaf(path, place, v, t)
	case v.Kind() == reflect.Struct:
		for _, sub := range f.known.fields(v.Type()) {
			sub.local = sub.local || t.local
			f.value(path.Key(sub.key), place.Key(sub.key), v.FieldByIndex(sub.index), sub.tag)
		}
		more := entries(v)
		for _, key := range sortedKeys(more) {
			f.value(path.Key(key.String()), place.Key(key.String()), more.MapIndex(key), tag{})
		}
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			f.value(path.Key(key.String()), place.Key(key.String()), v.MapIndex(key), t)
		}
	default:
		for i := range v.Len() {
			f.value(f.element(path, v.Index(i), i), place.Index(i), v.Index(i), t)
		}
	}
}

func (f *flattener) leaf(path, place Path, v reflect.Value, t tag) {
	leaf := Leaf{Value: scalarNode(v, t).Value}
	if v.Kind() == reflect.String {
		leaf.Value = v.String()
	}
	leaf.Shown, leaf.Local = leaf.Value, t.local
	if text, veiled := f.veil(place, v, t.secret); veiled {
		leaf.Shown = text
	}
	if len(leaf.Shown) > MaxWord && !f.named {
		leaf.Shown = fmt.Sprintf("%.*s…", MaxWord, leaf.Shown)
	}
	f.out[path] = leaf
}
