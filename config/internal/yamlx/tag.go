package yamlx

import (
	"reflect"
	"slices"
	"strings"
)

// tag is what a field of a configuration struct says about itself.
//
//	yaml:"limit"             the key; "-" or none: not part of the file; ",inline": its fields stand beside;
//	                         of a map[string]any its entries do, see [entries]
//	yaml:",word=off"         of a bool: its struct may be written as this word, which sets it; a struct that
//	                         is there counts, if it is empty and stands behind a pointer
//	config:"zero"            an explicit 0 means none and is −1 in Go
//	config:"allowzero"       an explicit 0 means 0
//	config:"size"            a number of bytes, written with a unit
//	config:"auto"            the word auto stands for 0, which is the default
//	config:"secret"          never shown
//	config:"local"           it, and all below it, is set by the local file only
//	config:"anykey"          of a map: its keys are any texts, and no names
type tag struct {
	key                                  string
	word                                 string
	inline                               bool
	zero, allowZero, size, secret, local bool
	auto, anyKey                         bool
}

func parseTag(f reflect.StructField) (tag, bool) {
	key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	t := tag{key: key, inline: strings.Contains(options, "inline")}
	t.word, _ = strings.CutPrefix(options, "word=")
	if t.word == options {
		t.word = ""
	}
	for option := range strings.SplitSeq(f.Tag.Get("config"), ",") {
		switch option {
		case "zero":
			t.zero = true
		case "allowzero":
			t.allowZero = true
		case "size":
			t.size = true
		case "secret":
			t.secret = true
		case "local":
			t.local = true
		case "auto":
			t.auto = true
		case "anykey":
			t.anyKey = true
		}
	}
	return t, f.IsExported() && key != "-" && (key != "" || t.inline)
}

// field is a configurable field of a struct, inlined ones included.
type field struct {
	tag
	index []int
	typ   reflect.Type
	owner reflect.Type // the struct that declares it
	name  string       // in Go
}

// fields lists what of t can stand in a file, in the order of declaration.
func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tg, ok := parseTag(sf)
		if !ok {
			continue
		}
		if tg.inline && sf.Type.Kind() == reflect.Map {
			continue
		}
		if !tg.inline {
			out = append(out, field{tg, []int{i}, sf.Type, t, sf.Name})
			continue
		}
		for _, inner := range fields(sf.Type) {
			inner.index = append([]int{i}, inner.index...)
			out = append(out, inner)
		}
	}
	return out
}

// onWord is what is compared with its word where a struct is not written as that.
const onWord = "on"

// switchOf returns the index of the field of t that a word stands for, and the word; -1 if
// there is none.
func switchOf(t reflect.Type) (int, string) {
	for i := range t.NumField() {
		if tg, _ := parseTag(t.Field(i)); tg.word != "" {
			return i, tg.word
		}
	}
	return -1, ""
}

// entries returns the inlined map[string]any of a struct, whose entries are
// pointers to structs and stand beside the struct's fields. The zero Value stands
// for none.
func entries(v reflect.Value) reflect.Value {
	for i := range v.NumField() {
		if tg, ok := parseTag(v.Type().Field(i)); ok && tg.inline && v.Field(i).Kind() == reflect.Map {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// sortedKeys lists the keys of a map, which are texts, in order; none of the zero
// Value.
func sortedKeys(m reflect.Value) []reflect.Value {
	if !m.IsValid() {
		return nil
	}
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
