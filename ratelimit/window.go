package ratelimit

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

// Window k of a rule covers the instants [k×Per, (k+1)×Per). A call whose clock
// reading is older than the window that its key has reached counts in that
// window: stored time never goes backwards.

func (r *rule) askFixed(st state, now clock.Instant, cost int64) (state, verdict) {
	index, elapsed := floorDivide(int64(now), r.per)
	left := r.per - elapsed
	switch {
	case st.window > index:
		left = product(st.window-index, r.per).plus(wideOf(left)).int64()
	case st.window < index:
		st.window, st.count = index, 0
	}
	v := verdict{ok: cost <= r.limit-st.count, mark: st.window}
	if v.ok {
		st.count += cost
	} else {
		v.retry = time.Duration(left)
	}
	v.remaining = max(r.limit-st.count, 0)
	if st.count > 0 {
		v.reset = time.Duration(left)
	}
	return st, v
}

// sliding is the state of a sliding window as seen at one moment.
type sliding struct {
	window, count, before int64
	left                  int64 // nanoseconds of the present window that are still to come
	lead                  int64 // until the present window begins; not 0 only for readings out of order
	per                   int64
}

// slide moves st on to the window of now. The window before counts by the share
// left/per: that share of it lies less than per back.
func (r *rule) slide(st state, now clock.Instant) sliding {
	index, elapsed := floorDivide(int64(now), r.per)
	w := sliding{st.window, st.count, st.before, r.per - elapsed, 0, r.per}
	switch {
	case st.window > index:
		w.lead = product(st.window-index, r.per).minus(wideOf(elapsed)).int64()
		w.left = r.per
	case st.window == index-1:
		w.window, w.count, w.before = index, 0, st.count
	case st.window < index:
		w.window, w.count, w.before = index, 0, 0
	}
	return w
}

// weighted is the part of the window before that still counts, rounded up.
func (w sliding) weighted() int64 { return scaleUp(w.before, w.left, w.per) }

func (r *rule) askSliding(st state, now clock.Instant, cost int64) (state, verdict) {
	w := r.slide(st, now)
	// count + cost + before×left/per <= limit, without rounding
	room := r.limit - w.count - cost
	v := verdict{mark: w.window}
	v.ok = room >= 0 && !product(room, r.per).less(product(w.before, w.left))
	if v.ok {
		w.count += cost
		st.window, st.count, st.before = w.window, w.count, w.before
	} else {
		v.retry = time.Duration(addCapped(w.lead, w.until(r.limit, cost)))
	}
	v.remaining = max(r.limit-w.count-w.weighted(), 0)
	v.reset = delayed(time.Duration(w.untilEmpty()), time.Duration(w.lead))
	return st, v
}

// until is the time until a call of cost fits: while the window before loses
// weight, or after the present one has become the window before.
func (w sliding) until(limit, cost int64) int64 {
	if room := limit - w.count - cost; room >= 0 {
		return w.left - scale(room, w.per, w.before, w.left)
	}
	return addCapped(w.left, w.per-scale(limit-cost, w.per, w.count, w.per))
}

func (w sliding) untilEmpty() int64 {
	switch {
	case w.count > 0:
		return addCapped(w.left, w.per)
	case w.before > 0:
		return w.left
	}
	return 0
}

// refundWindow gives back what was taken in window mark if that still counts.
func refundWindow(st state, cost, mark int64, twoWindows bool) state {
	switch {
	case st.window == mark:
		st.count = max(st.count-cost, 0)
	case twoWindows && st.window-1 == mark:
		st.before = max(st.before-cost, 0)
	}
	return st
}
