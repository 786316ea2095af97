package ratelimit

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

// rule is the arithmetic of one Config: pure functions of a key's state and the
// time. It is immutable, and two configurations that count alike share one.
//
// Paced rules compute in units of 1/q nanosecond, where p/q is Per/Limit in
// lowest terms: one token is p units and nothing is ever rounded before the end.
type rule struct {
	algorithm Algorithm
	limit     int64 // calls per window; never negative
	capacity  int64 // what is admitted at most at once: the burst, else the limit
	per       int64 // nanoseconds

	p, q int64
	full wide // capacity in units

	peak int64 // the greatest count that a state may hold
	pack packing
}

// newRule returns the rule of c. Prev is the rule before it, or nil.
func newRule(c Config, prev *rule) *rule {
	c = c.withDefaults()
	r := &rule{algorithm: c.Algorithm, limit: max(c.Limit, 0), capacity: max(c.Limit, 0), per: int64(c.Per), p: 1, q: 1}
	if paced(c.Algorithm) {
		r.capacity = c.Burst
	}
	if r.limit > 0 {
		d := gcd(r.per, r.limit)
		r.p, r.q = r.per/d, r.limit/d
	}
	r.full, r.peak = product(r.capacity, r.p), r.limit
	if prev != nil {
		r.peak = max(r.limit, prev.peak, prev.capacity)
	}
	if r.pack = packingFor(r, r.peak); !r.pack.fits {
		r.pack = packingFor(r, r.limit)
	}
	return r
}

// most is the greatest count that a state of r may have.
func (r *rule) most() int64 { return max(r.peak, r.capacity) }

// same reports whether two rules count alike.
func (r *rule) same(o *rule) bool {
	return r.algorithm == o.algorithm && r.limit == o.limit && r.capacity == o.capacity && r.per == o.per
}

// state is what is remembered of one key, in the form that holds it under every
// rule. Which fields mean something depends on the algorithm.
type state struct {
	tat wide // paced: when the bucket is full again, in units since instant 0
	counts
	log *callLog
}

// unused is the state of a key that was never seen.
func unused() state { return state{tat: wideMin, counts: counts{window: minInt64}} }

// verdict is a rule's answer about one call.
type verdict struct {
	ok        bool
	remaining int64
	retry     time.Duration // refused: until it is admitted; admitted with patience: until its turn
	reset     time.Duration // until the key is as if never used
	mark      int64         // for the refund: how far ahead what was taken ends, or its window, or its entry
}

// given is what a verdict gave and a refund takes back.
type given struct {
	at         clock.Instant // when the call was decided
	cost, mark int64
}

// ask decides a call of cost at now and returns the state after it, which is st
// unless it was admitted. Patience is how long the caller would wait for its
// turn; only paced rules give out turns, the others need 0. The cost must be
// within [0, capacity].
func (r *rule) ask(st state, now clock.Instant, cost int64, patience time.Duration) (state, verdict) {
	switch r.algorithm {
	case GCRA, LeakyBucket:
		return r.askBucket(st, now, cost, patience)
	case FixedWindow, SlidingWindow:
		var v verdict
		st.counts = r.askWindows(st.counts, r.moment(now), cost, &v)
		return st, v
	case SlidingLog:
		return r.askLog(st, now, cost)
	}
	return st, verdict{}
}

// refund gives back g as far as it still counts at now. Past is what is remembered
// of the refunds before it; only a bucket needs that.
func (r *rule) refund(st state, now clock.Instant, g given, past refunded) (state, refunded) {
	switch r.algorithm {
	case GCRA, LeakyBucket:
		return r.refundBucket(st, now, g, past)
	case FixedWindow, SlidingWindow:
		st.counts = refundWindow(st.counts, g.cost, g.mark)
		return st, past
	case SlidingLog:
		st.log.refund(clock.Instant(g.mark), g.cost)
	}
	return st, past
}

// spent reports whether st answers every call at now or later as unused does.
func (r *rule) spent(st state, now clock.Instant) bool { return r.used(st, now) == 0 }

// used returns how much of the capacity is taken at now, rounded up.
func (r *rule) used(st state, now clock.Instant) int64 {
	switch r.algorithm {
	case GCRA, LeakyBucket:
		return st.tat.minus(product(int64(now), r.q)).ceil(r.p)
	case FixedWindow, SlidingWindow:
		c, at := r.slide(st.counts, r.moment(now))
		return addCapped(c.count, r.weighted(c, at))
	case SlidingLog:
		return st.log.total(now, r.per)
	}
	return 0
}

// seeded returns the state of a key of which used was taken at now.
func (r *rule) seeded(used int64, now clock.Instant) state {
	st := unused()
	switch r.algorithm {
	case GCRA, LeakyBucket:
		st.tat = product(int64(now), r.q).plus(product(used, r.p))
	case FixedWindow, SlidingWindow:
		st.window, st.count = r.moment(now).window, used
	case SlidingLog:
		st.log = &callLog{}
		st.log.add(now, used)
	}
	return st
}

// inherit returns what st, a state under the rule old, becomes under r when the
// rules change at now: what was taken stays taken and runs off at the new rate.
func (r *rule) inherit(old *rule, st state, now clock.Instant) state {
	switch {
	case r == old || r.algorithm == old.algorithm && r.per == old.per && !paced(r.algorithm):
		return st
	case paced(r.algorithm) && paced(old.algorithm):
		st.tat = r.converted(old, st.tat, now)
		return st
	}
	return r.seeded(old.used(st, now), now)
}

// converted keeps the tokens that are missing from a bucket. Of one that is full
// it keeps since when, for readings of the clock from before the change.
func (r *rule) converted(old *rule, tat wide, now clock.Instant) wide {
	here, there := product(int64(now), r.q), product(int64(now), old.q)
	if debt := tat.minus(there); debt.positive() {
		whole, rest := debt.divide(old.p)
		return here.plus(product(whole, r.p)).plus(wideOf(scaleUp(rest, r.p, old.p)))
	}
	return here.minus(product(there.minus(tat).floor(old.q), r.q))
}
