package ratelimit

import (
	"time"

	"github.com/elixirscope/foundation/internal/clock"
)

// The generic cell rate algorithm (ITU-T I.371): the state is the moment at
// which the bucket will be full again, the theoretical arrival time. A call of
// cost c moves it by c×Per/Limit and is admitted if it then lies at most
// Burst×Per/Limit ahead. It needs no record of when it was last looked at, so
// calls whose clock readings arrive out of order are decided exactly.

func (r *rule) askBucket(st state, now clock.Instant, cost int64, patience time.Duration) (state, verdict) {
	nowU := product(int64(now), r.q)
	start := widest(st.tat, nowU)
	after := start.plus(product(cost, r.p))
	ahead := after.minus(nowU)
	v := verdict{retry: time.Duration(ahead.minus(r.tolerance(cost)).ceil(r.q))}
	if v.ok = v.retry <= patience && (patience == 0 || r.holds(ahead)); !v.ok {
		ahead = start.minus(nowU)
	} else {
		st.tat, v.mark = after, ahead.ceil(r.q)
	}
	v.remaining, v.reset = r.room(ahead), time.Duration(ahead.ceil(r.q))
	return st, v
}

// room is what is left when the bucket will be full again ahead from now. Of a
// leaky bucket it is the places to wait in, beside the one that leaves next.
func (r *rule) room(ahead wide) int64 {
	places := r.full
	if r.algorithm == LeakyBucket {
		places = places.plus(wideOf(r.p))
	}
	return min(places.minus(ahead).floor(r.p), r.capacity)
}

// tolerance is how far ahead of now a call of cost may move the state without
// waiting: a token bucket has its whole burst, a leaky bucket only the place of
// the call itself.
func (r *rule) tolerance(cost int64) wide {
	if r.algorithm == LeakyBucket {
		return product(cost, r.p)
	}
	return r.full
}

// holds reports whether the bucket may lead that far into the future: a leaky
// bucket until every place to wait in is taken, a token bucket as long as the
// distance can be kept.
func (r *rule) holds(ahead wide) bool {
	if r.algorithm == LeakyBucket {
		return !r.full.plus(wideOf(r.p)).less(ahead)
	}
	if r.pack.fits {
		return ahead.less(wideOf(pacedReach))
	}
	return ahead.ceil(r.q) < maxInt64
}

// turn is how long a call must wait if those ahead of it go first.
func (r *rule) turn(st state, now clock.Instant, ahead, cost int64) time.Duration {
	nowU := product(int64(now), r.q)
	after := widest(st.tat, nowU).plus(product(ahead, r.p)).plus(product(cost, r.p))
	return time.Duration(after.minus(nowU).minus(r.tolerance(cost)).ceil(r.q))
}

// refundBucket moves the state back by what the call moved it forward, except
// for the part that time has given back already. While somebody holds a place
// in the future, what lies before that place is no longer ours to give. In a
// leaky bucket every later call holds one: there is no burst that lets two go at
// once.
func (r *rule) refundBucket(st state, now clock.Instant, g given) state {
	nowU, end := product(int64(now), r.q), product(int64(g.at), r.q).plus(product(g.mark, r.q))
	if g.mark == maxInt64 { // it reaches beyond what a mark can tell: three lifetimes
		end = wideMax
	}
	taken := product(g.cost, r.p)
	back := narrowest(taken, end.minus(nowU))
	if r.algorithm == LeakyBucket || r.full.less(st.tat.minus(nowU)) {
		back = narrowest(back, taken.minus(st.tat.minus(end)))
	}
	if back.positive() {
		st.tat = st.tat.minus(back)
	}
	return st
}
