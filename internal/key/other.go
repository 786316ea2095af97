package key

import (
	"bytes"
	"reflect"
	"strconv"
)

// reflected makes a part of a type that partOf does not know by name. What is no
// string and no integer is a value: no text equals it, whatever it reads like.
func reflected(r reflect.Value) (part, kind) {
	switch {
	case r.Kind() == reflect.String:
		return textPart(r.String()), isText
	case r.CanInt():
		return part{nil, uint64(r.Int())}, isSigned
	case r.CanUint():
		return part{nil, r.Uint()}, isUnsigned
	}
	return textPart(string(appendValue(nil, r))), isValue
}

// appendValue writes out a value field by field, without calling its methods.
// Values of different kinds never look alike: text inside is quoted, a float is
// never written as an integer is, an array has its length, and what is told
// apart by identity has the name of its kind.
func appendValue(b []byte, r reflect.Value) []byte {
	switch {
	case !r.IsValid():
		return append(b, "nil"...)
	case r.CanInt():
		return strconv.AppendInt(b, r.Int(), 10)
	case r.CanUint():
		return strconv.AppendUint(b, r.Uint(), 10)
	case r.CanFloat():
		return appendFloat(b, r.Float())
	}
	return appendCompound(b, r)
}

func appendFloat(b []byte, f float64) []byte {
	from := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	if !bytes.ContainsAny(b[from:], ".eNI") { // it reads like an integer, and is no NaN or Inf
		b = append(b, ".0"...)
	}
	return b
}

func appendCompound(b []byte, r reflect.Value) []byte {
	switch r.Kind() {
	case reflect.String:
		return strconv.AppendQuote(b, r.String())
	case reflect.Bool:
		return strconv.AppendBool(b, r.Bool())
	case reflect.Complex64, reflect.Complex128:
		return append(b, strconv.FormatComplex(r.Complex(), 'g', -1, 128)...)
	case reflect.Interface:
		return appendInterface(b, r.Elem())
	case reflect.Struct:
		return appendFields(b, r)
	case reflect.Array:
		return appendElements(strconv.AppendInt(b, int64(r.Len()), 10), r)
	case reflect.Slice:
		return appendElements(b, r)
	default: // pointers, maps, channels, functions: by identity
		b = append(append(b, r.Kind().String()...), ":0x"...)
		return strconv.AppendUint(b, uint64(uintptr(r.UnsafePointer())), 16)
	}
}

func appendInterface(b []byte, r reflect.Value) []byte {
	if r.IsValid() {
		b = append(b, r.Type().String()...)
	}
	return appendValue(append(b, ':'), r)
}

// appendFields and appendElements spell out their loops: passing r.Field as a
// function would move every argument of Of to the heap.
func appendFields(b []byte, r reflect.Value) []byte {
	b = append(b, '{')
	for i := range r.NumField() { //nolint:modernize // the iterator would do what the comment above warns of
		b = append(appendValue(b, r.Field(i)), ' ')
	}
	return append(b, '}')
}

func appendElements(b []byte, r reflect.Value) []byte {
	b = append(b, '[')
	for i := range r.Len() {
		b = append(appendValue(b, r.Index(i)), ' ')
	}
	return append(b, ']')
}
