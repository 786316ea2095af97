package perf

import (
	"time"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// burnRule says which share of the budget of an objective may be used up in which part of
// its period. They are those of Google's SRE workbook, for a period of 30 days: 2 % in an
// hour, 5 % in 6 hours, 10 % in a day, 10 % in three days. The short window, a twelfth of the
// long one, ends the alert soon after the cause has ended.
type burnRule struct {
	share  float64
	part   time.Duration // the window is the period divided by this
	severe bool
}

func burnRules() []burnRule {
	return []burnRule{{0.02, 720, true}, {0.05, 120, true}, {0.1, 30, false}, {0.1, 10, false}}
}

const (
	fewestBad = 3  // calls that break an objective: one is chance, and a second may be
	burnSlots = 60 // of the long window
	shortest  = burnSlots * time.Second
)

// burn is one rule at work: how many calls there were and how many broke the promise, in a
// ring of slots as wide as a sixtieth of the window.
type burn struct {
	burnRule

	window time.Duration
	factor float64 // the burn rate that the rule allows
	ring   ratioRing
}

// ratioRing counts in slots of time.
type ratioRing struct {
	width int64 // in seconds
	last  int64 // number of the newest slot
	slot  [burnSlots]ratio
}

type ratio struct{ calls, bad uint64 }

func (r ratio) share() float64 {
	if r.calls == 0 {
		return 0
	}
	return float64(r.bad) / float64(r.calls)
}

func (r *ratioRing) advance(second int64) {
	now := second / r.width
	for n := max(r.last+1, now-burnSlots+1); n <= now; n++ {
		r.slot[n%burnSlots] = ratio{}
	}
	r.last = max(r.last, now)
}

func (r *ratioRing) add(second int64, n ratio) {
	r.advance(second)
	s := &r.slot[r.last%burnSlots]
	s.calls += n.calls
	s.bad += n.bad
}

// sum adds the newest slots.
func (r *ratioRing) sum(newest int64) (out ratio) {
	for n := r.last; n > r.last-newest && n >= 0; n-- {
		out.calls += r.slot[n%burnSlots].calls
		out.bad += r.slot[n%burnSlots].bad
	}
	return out
}

// promise is one half of an objective: a share of calls that may break it.
type promise struct {
	measure string // "success" or "latency"
	target  float64
	bound   time.Duration // of the latency
	period  time.Duration
	burns   []burn
	budget  ratioRing // of the whole period
	state   detect.State
	told    finding
	began   int64 // the second of its first call
}

func newPromise(measure string, target float64, bound, period time.Duration) *promise {
	p := &promise{measure: measure, target: target, bound: bound, period: period, state: detect.State{Phase: detect.Normal}}
	p.budget.width = max(1, int64(period/time.Second)/burnSlots)
	for _, r := range burnRules() {
		window := period / r.part
		if window < shortest {
			continue // of less than a second a slot nothing can be said
		}
		b := burn{burnRule: r, window: window, factor: r.share * float64(r.part)}
		b.ring.width = int64(window/time.Second) / burnSlots
		p.burns = append(p.burns, b)
	}
	return p
}

func (p *promise) same(o *promise) bool {
	return p.measure == o.measure && p.target == o.target && p.bound == o.bound && p.period == o.period
}

func (p *promise) add(second int64, d *delta) {
	n := ratio{calls: d.Calls(), bad: d.Failed}
	if p.bound > 0 {
		n = ratio{calls: d.n, bad: d.beyond(p.bound)}
	}
	if p.began == 0 {
		p.began = second
	}
	p.budget.add(second, n)
	for i := range p.burns {
		p.burns[i].ring.add(second, n)
	}
}

// spent is the share of the period's budget that its calls have used up.
func (p *promise) spent(second int64) float64 {
	p.budget.advance(second)
	return p.budget.sum(burnSlots).share() / (1 - p.target)
}

// rate returns how much faster than allowed the budget is used up in a window.
func (p *promise) rate(n ratio) float64 { return n.share() / (1 - p.target) }

// filled is the part of a window since the first call. What the window has not seen yet
// counts as calls that kept the promise: a minute says little of three hours.
func (p *promise) filled(second int64, window time.Duration) float64 {
	return min(1, float64(second-p.began+1)/window.Seconds())
}

// tick judges a tick.
func (p *promise) tick(at time.Time, second int64, hold int) finding {
	broken, f := p.fastest(second)
	e := detect.Evidence{At: at, Usable: true, Seen: f.seen, Expected: f.against, Calls: f.calls}
	if broken {
		e.Z = 1
		p.told = f
	}
	rule := detect.Rule{High: 1, HighTicks: 1, Window: 1, Calm: 0.5, CalmTicks: 1, Keep: hold}
	var d detect.Decision
	p.state, d = rule.Step(p.state, &e)
	out := p.told
	out.firing, out.hot, out.since = d.Phase == detect.Alerting, broken, d.Onset
	return out
}

// fastest finds the first rule whose windows both exceed what it allows.
func (p *promise) fastest(second int64) (broken bool, f finding) {
	for i := range p.burns {
		b := &p.burns[i]
		b.ring.advance(second)
		long, short := b.ring.sum(burnSlots), b.ring.sum(burnSlots/12)
		enough := float64(short.calls) >= 1/(b.factor*(1-p.target)) && long.bad >= fewestBad
		rate := p.rate(long) * p.filled(second, b.window)
		if !enough || rate <= b.factor || p.rate(short) <= b.factor {
			continue
		}
		return true, finding{
			cause: ByObjective, measure: p.measure, seen: rate, against: b.factor, calls: long.calls, severe: b.severe, window: b.window,
		}
	}
	return false, finding{}
}
