package ratelimit

import (
	"time"

	"github.com/elixirscope/foundation/clock"
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
	if v.ok = v.retry <= 0 || v.retry <= patience && r.holds(ahead); !v.ok {
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

// refundBucket moves the state back by what the call moved it forward, except for
// the part that time has given back already. It promises that the calls that are
// not given back keep the rule: with T = Per/Limit, at most Burst + x/T of them in
// any x, counting a reservation at its turn.
//
// Why it does: let V(i) be the turn of call i, plus T for each unit of the calls
// from i on, in the order of their turns, that are not given back. The rule is kept
// if the state is at least V(i) for every i with V(i) > now, for the next call is
// then admitted only within it. An admission adds the same to the state and to each
// V. The refund of r takes its cost off every V(i) up to r; so all that is to be
// shown is that the state stays at or above V(i) for each i after r.
//
//   - Nobody comes after r. Then all of what is ahead may go, up to the cost. This
//     is so if the state has not moved past the end of r, or, whatever was refunded,
//     if it is no further than r alone would have moved it, for V(r) is not above it.
//   - Else let end be where r ended less the sum of what was given back since. When
//     i came the state was at least end ahead of the turn of i, no turn lies after
//     now, and what has been given back from before i since is in the sum: the state
//     is at least end-now above V(i), which may go.
//   - Or let end be where r alone would have ended. As r is still in V(r), which is
//     not above the state, V(i) is at least end-now below it, too.
//   - Turns after now were given while the state was more than the burst ahead, and
//     a call after r that has one moved it by at most what lies between the end of r
//     and the state: that much of the cost stays. What comes then may have its turn
//     before others, so until the last of them nothing is given back from under them.
//
// A leaky bucket has no burst that lets two go at once: every later call holds its
// place, and nothing is given back from under it.
func (r *rule) refundBucket(st state, now clock.Instant, g given, past refunded) (state, refunded) {
	here, cost := product(int64(now), r.q), product(g.cost, r.p)
	alone, end := product(int64(g.at), r.q).plus(cost), wideMin
	if g.mark < maxInt64 {
		end = product(int64(g.at), r.q).plus(product(g.mark-past.sum, r.q))
	}
	ahead, back := st.tat.minus(here), wide{}
	last := !alone.less(st.tat) || r.p >= r.q && !end.less(st.tat) // a call moves the state by more than a mark is rounded
	end = end.minus(wideOf(r.q - 1))
	future := r.full.less(ahead)
	switch {
	case last:
		back = ahead
	case r.algorithm == LeakyBucket || now < past.turns:
	case future:
		back = narrowest(cost.minus(st.tat.minus(end)), end.minus(here))
	default:
		back = widest(end, alone).minus(here)
	}
	if back = narrowest(back, cost); !back.positive() {
		return st, past
	}
	st.tat = st.tat.minus(back)
	if !last {
		past.sum = addCapped(past.sum, back.ceil(r.q))
	}
	if !last && future {
		past.turns = max(past.turns, now.Add(time.Duration(ahead.minus(r.full).ceil(r.q))))
	}
	return st, past
}
