package key

import (
	"reflect"
	"strconv"
)

// reflected makes a part of a type that partOf does not know by name.
func reflected(r reflect.Value) (part, kind) {
	switch {
	case r.Kind() == reflect.String:
		return textPart(r.String()), isText
	case r.CanInt():
		return part{nil, uint64(r.Int())}, isSigned
	case r.CanUint():
		return part{nil, r.Uint()}, isUnsigned
	}
	return textPart(string(appendValue(nil, r))), isText
}

// appendValue writes out a value field by field, without calling its methods.
// Text inside is quoted, so that different values never look alike.
func appendValue(b []byte, r reflect.Value) []byte {
	switch {
	case !r.IsValid():
		return append(b, "<nil>"...)
	case r.CanInt():
		return strconv.AppendInt(b, r.Int(), 10)
	case r.CanUint():
		return strconv.AppendUint(b, r.Uint(), 10)
	case r.CanFloat():
		return strconv.AppendFloat(b, r.Float(), 'g', -1, 64)
	}
	return appendCompound(b, r)
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
	case reflect.Array, reflect.Slice:
		return appendElements(b, r)
	default: // pointers, maps, channels, functions: by identity
		return strconv.AppendUint(append(b, "0x"...), uint64(uintptr(r.UnsafePointer())), 16)
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
