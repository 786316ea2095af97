package key

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"testing"
)

// plainSIP is SipHash-1-3 with 128 bits of output, step by step as in the paper, of
// words of input and the last word.
func plainSIP(start sip, words []uint64, last uint64) (hi, lo uint64) {
	v := [4]uint64{start.v0, start.v1, start.v2, start.v3}
	step := func() {
		v[0] += v[1]
		v[1] = bits.RotateLeft64(v[1], 13)
		v[1] ^= v[0]
		v[0] = bits.RotateLeft64(v[0], 32)
		v[2] += v[3]
		v[3] = bits.RotateLeft64(v[3], 16)
		v[3] ^= v[2]
		v[0] += v[3]
		v[3] = bits.RotateLeft64(v[3], 21)
		v[3] ^= v[0]
		v[2] += v[1]
		v[1] = bits.RotateLeft64(v[1], 17)
		v[1] ^= v[2]
		v[2] = bits.RotateLeft64(v[2], 32)
	}
	for _, w := range append(slices.Clip(words), last) {
		v[3] ^= w
		step()
		v[0] ^= w
	}
	v[2] ^= 0xee
	for range 3 {
		step()
	}
	hi = v[0] ^ v[1] ^ v[2] ^ v[3]
	v[1] ^= 0xdd
	for range 3 {
		step()
	}
	return hi, v[0] ^ v[1] ^ v[2] ^ v[3]
}

// plainHash hashes parts as the comment of [Key.Hash] lays them out. The kind is 0
// of a text or an integer, 1 of a folded part and 2 of a value.
func plainHash(parts []string, kinds []uint64) Hash {
	var words, lengths []uint64
	var last uint64
	long := false
	for i, p := range parts {
		for b := []byte(p); len(b) > 0; {
			var word [8]byte
			b = b[copy(word[:], b):]
			words = append(words, binary.LittleEndian.Uint64(word[:]))
		}
		lengths = append(lengths, uint64(len(p)))
		last |= uint64(len(p)) % 8192 << (13 * i)
		last |= kinds[i] << (53 + 2*i)
		long = long || len(p) >= 8192
	}
	last |= uint64(len(parts)) << 61
	if long {
		words, last = append(words, lengths...), last|1<<52
	}
	hi, lo := plainSIP(seed, words, last)
	return Hash{hi | 1, lo}
}

// Whoever does not know the seed finds no keys that collide: this holds of SipHash,
// and of nothing that merely resembles it.
func TestTheHashIsSipHash(t *testing.T) {
	var sizes []string
	for n := range 34 {
		sizes = append(sizes, strings.Repeat("\xf1k", 20)[:n])
	}
	sizes = append(sizes, strings.Repeat("x", 8191), strings.Repeat("x", 8192), strings.Repeat("x", 8193), strings.Repeat("y", 40_003))
	check := func(k Key, kinds []uint64, parts ...string) {
		t.Helper()
		if got, want := k.Hash(All), plainHash(parts, kinds); got != want {
			t.Errorf("%d parts, the first %.20q of %d bytes: got %x, want %x", len(parts), parts[0], len(parts[0]), got, want)
		}
	}
	for i, p := range sizes {
		other := sizes[(i*7+3)%len(sizes)]
		check(Of(p), make([]uint64, 1), p)
		check(Of(p, other), make([]uint64, 2), p, other)
		check(Of(other, "b", 123_456, p), make([]uint64, 4), other, "b", "123456", p)
	}
	check(Of("a", int64(-12_345_678), uint64(1)<<63, 9_999_999), make([]uint64, 4), "a", "-12345678", "9223372036854775808", "9999999")
	check(Of("a", strings.Repeat("z", 9000), 10_000_000), make([]uint64, 3), "a", strings.Repeat("z", 9000), "10000000")
	check(Of("a", 1, true, 7), []uint64{0, 0, 2, 0}, "a", "1", "true", "7")
	check(Of(true, 0, "c", "d", 5), []uint64{2, 0, 0, 1}, "true", "0", "c", "d/5")
	var none Key
	if got, want := none.Hash(All), plainHash(nil, nil); got != want {
		t.Errorf("no parts: got %x, want %x", got, want)
	}
}

// The seed is the process's own, put into the state as SipHash says.
func TestTheSeedIsDrawn(t *testing.T) {
	one, other := newSeed(), newSeed()
	if one == other || one.v0 == other.v0 || one.v1 == other.v1 {
		t.Error("two seeds are alike")
	}
	for _, s := range []sip{one, other} {
		k0, k1 := s.v0^0x736f6d6570736575, s.v1^0x646f72616e646f6d^0xee
		if s.v2 != k0^0x6c7967656e657261 || s.v3 != k1^0x7465646279746573 {
			t.Errorf("%x is no state of SipHash with 128 bits of output", s)
		}
	}
}
