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
}

// entry is one host to choose.
type entry struct {
	*Host

	recovering bool
	from       clock.Instant
	out        bool
}

func (m *machine) view(hosts []*Host) *view {
	v := &view{all: make([]entry, len(hosts)), panics: m.panics, due: m.due(), ramp: m.policy.SlowStart}
	for i, h := range hosts {
		s := &m.members[i]
		v.all[i] = entry{h, s.recovering, s.from, s.out()}
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
// that the request has not tried, and whose breaker admits, goes before one that has or does
// not. It reports whether the host was chosen from among all, those that are out included.
func (v *view) choose(now clock.Instant, tried []*Host, admits func(string) bool, random func() uint64) (_ *Host, panics bool) {
	a := v.draw(now, random, -1)
	b := v.draw(now, random, a)
	first, second := fits(v.usable[a].Host, tried, admits), a != b && fits(v.usable[b].Host, tried, admits)
	switch {
	case first && second:
		return lighter(v.usable[a].Host, v.usable[b].Host), v.panics
	case first:
		return v.usable[a].Host, v.panics
	case second:
		return v.usable[b].Host, v.panics
	}
	return v.search(tried, admits, random)
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

func fits(h *Host, tried []*Host, admits func(string) bool) bool {
	return !slices.Contains(tried, h) && (admits == nil || admits(h.name))
}

func lighter(a, b *Host) *Host {
	if b.inFlight.Load() < a.inFlight.Load() {
		return b
	}
	return a
}

// search looks at all hosts, because neither of the two that were drawn fits.
func (v *view) search(tried []*Host, admits func(string) bool, random func() uint64) (_ *Host, panics bool) {
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
	start := int(random() % uint64(len(list)))
	var best *Host
	rank := -1
	for i := range list {
		h := list[(start+i)%len(list)].Host
		r := 0
		if admits == nil || admits(h.name) {
			r += 2
		}
		if !slices.Contains(tried, h) {
			r++
		}
		if r > rank || r == rank && h.inFlight.Load() < best.inFlight.Load() {
			best, rank = h, r
		}
	}
	return best, panics || v.panics
}
