package key

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
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
// own. It can be taken apart in one way only: different parts, different input.
func (k *Key) Hash(n int) Hash {
	n = min(max(n, 0), int(k.n))
	s, final, long := seed, uint64(n)<<60, false
	var buf [20]byte
	for i := range n {
		b := k.bytes(i, &buf)
		s = s.absorbAll(b)
		long = long || len(b) > maxShort
		final |= uint64(len(b)&maxShort) << (shortBits * i)
		if k.kinds[i] == isFolded {
			final |= foldedFlag
		}
	}
	if long {
		s, final = s.absorbLengths(k, n), final|longFlag
	}
	return s.sum(final)
}

const (
	shortBits  = 13
	maxShort   = 1<<shortBits - 1
	foldedFlag = 1 << (MaxParts*shortBits + 0)
	longFlag   = 1 << (MaxParts*shortBits + 1)
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

func (s sip) absorbAll(b []byte) sip {
	v0, v1, v2, v3 := s.v0, s.v1, s.v2, s.v3
	for len(b) >= 8 {
		word := binary.LittleEndian.Uint64(b)
		v0, v1, v2, v3 = round(v0, v1, v2, v3^word)
		v0 ^= word
		b = b[8:]
	}
	if len(b) > 0 {
		word := tail(b)
		v0, v1, v2, v3 = round(v0, v1, v2, v3^word)
		v0 ^= word
	}
	return sip{v0, v1, v2, v3}
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

// tail returns 1 to 7 bytes as a word.
func tail(b []byte) uint64 {
	n := len(b)
	if n >= 4 {
		low, high := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[n-4:])
		return uint64(low) | uint64(high)<<(8*(n-4))
	}
	return uint64(b[0]) | uint64(b[n/2])<<(8*(n/2)) | uint64(b[n-1])<<(8*(n-1))
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
