package ratelimit_test

import (
	"math/big"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// answer is what a model says: the exported numbers of a Decision.
type answer struct {
	OK               bool
	Remaining        int64
	RetryAfter       time.Duration
	ResetAfter       time.Duration
	takenAt, takenTo int64 // for the model's own refunds
}

// model is one key under one rule, written as plainly as its meaning: fractions
// of unlimited size, lists of calls, no packing and no cleverness. The times that
// it is asked about never go backwards.
type model interface {
	allow(now clock.Instant, cost int64) answer
	peek(now clock.Instant, cost int64) answer
	refund(now clock.Instant, cost int64, given answer)
	// plain is whether what a refund gives back is the same without knowing when
	// the call was made.
	plain(now clock.Instant, cost int64, given answer) bool
}

func newModel(c ratelimit.Config) model {
	if c.Burst == 0 {
		c.Burst = c.Limit
	}
	switch c.Algorithm {
	case ratelimit.FixedWindow:
		return &windowModel{c: c, counts: map[int64]int64{}}
	case ratelimit.SlidingWindow:
		return &windowModel{c: c, counts: map[int64]int64{}, sliding: true}
	case ratelimit.SlidingLog:
		return &logModel{c: c}
	case ratelimit.GCRA, ratelimit.LeakyBucket:
	}
	return &bucketModel{c: c}
}

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

func (m *bucketModel) peek(now clock.Instant, cost int64) answer {
	missing := m.missing(now)
	after := new(big.Rat).Add(missing, rat(cost))
	over := new(big.Rat).Sub(after, rat(m.c.Burst))
	room := new(big.Rat).Sub(rat(m.c.Burst), missing)
	if m.c.Algorithm == ratelimit.LeakyBucket {
		over = missing // every call waits for the ones before it
		room.Add(room, rat(1))
	}
	return answer{
		OK: over.Sign() <= 0, Remaining: min(floor(room), m.c.Burst),
		RetryAfter: m.timeFor(over), ResetAfter: m.timeFor(missing),
	}
}

func (m *bucketModel) allow(now clock.Instant, cost int64) answer {
	a := m.peek(now, cost)
	if a.OK {
		m.taken, m.last = new(big.Rat).Add(m.missing(now), rat(cost)), now
		after := m.peek(now, 0)
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
func (m *bucketModel) owed(now clock.Instant, cost int64, g answer) (end, alone *big.Rat, last bool) {
	end = new(big.Rat).Sub(new(big.Rat).Sub(m.ends[g.takenTo], m.given()), m.clock(now))
	alone = new(big.Rat).Sub(new(big.Rat).Add(m.clock(clock.Instant(g.takenAt)), rat(cost)), m.clock(now))
	missing := m.missing(now)
	return end, alone, missing.Cmp(end) <= 0 || missing.Cmp(alone) <= 0
}

func (m *bucketModel) refund(now clock.Instant, cost int64, g answer) {
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

func (m *bucketModel) plain(now clock.Instant, cost int64, g answer) bool {
	end, alone, last := m.owed(now, cost, g)
	return last || alone.Cmp(end) <= 0 || alone.Sign() <= 0 || end.Cmp(rat(cost)) >= 0
}

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

func (m *windowModel) peek(now clock.Instant, cost int64) answer {
	index, elapsed := m.index(now)
	a := answer{OK: m.fits(index, elapsed, cost), takenTo: index}
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

func (m *windowModel) allow(now clock.Instant, cost int64) answer {
	a := m.peek(now, cost)
	if a.OK {
		m.counts[a.takenTo] += cost
		after := m.peek(now, 0)
		a.Remaining, a.ResetAfter = after.Remaining, after.ResetAfter
	}
	return a
}

func (m *windowModel) refund(_ clock.Instant, cost int64, given answer) {
	m.counts[given.takenTo] -= cost
}

func (m *windowModel) plain(clock.Instant, int64, answer) bool { return true }

// logModel keeps every call for ever.
type logModel struct {
	c     ratelimit.Config
	calls []logCall
}

type logCall struct {
	at   clock.Instant
	cost int64
}

func (m *logModel) sum(now clock.Instant) int64 { return m.sumAfter(now, 0) }

func (m *logModel) sumAfter(now clock.Instant, d time.Duration) (sum int64) {
	for _, c := range m.calls {
		if now.Sub(c.at) < m.c.Per-d {
			sum += c.cost
		}
	}
	return sum
}

func (m *logModel) peek(now clock.Instant, cost int64) answer {
	sum := m.sum(now)
	a := answer{OK: cost <= m.c.Limit-sum, Remaining: m.c.Limit - sum, takenAt: int64(now)}
	for _, c := range m.calls {
		if end := m.c.Per - now.Sub(c.at); end > 0 && c.cost > 0 {
			if a.ResetAfter = end; !a.OK && a.RetryAfter == 0 && cost <= m.c.Limit-m.sumAfter(now, end) {
				a.RetryAfter = end
			}
		}
	}
	return a
}

func (m *logModel) allow(now clock.Instant, cost int64) answer {
	a := m.peek(now, cost)
	if a.OK {
		m.calls = append(m.calls, logCall{now, cost})
		after := m.peek(now, 0)
		a.Remaining, a.ResetAfter = after.Remaining, after.ResetAfter
	}
	return a
}

func (m *logModel) refund(_ clock.Instant, cost int64, given answer) {
	for i := range m.calls {
		if int64(m.calls[i].at) == given.takenAt {
			back := min(cost, m.calls[i].cost)
			m.calls[i].cost -= back
			cost -= back
		}
	}
}

func (m *logModel) plain(clock.Instant, int64, answer) bool { return true }
