package yamlx

import (
	"fmt"
	"reflect"
)

// Leaf is a single value of a document.
type Leaf struct {
	Value string // to compare with; may be a secret
	Shown string // to show
}

// Flatten lists the single values of v that are not at their zero, by path.
func Flatten(v any, veil Veil) map[Path]Leaf {
	f := flattener{veil: veil, out: make(map[Path]Leaf)}
	f.value("", reflect.ValueOf(v), tag{})
	return f.out
}

type flattener struct {
	veil Veil
	out  map[Path]Leaf
}

func (f *flattener) value(path Path, v reflect.Value, t tag) {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		v = v.Elem()
	}
	switch {
	case !v.IsValid() || v.IsZero():
	case isScalar(v):
		f.leaf(path, v, t)
	case v.Kind() == reflect.Struct:
		for _, sub := range fields(v.Type()) {
			f.value(path.Key(sub.key), v.FieldByIndex(sub.index), sub.tag)
		}
		more := entries(v)
		for _, key := range sortedKeys(more) {
			f.value(path.Key(key.String()), more.MapIndex(key), tag{})
		}
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			f.value(path.Key(key.String()), v.MapIndex(key), t)
		}
	default:
		for i := range v.Len() {
			f.value(path.Index(i), v.Index(i), t)
		}
	}
}

func (f *flattener) leaf(path Path, v reflect.Value, t tag) {
	leaf := Leaf{Value: scalarNode(v, t).Value}
	if v.Kind() == reflect.String {
		leaf.Value = v.String()
	}
	leaf.Shown = leaf.Value
	if text, veiled := f.veil(path, v, t.secret); veiled {
		leaf.Shown = text
	}
	if len(leaf.Shown) > MaxWord {
		leaf.Shown = fmt.Sprintf("%.*s…", MaxWord, leaf.Shown)
	}
	f.out[path] = leaf
}
