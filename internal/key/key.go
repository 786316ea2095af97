package key

import (
	"reflect"
	"strconv"
	"unsafe"
)

// MaxParts is how many parts of a key are kept apart. Further ones are legal and
// are folded into the last.
const MaxParts = 4

// Key names who or what is counted. It is passed by value and is immutable; the
// zero Key has no parts and stands for everybody. Keys are not comparable with
// ==, which would compare addresses: compare their hashes.
type Key struct {
	_     [0]func()
	parts [MaxParts]part
	n     uint8 // parts in use
	kinds [MaxParts]kind
}

// part is a string or an integer in two words. Keeping the pointer and not the
// string header is what lets an integer use the same space.
type part struct {
	text   *byte
	number uint64 // the length of text, or the integer
}

type kind uint8

const (
	isText     kind = iota
	isSigned        // number is an int64
	isUnsigned      // number is a uint64
	isFolded        // text that stands for several parts and is already encoded
	isValue         // text that a value of another type was written out as
)

// Of returns the key of the given parts: strings and integers of any width and
// of types derived from them, without allocating. An integer is the same part as
// its decimal text, so that what [Key.Text] shows can be typed in again. Parts
// of other types are written out field by field, which is slow: give a string.
// They never equal a string or an integer: true is another part than "true".
//
// The key refers to the memory of its strings and does not copy them.
func Of(parts ...any) (k Key) {
	k.n = uint8(min(len(parts), MaxParts))
	for i, v := range parts[:k.n] {
		if text, ok := v.(string); ok { // as nearly every first part is
			k.parts[i] = textPart(text)
			continue
		}
		k.parts[i], k.kinds[i] = partOf(v)
	}
	if len(parts) > MaxParts {
		k.parts[MaxParts-1], k.kinds[MaxParts-1] = fold(parts[MaxParts-1:])
	}
	return k
}

// partOf returns its part instead of storing it in a key, so that strings flow
// to the result of Of only and the boxes of its arguments stay on the stack.
func partOf(v any) (part, kind) {
	switch v := v.(type) {
	case string:
		return textPart(v), isText
	case int:
		return part{nil, uint64(v)}, isSigned
	case int64:
		return part{nil, uint64(v)}, isSigned
	case int32:
		return part{nil, uint64(v)}, isSigned
	case uint64:
		return part{nil, v}, isUnsigned
	case uint32:
		return part{nil, uint64(v)}, isUnsigned
	case uint:
		return part{nil, uint64(v)}, isUnsigned
	case written:
		return textPart(string(v)), isValue
	}
	return reflected(reflect.ValueOf(v))
}

// written is a value as appendValue writes it, read from the text of a key.
type written string

func textPart(s string) part { return part{unsafe.StringData(s), uint64(len(s))} }

// fold makes one part stand for several. Its text is that of a key of its own;
// its kind keeps it apart from a single part with the same text.
func fold(rest []any) (part, kind) {
	var text []byte
	for i, v := range rest {
		if i > 0 {
			text = append(text, '/')
		}
		var one Key
		one.parts[0], one.kinds[0] = partOf(v)
		text = one.appendPart(text, 0)
	}
	return textPart(string(text)), isFolded
}

// IsZero reports whether the key has no parts.
func (k Key) IsZero() bool { return k.n == 0 }

// Len returns the number of parts, at most [MaxParts].
func (k Key) Len() int { return int(k.n) }

// First returns the key of the first n parts; all of them if n is not smaller
// than their number, and the zero Key if n is 0 or negative.
func (k Key) First(n int) Key {
	if n >= int(k.n) {
		return k
	}
	first := Key{n: uint8(max(n, 0))}
	copy(first.parts[:first.n], k.parts[:])
	copy(first.kinds[:first.n], k.kinds[:])
	return first
}

// bytes returns the bytes of part i; those of an integer are written to buf.
func (k *Key) bytes(i int, buf *[20]byte) []byte {
	p := &k.parts[i]
	switch k.kinds[i] {
	case isSigned:
		return strconv.AppendInt(buf[:0], int64(p.number), 10)
	case isUnsigned:
		return strconv.AppendUint(buf[:0], p.number, 10)
	case isText, isFolded, isValue:
	}
	return unsafe.Slice(p.text, int(p.number))
}
