package key

import (
	"strconv"
	"testing"
)

// digits must be the tail of the decimal text, or an integer would be another
// part than its text.
func TestDigitsAreTheDecimalText(t *testing.T) {
	check := func(n uint64) {
		t.Helper()
		text := strconv.FormatUint(n, 10)
		word, size := digits(n)
		var read [8]byte
		for i := range size {
			read[i] = byte(word >> (8 * i))
		}
		if string(read[:size]) != text || size < 8 && word>>(8*size) != 0 {
			t.Fatalf("%d reads %q, %d digits", n, read, size)
		}
	}
	for n := range uint64(20_000) {
		check(n)
		check(n * 1_000 % 10_000_000)
		check(9_999_999 - n)
	}
	for n := uint64(1); n < 10_000_000; n += 997 {
		check(n)
	}
}
