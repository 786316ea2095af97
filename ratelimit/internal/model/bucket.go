package model

import (
	"math/big"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// bucketModel is the textbook token bucket: a level that rises with time.
type bucketModel struct {
	c     ratelimit.Config
	taken *big.Rat // tokens that are missing from a full bucket
	last  clock.Instant
	ends  []*big.Rat // by receipt: when the bucket would have been full again, and sum
	sum   *big.Rat   // tokens that were given back from under later calls
}

func rat(v int64) *big.Rat { return new(big.Rat).SetInt64(v) }

// missing is what is missing at now; it becomes less by Limit/Per a nanosecond.
func (m *bucketModel) missing(now clock.Instant) *big.Rat {
	if m.taken == nil {
		return rat(0)
	}
	elapsed := new(big.Int).Sub(big.NewInt(int64(now)), big.NewInt(int64(m.last)))
	gained := new(big.Rat).Mul(new(big.Rat).SetInt(elapsed), big.NewRat(m.c.Limit, int64(m.c.Per)))
	left := new(big.Rat).Sub(m.taken, gained)
	if left.Sign() < 0 {
		return rat(0)
	}
	return left
}

// timeFor is how long it takes to gain tokens, rounded up.
func (m *bucketModel) timeFor(tokens *big.Rat) time.Duration {
	if tokens.Sign() <= 0 {
		return 0
	}
	return time.Duration(ceil(new(big.Rat).Mul(tokens, big.NewRat(int64(m.c.Per), m.c.Limit))))
}

func ceil(r *big.Rat) int64 {
	q, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	if !q.IsInt64() {
		return 1<<63 - 1
	}
	return q.Int64()
}

func floor(r *big.Rat) int64 {
	q, _ := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	switch {
	case q.Sign() < 0:
		return 0
	case !q.IsInt64():
		return 1<<63 - 1
	}
	return q.Int64()
}

func (m *bucketModel) Peek(now clock.Instant, cost int64) Answer {
	missing := m.missing(now)
	after := new(big.Rat).Add(missing, rat(cost))
	over := new(big.Rat).Sub(after, rat(m.c.Burst))
	room := new(big.Rat).Sub(rat(m.c.Burst), missing)
	if m.c.Algorithm == ratelimit.LeakyBucket {
		over = missing // every call waits for the ones before it
		room.Add(room, rat(1))
	}
	return Answer{
		OK: over.Sign() <= 0, Remaining: min(floor(room), m.c.Burst),
		RetryAfter: m.timeFor(over), ResetAfter: m.timeFor(missing),
	}
}

func (m *bucketModel) Allow(now clock.Instant, cost int64) Answer {
	a := m.Peek(now, cost)
	if a.OK {
		m.taken, m.last = new(big.Rat).Add(m.missing(now), rat(cost)), now
		after := m.Peek(now, 0)
		a.Remaining, a.ResetAfter = after.Remaining, after.ResetAfter
		a.takenAt, a.takenTo = int64(now), int64(len(m.ends))
		m.ends = append(m.ends, new(big.Rat).Add(m.clock(now), new(big.Rat).Add(m.taken, m.given())))
	}
	return a
}

func (m *bucketModel) given() *big.Rat {
	if m.sum == nil {
		m.sum = rat(0)
	}
	return m.sum
}

// clock is an instant in tokens.
func (m *bucketModel) clock(at clock.Instant) *big.Rat {
	return new(big.Rat).Mul(rat(int64(at)), big.NewRat(m.c.Limit, int64(m.c.Per)))
}

// owed is how many tokens of a receipt time has not given back yet: by the end that
// it has now, and by the end that it would have alone. Last is whether nothing came
// after it.
func (m *bucketModel) owed(now clock.Instant, cost int64, g Answer) (end, alone *big.Rat, last bool) {
	end = new(big.Rat).Sub(new(big.Rat).Sub(m.ends[g.takenTo], m.given()), m.clock(now))
	alone = new(big.Rat).Sub(new(big.Rat).Add(m.clock(clock.Instant(g.takenAt)), rat(cost)), m.clock(now))
	missing := m.missing(now)
	return end, alone, missing.Cmp(end) <= 0 || missing.Cmp(alone) <= 0
}

func (m *bucketModel) Refund(now clock.Instant, cost int64, g Answer) {
	end, alone, last := m.owed(now, cost, g)
	back := end
	if back.Cmp(alone) < 0 {
		back = alone
	}
	switch {
	case last:
		back = m.missing(now)
	case m.c.Algorithm == ratelimit.LeakyBucket:
		return
	}
	if back.Cmp(rat(cost)) > 0 {
		back = rat(cost)
	}
	if back.Sign() <= 0 {
		return
	}
	m.taken, m.last = new(big.Rat).Sub(m.missing(now), back), now
	if !last {
		m.sum = new(big.Rat).Add(m.given(), back)
	}
}

func (m *bucketModel) Plain(now clock.Instant, cost int64, g Answer) bool {
	end, alone, _ := m.owed(now, cost, g)
	latest := m.missing(now).Cmp(end) <= 0 // which a store sees, too; that nothing lies beyond the end that the call had alone it does not
	return latest || alone.Cmp(end) <= 0 || alone.Sign() <= 0 || end.Cmp(rat(cost)) >= 0
}
