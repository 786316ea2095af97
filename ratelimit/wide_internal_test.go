package ratelimit

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
)

func bigOf(a wide) *big.Int {
	b := new(big.Int).Lsh(big.NewInt(a.hi), 64)
	return b.Add(b, new(big.Int).SetUint64(a.lo))
}

// clamp cuts b off at the ends of a signed number of the given bits.
func clamp(b *big.Int, bits uint) *big.Int {
	end := new(big.Int).Lsh(big.NewInt(1), bits-1)
	most, least := new(big.Int).Sub(end, big.NewInt(1)), new(big.Int).Neg(end)
	switch {
	case b.Cmp(most) > 0:
		return most
	case b.Cmp(least) < 0:
		return least
	}
	return b
}

func TestPropertyWideIsArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) wide {
			return wide{rapid.Int64().Draw(t, name+" hi"), rapid.Uint64().Draw(t, name+" lo")}
		}
		a, b := draw("a"), draw("b")
		x, d := rapid.Int64().Draw(t, "x"), rapid.Int64Range(1, maxInt64).Draw(t, "d")
		checkWide(t, a, b, x, d)
	})
}

func TestWideIsArithmeticAtItsEnds(t *testing.T) {
	var ends []wide
	for _, hi := range []int64{minInt64, minInt64 + 1, -2, -1, 0, 1, maxInt64 - 1, maxInt64} {
		for _, lo := range []uint64{0, 1, maxInt64, 1 << 63, maxUint64} {
			ends = append(ends, wide{hi, lo})
		}
	}
	for _, a := range ends {
		for _, b := range ends {
			for _, d := range []int64{1, 2, maxInt64} {
				checkWide(t, a, b, a.hi, d)
			}
		}
	}
}

// checkWide compares every operation with the arithmetic of numbers of any size.
func checkWide(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, a, b wide, x, d int64,
) {
	t.Helper()
	check := func(what string, got, want *big.Int) {
		t.Helper()
		if got.Cmp(want) != 0 {
			t.Fatalf("%s of %v, %v, %d, %d is %v, want %v", what, a, b, x, d, got, want)
		}
	}
	check("plus", bigOf(a.plus(b)), clamp(new(big.Int).Add(bigOf(a), bigOf(b)), 128))
	check("minus", bigOf(a.minus(b)), clamp(new(big.Int).Sub(bigOf(a), bigOf(b)), 128))
	check("product", bigOf(product(x, d)), new(big.Int).Mul(big.NewInt(x), big.NewInt(d)))
	check("int64", big.NewInt(a.int64()), clamp(bigOf(a), 64))
	if a.less(b) != (bigOf(a).Cmp(bigOf(b)) < 0) || a.positive() != (bigOf(a).Sign() > 0) {
		t.Fatalf("order of %v, %v", a, b)
	}
	positive := clamp(bigOf(widest(a, wide{})), 128)
	check("floor", big.NewInt(a.floor(d)), clamp(new(big.Int).Quo(positive, big.NewInt(d)), 64))
	up := new(big.Int).Quo(new(big.Int).Add(positive, big.NewInt(d-1)), big.NewInt(d))
	check("ceil", big.NewInt(a.ceil(d)), clamp(up, 64))
}

// A word holds what it was made of, wherever the base is.
func TestPropertyWordsHoldTheirStates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom([]Algorithm{GCRA, FixedWindow, SlidingWindow, LeakyBucket}).Draw(t, "algorithm")
		r := newRule(Config{Algorithm: a, Limit: rapid.Int64Range(1, 1<<21).Draw(t, "limit"), Per: 1_000_000_000}, nil)
		if !r.pack.fits {
			return
		}
		base := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "base")
		st := state{}
		if paced(a) {
			st.tat = product(base, r.q).plus(wideOf(rapid.Int64Range(-pacedReach, pacedReach).Draw(t, "offset")))
		} else {
			st.window, st.count = base+rapid.Int64Range(0, r.pack.windows-1).Draw(t, "window"), rapid.Int64Range(0, r.peak).Draw(t, "count")
			if a == SlidingWindow {
				st.before = rapid.Int64Range(0, r.peak).Draw(t, "before")
			}
		}
		if w := r.word(base, st); w >= dead || r.unpacked(base, w) != st {
			t.Fatalf("%+v became %+v", st, r.unpacked(base, w))
		}
	})
}

// The common case computes in 64 bits what the definition computes in 128.
func TestPropertyTheFastPathIsTheDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom([]Algorithm{GCRA, LeakyBucket}).Draw(t, "algorithm")
		r := newRule(Config{Algorithm: a, Limit: rapid.Int64Range(1, 1<<20).Draw(t, "limit"), Per: 1_000_000_000, Burst: rapid.Int64Range(1, 1<<20).Draw(t, "burst")}, nil)
		base := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "base")
		w := uint64(rapid.Int64Range(-pacedReach, 2*pacedReach).Draw(t, "word") + middle)
		q := question{
			now:  clock.Instant(base + rapid.Int64Range(-r.pack.horizon, r.pack.horizon).Draw(t, "now")),
			cost: rapid.Int64Range(0, r.capacity).Draw(t, "cost"),
		}
		var fast verdict
		after, ok := r.askPaced(base, w, &q, &fast)
		st, slow := r.ask(r.unpacked(base, w), q.now, q.cost, 0)
		if !ok || fast != slow && (fast.ok || fast.retry != slow.retry || fast.remaining != slow.remaining || fast.reset != slow.reset) {
			t.Fatalf("fast %+v, definition %+v", fast, slow)
		}
		if fast.ok && after != r.word(base, st) {
			t.Fatalf("fast word %x, definition %x", after, r.word(base, st))
		}
	})
}
