package key

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Hash is the keyed hash of a key's first parts. It is comparable, and Hi is odd,
// so that tables may use a Hi of 0 for "empty".
type Hash struct{ Hi, Lo uint64 }

// All stands for every part that a key has, where a number of parts is asked for.
const All = MaxParts

// Hash returns the hash of the key's first parts; n larger than their number
// means all of them.
//
// The input to SipHash is, for each part, its bytes in words of eight, the last
// one padded with zeros, and at the end one word with the number of parts and
// their lengths, which do not fit for long parts and are then words of their
// own, and what is neither text nor an integer. It can be taken apart in one way only: different parts, different input.
func (k *Key) Hash(n int) Hash {
	n = min(max(n, 0), int(k.n))
	v0, v1, v2, v3 := seed.v0, seed.v1, seed.v2, seed.v3
	final, long := uint64(n)<<countAt, false
	for i := range n {
		kind, p := k.kinds[i], &k.parts[i]
		var word uint64 // what is left of the part after its whole words
		size := int(p.number)
		switch {
		case kind == isText || kind >= isFolded:
			b := unsafe.Slice(p.text, size)
			for ; len(b) >= 8; b = b[8:] {
				whole := binary.LittleEndian.Uint64(b)
				v0, v1, v2, v3 = round(v0, v1, v2, v3^whole)
				v0 ^= whole
			}
			word = tail(b)
			if kind >= isFolded {
				final |= uint64(kind-isFolded+1) << (kindsAt + kindBits*i)
			}
		case p.number < 1e7:
			word, size = digits(p.number)
		default:
			return k.hashSpelled(i, n)
		}
		if size&7 != 0 {
			v0, v1, v2, v3 = round(v0, v1, v2, v3^word)
			v0 ^= word
		}
		final |= uint64(size&maxShort) << (shortBits * i)
		long = long || size > maxShort
	}
	s := sip{v0, v1, v2, v3}
	if long {
		return s.absorbLengths(k, n).sum(final | longFlag)
	}
	return s.sum(final)
}

// hashSpelled is Hash with part i, an integer, turned into text.
func (k *Key) hashSpelled(i, n int) Hash {
	var buf [20]byte
	b, spelled := k.bytes(i, &buf), *k
	spelled.parts[i], spelled.kinds[i] = part{&b[0], uint64(len(b))}, isText
	return spelled.Hash(n)
}

const (
	shortBits = 13
	maxShort  = 1<<shortBits - 1
	longFlag  = 1 << (MaxParts * shortBits)
	kindsAt   = MaxParts*shortBits + 1
	kindBits  = 2
	countAt   = kindsAt + MaxParts*kindBits
)

// sip is SipHash-1-3 with 128 bits of output (Aumasson and Bernstein, 2012): one
// round for a word of input and three to finish, as hash tables use it.
type sip struct{ v0, v1, v2, v3 uint64 }

// seed is the state after the process's key was absorbed.
var seed = newSeed()

func newSeed() sip {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails, by its documentation
	k0, k1 := binary.LittleEndian.Uint64(raw[:8]), binary.LittleEndian.Uint64(raw[8:])
	return sip{
		k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee,
		k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573,
	}
}

func (s sip) absorbLengths(k *Key, n int) sip {
	var buf [20]byte
	for i := range n {
		word := uint64(len(k.bytes(i, &buf)))
		s.v0, s.v1, s.v2, s.v3 = round(s.v0, s.v1, s.v2, s.v3^word)
		s.v0 ^= word
	}
	return s
}

// tail returns less than 8 bytes as a word.
func tail(b []byte) uint64 {
	n := len(b)
	switch {
	case n >= 4:
		low, high := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[n-4:])
		return uint64(low) | uint64(high)<<(8*(n-4))
	case n > 0:
		return uint64(b[0]) | uint64(b[n/2])<<(8*(n/2)) | uint64(b[n-1])<<(8*(n-1))
	}
	return 0
}

// digits returns the decimal text of n, which is below 10⁷, as tail returns it,
// and how long it is. It halves the number three times over, all the parts at
// once, and so takes no step for each digit; 10486/2²⁰ and 103/2¹⁰ are 1/100 and
// 1/10, exactly enough below 10⁴ and 10².
func digits(n uint64) (word uint64, size int) {
	x := n<<32 - n/10_000*(10_000<<32-1) // n%10_000<<32 | n/10_000, and so on
	x = x<<16 - (x*10486>>20&0x7f_0000_007f)*(100<<16-1)
	x = x<<8 - (x*103>>10&0xf_000f_000f_000f)*(10<<8-1)
	zeros := bits.TrailingZeros64(x|1<<56) &^ 7 // of leading digits; a zero itself has one
	return (x | 0x3030303030303030) >> zeros, 8 - zeros/8
}

// round takes words and not a sip, which keeps it below what the compiler inlines.
func round(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v2 += v3
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 = bits.RotateLeft64(v0, 32) + v3
	v2 += v1
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	return v0, v1, bits.RotateLeft64(v2, 32), v3
}

func (s sip) sum(final uint64) Hash {
	v0, v1, v2, v3 := round(s.v0, s.v1, s.v2, s.v3^final)
	v0, v2 = v0^final, v2^0xee
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	hi := v0 ^ v1 ^ v2 ^ v3
	v0, v1, v2, v3 = round(v0, v1^0xdd, v2, v3)
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	lo := v0 ^ v1 ^ v2 ^ v3
	return Hash{hi | 1, lo}
}
