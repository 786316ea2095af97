package ratelimit

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

// Window k of a rule covers the instants [k×Per, (k+1)×Per). A call whose clock
// reading is older than the window that its key has reached counts in that
// window: stored time never goes backwards. A fixed window is a sliding one whose
// window before never counts.

// counts is what is remembered of a key under a rule that counts by window. It fits in
// registers: the word of a key is unpacked to it and packed from it.
type counts struct {
	window int64 // the index of the present one
	count  int64 // what was taken in it
	before int64 // sliding_window: what was taken in the one before
}

// moment is an instant as such a rule sees it.
type moment struct {
	window int64
	left   int64 // nanoseconds of the window that are still to come
	lead   int64 // until the window begins; not 0 only for readings out of order
}

func (r *rule) moment(now clock.Instant) moment {
	index, elapsed := floorDivide(int64(now), r.per)
	return moment{window: index, left: r.per - elapsed}
}

// slide brings the counts of a key and a moment to the same window: the later one.
func (r *rule) slide(c counts, at moment) (counts, moment) {
	if c.window > at.window {
		return c, r.ahead(c.window, at)
	}
	if c.window < at.window {
		before := c.count
		if c.window != at.window-1 || r.algorithm == FixedWindow {
			before = 0
		}
		c = counts{window: at.window, before: before}
	}
	return c, at
}

// ahead is a window that is still to come as seen at a moment.
func (r *rule) ahead(window int64, at moment) moment {
	lead := product(window-at.window, r.per).minus(wideOf(r.per - at.left)).int64()
	return moment{window, r.per, lead}
}

// weighted is the part of the window before that still counts, rounded up: the share
// left/per, because that share of it lies less than per back.
func (r *rule) weighted(c counts, at moment) int64 {
	if c.before == 0 {
		return 0
	}
	return scaleUp(c.before, at.left, r.per)
}

// askWindows decides a call of cost and returns the counts after it. The verdict goes
// through a pointer and everything else in registers: copies from layer to layer took
// longer than the rest.
func (r *rule) askWindows(c counts, at moment, cost int64, v *verdict) counts {
	now, at := r.slide(c, at)
	weighted := r.weighted(now, at)
	v.mark = now.window
	if r.limit-cost-now.count < weighted {
		v.ok, v.retry = false, time.Duration(addCapped(at.lead, r.until(now, at, cost)))
	} else {
		now.count += cost
		v.ok, v.retry, c = true, 0, now
	}
	v.remaining = max(max(r.limit-now.count, 0)-weighted, 0)
	v.reset = delayed(time.Duration(r.untilEmpty(now, at)), time.Duration(at.lead))
	return c
}

// until is the time until a call of cost fits: while the window before loses
// weight, or after the present one has become the window before.
func (r *rule) until(c counts, at moment, cost int64) int64 {
	if r.algorithm == FixedWindow {
		return at.left
	}
	if room := r.limit - c.count - cost; room >= 0 {
		return at.left - scale(room, r.per, c.before, at.left)
	}
	return addCapped(at.left, r.per-scale(r.limit-cost, r.per, c.count, r.per))
}

func (r *rule) untilEmpty(c counts, at moment) int64 {
	switch {
	case c.count > 0 && r.algorithm == SlidingWindow:
		return addCapped(at.left, r.per)
	case c.count > 0 || c.before > 0:
		return at.left
	}
	return 0
}

// refundWindow gives back what was taken in window mark if that still counts.
func refundWindow(c counts, cost, mark int64) counts {
	switch mark {
	case c.window:
		c.count = max(c.count-cost, 0)
	case c.window - 1:
		c.before = max(c.before-cost, 0) // 0 in a fixed window
	}
	return c
}
