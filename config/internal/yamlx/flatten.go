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
	// wanted chooses what is listed; nil is all.
	wanted func(Path, Leaf) bool
	known  Decoder // for its fields
}

// value lists v, which stands at place; the path is what it goes by.
func (f *flattener) value(path, place Path, v reflect.Value, t tag) {
	pointed := false
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		pointed = pointed || v.Kind() == reflect.Pointer
		v = v.Elem()
	}
	if set, word := f.known.word(v); set.IsValid() && (set.Bool() || pointed) { // it counts that it is there
		f.leaf(path, place, set, tag{word: word, local: t.local})
		if set.Bool() {
			return
		}
	}
	switch {
	case !v.IsValid() || v.IsZero():
	case isScalar(v):
		f.leaf(path, place, v, t)
	case v.Kind() == reflect.Struct:
		for _, sub := range f.known.fields(v.Type()) {
			sub.local = sub.local || t.local
			f.entry(path, place, sub.key, v.FieldByIndex(sub.index), sub.tag)
		}
		more := entries(v)
		for _, key := range sortedKeys(more) {
			f.entry(path, place, key.String(), more.MapIndex(key), tag{})
		}
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			f.entry(path, place, key.String(), v.MapIndex(key), t)
		}
	default:
		for i := range v.Len() {
			f.value(f.element(path, v.Index(i), i), place.Index(i), v.Index(i), t)
		}
	}
}

// entry lists what stands at a key. Most settings of most parts are at their zero: no path
// is made for them. Documents whose lists go by position have one path for both.
func (f *flattener) entry(path, place Path, key string, v reflect.Value, t tag) {
	if v.IsZero() {
		return
	}
	there := place.Key(key)
	if path == place {
		f.value(there, there, v, t)
		return
	}
	f.value(path.Key(key), there, v, t)
}

func (f *flattener) leaf(path, place Path, v reflect.Value, t tag) {
	leaf := Leaf{Local: t.local}
	if v.Kind() == reflect.String {
		leaf.Value = v.String()
	} else {
		leaf.Value = scalarNode(v, t).Value
	}
	leaf.Shown = leaf.Value
	if text, veiled := f.veil(place, v, t.secret); veiled {
		leaf.Shown = text
	}
	const most = 100
	if len(leaf.Shown) > most && !f.named {
		leaf.Shown = fmt.Sprintf("%.*s…", most, leaf.Shown)
	}
	if f.wanted == nil || f.wanted(path, leaf) {
		f.out[path] = leaf
	}
}
