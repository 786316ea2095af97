package upstreams

import (
	"slices"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// view is what a choice is made of. Nobody changes it.
type view struct {
	all    []entry
	usable []entry // those that are not out; all of them while the set panics
	panics bool
	due    clock.Instant // when it is to be made anew
	ramp   time.Duration // how long a slow start takes
	// patience is how long an attempt at an unproven host keeps others from it: it may be the
	// client that is slow, or the answer.
	patience time.Duration
}

// entry is one host to choose.
type entry struct {
	*Host

	recovering bool
	from       clock.Instant
	out        bool
	unproven   bool
}

func (m *machine) view(hosts []*Host) *view {
	v := &view{all: make([]entry, len(hosts)), panics: m.panics, due: m.due(), ramp: m.policy.SlowStart, patience: m.policy.For}
	for i, h := range hosts {
		s := &m.members[i]
		v.all[i] = entry{h, s.recovering, s.from, s.out(), s.unproven && !m.panics}
	}
	v.usable = v.all
	if !m.panics {
		v.usable = slices.DeleteFunc(slices.Clone(v.all), func(e entry) bool { return e.out })
	}
	return v
}

// leastShare is the share of its usual attempts with which a slow start begins.
const leastShare = 0.1

// share is what part of its usual attempts a host gets at now.
func (e *entry) share(now clock.Instant, ramp time.Duration) float64 {
	if !e.recovering || ramp <= 0 {
		return 1
	}
	return min(1, max(leastShare, float64(now.Sub(e.from))/float64(ramp)))
}

// choose returns the host with fewer requests in flight of two that are drawn at random. One
// that the request has not tried, whose breaker admits, and that is not unproven with an attempt
// already, goes before one of which that cannot be said. It reports whether the host was chosen
// from among all, those that are out included.
func (v *view) choose(now clock.Instant, tried []*Host, admits func(string) bool, random func() uint64) (_ Choice, panics bool) {
	a := v.draw(now, random, -1)
	b := v.draw(now, random, a)
	best, other := &v.usable[a], &v.usable[b]
	first, second := v.fits(best, now, tried, admits), a != b && v.fits(other, now, tried, admits)
	if second && (!first || other.inFlight.Load() < best.inFlight.Load()) {
		best = other
	}
	if first || second {
		if c, ok := v.take(best, now); ok {
			return c, v.panics
		}
	}
	return v.search(now, tried, admits, random)
}

// take makes a host the choice. It reports false if the host is unproven, and another attempt has
// it.
func (v *view) take(e *entry, now clock.Instant) (c Choice, ok bool) {
	c.Host = e.Host
	if !e.unproven {
		return c, true
	}
	mine, has := int64(now), e.probe.Load()
	if mine == 0 {
		mine = 1 // 0 is none
	}
	if v.busy(has, now) || !e.probe.CompareAndSwap(has, mine) {
		return c, false
	}
	c.probe = mine
	return c, true
}

// busy reports whether the probe of a host keeps others from it.
func (v *view) busy(probe int64, now clock.Instant) bool {
	return probe != 0 && now.Sub(clock.Instant(probe)) < v.patience
}

func (v *view) free(e *entry, now clock.Instant) bool {
	return !e.unproven || !v.busy(e.probe.Load(), now)
}

// draw returns the index of a usable host, another than but if there is one. A host in slow
// start is taken as often as its share says, and else the next one.
func (v *view) draw(now clock.Instant, random func() uint64, but int) int {
	n := len(v.usable)
	i := other(random(), n, but)
	if e := &v.usable[i]; e.recovering && float64(random()>>11)/(1<<53) >= e.share(now, v.ramp) {
		return other(random(), n, i)
	}
	return i
}

// other returns one of n by chance, but never but, unless there is no other.
func other(random uint64, n, but int) int {
	if but < 0 || n == 1 {
		return int(random % uint64(n))
	}
	return (but + 1 + int(random%uint64(n-1))) % n
}

func (v *view) fits(e *entry, now clock.Instant, tried []*Host, admits func(string) bool) bool {
	return v.free(e, now) && !slices.Contains(tried, e.Host) && (admits == nil || admits(e.name))
}

// search looks at all hosts, because neither of the two that were drawn fits.
func (v *view) search(now clock.Instant, tried []*Host, admits func(string) bool, random func() uint64) (_ Choice, panics bool) {
	list := v.usable
	if admits != nil && !v.panics {
		out := len(v.all) - len(v.usable)
		for _, e := range v.usable {
			if !admits(e.name) {
				out++
			}
		}
		if 2*out > len(v.all) {
			list, panics = v.all, true
		}
	}
	panics = panics || v.panics
	for start := int(random() % uint64(len(list))); ; {
		best, rank := v.best(list, start, now, tried, admits)
		if c, ok := v.take(best, now); ok || rank&isFree == 0 { // there is nothing else
			return c, panics
		} // else another choice was faster
	}
}

// What makes a host better than another, the most important first.
const (
	isUntried = 1 << iota
	isFree
	isAdmitted
)

func (v *view) best(list []entry, start int, now clock.Instant, tried []*Host, admits func(string) bool) (best *entry, rank int) {
	rank = -1
	for i := range list {
		e, r := &list[(start+i)%len(list)], 0
		if admits == nil || admits(e.name) {
			r |= isAdmitted
		}
		if v.free(e, now) {
			r |= isFree
		}
		if !slices.Contains(tried, e.Host) {
			r |= isUntried
		}
		if r > rank || r == rank && e.inFlight.Load() < best.inFlight.Load() {
			best, rank = e, r
		}
	}
	return best, rank
}
