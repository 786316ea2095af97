package yamlx

import (
	"reflect"
	"strings"
)

// tag is what a field of a configuration struct says about itself.
//
//	yaml:"limit"             the key; "-" or none: not part of the file; ",inline": its fields stand beside
//	config:"zero"            an explicit 0 means none and is −1 in Go
//	config:"allowzero"       an explicit 0 means 0
//	config:"size"            a number of bytes, written with a unit
//	config:"secret"          never shown
type tag struct {
	key                           string
	inline                        bool
	zero, allowZero, size, secret bool
}

func parseTag(f reflect.StructField) (tag, bool) {
	key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	t := tag{key: key, inline: strings.Contains(options, "inline")}
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
