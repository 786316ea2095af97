package model

import (
	"math/big"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// windowModel counts calls by window.
type windowModel struct {
	c       ratelimit.Config
	counts  map[int64]int64
	sliding bool
}

func (m *windowModel) index(now clock.Instant) (index, elapsed int64) {
	q, r := new(big.Int).DivMod(big.NewInt(int64(now)), big.NewInt(int64(m.c.Per)), new(big.Int))
	return q.Int64(), r.Int64()
}

// weight is what counts at an instant, exactly.
func (m *windowModel) weight(index, elapsed int64) *big.Rat {
	w := rat(m.counts[index])
	if m.sliding {
		share := big.NewRat(int64(m.c.Per)-elapsed, int64(m.c.Per))
		w.Add(w, share.Mul(share, rat(m.counts[index-1])))
	}
	return w
}

func (m *windowModel) fits(index, elapsed, cost int64) bool {
	return new(big.Rat).Add(m.weight(index, elapsed), rat(cost)).Cmp(rat(m.c.Limit)) <= 0
}

func (m *windowModel) Peek(now clock.Instant, cost int64) Answer {
	index, elapsed := m.index(now)
	a := Answer{OK: m.fits(index, elapsed, cost), takenTo: index}
	a.Remaining = max(floor(new(big.Rat).Sub(rat(m.c.Limit), m.weight(index, elapsed))), 0)
	if !a.OK {
		a.RetryAfter = m.first(index, elapsed, func(i, e int64) bool { return m.fits(i, e, cost) })
	}
	a.ResetAfter = m.first(index, elapsed, func(i, e int64) bool { return m.weight(i, e).Sign() == 0 })
	return a
}

// first finds by bisection when something that stays true begins to be.
func (m *windowModel) first(index, elapsed int64, ok func(index, elapsed int64) bool) time.Duration {
	per := int64(m.c.Per)
	at := func(after int64) bool {
		t := new(big.Int).Add(big.NewInt(elapsed), big.NewInt(after))
		q, r := new(big.Int).DivMod(t, big.NewInt(per), new(big.Int))
		return ok(index+q.Int64(), r.Int64())
	}
	if at(0) {
		return 0
	}
	low, high := int64(0), int64(1<<63-1) // false at low, true at high or later
	for low+1 < high {
		if mid := low + (high-low)/2; at(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return time.Duration(high)
}

func (m *windowModel) Allow(now clock.Instant, cost int64) Answer {
	a := m.Peek(now, cost)
	if a.OK {
		m.counts[a.takenTo] += cost
		after := m.Peek(now, 0)
		a.Remaining, a.ResetAfter = after.Remaining, after.ResetAfter
	}
	return a
}

func (m *windowModel) Refund(_ clock.Instant, cost int64, given Answer) {
	m.counts[given.takenTo] -= cost
}

func (m *windowModel) Plain(clock.Instant, int64, Answer) bool { return true }
