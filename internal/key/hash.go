package key

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
)

// Hash is the keyed hash of a key's first parts. It is comparable and is never
// the zero Hash, so tables may use that for "empty".
type Hash struct{ Hi, Lo uint64 }

// All, given for a number of parts, means every part that the key has.
const All = MaxParts

// Hash returns the hash of the key's first parts; n larger than their number
// means all of them.
func (k *Key) Hash(n int) Hash {
	n = min(max(n, 0), int(k.n))
	s := seed
	var buf [20]byte
	for i := range n {
		s.absorbPart(k.bytes(i, &buf), k.kinds[i] == isFolded)
	}
	return s.sum(uint64(n))
}

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

// absorbPart absorbs the length and the bytes, the last word padded with zeros.
// The words of a sequence of parts can be taken apart again in one way only, so
// different sequences are different inputs.
func (s *sip) absorbPart(b []byte, folded bool) {
	v := *s
	length := uint64(len(b)) << 1
	if folded {
		length |= 1
	}
	v = v.absorb(length)
	for len(b) >= 8 {
		v = v.absorb(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	if len(b) > 0 {
		v = v.absorb(tail(b))
	}
	*s = v
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

func (s sip) absorb(word uint64) sip {
	s.v3 ^= word
	s = s.round()
	s.v0 ^= word
	return s
}

func (s sip) round() sip {
	s.v0 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 13) ^ s.v0
	s.v0 = bits.RotateLeft64(s.v0, 32)
	s.v2 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 16) ^ s.v2
	s.v0 += s.v3
	s.v3 = bits.RotateLeft64(s.v3, 21) ^ s.v0
	s.v2 += s.v1
	s.v1 = bits.RotateLeft64(s.v1, 17) ^ s.v2
	s.v2 = bits.RotateLeft64(s.v2, 32)
	return s
}

// sum finishes with the number of parts, as SipHash does with the length.
func (s sip) sum(n uint64) Hash {
	s = s.absorb(n<<56 | n)
	s.v2 ^= 0xee
	s = s.round().round().round()
	hi := s.v0 ^ s.v1 ^ s.v2 ^ s.v3
	s.v1 ^= 0xdd
	s = s.round().round().round()
	lo := s.v0 ^ s.v1 ^ s.v2 ^ s.v3
	if hi|lo == 0 {
		lo = 1
	}
	return Hash{hi, lo}
}
