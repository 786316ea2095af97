package breaker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
)

// tick is the unit of time in the exhaustive check.
const tick = time.Second

// world is a breaker with the calls that are in flight, as one path of moves has
// made it.
type world struct {
	*Breaker
	calls []Permit
}

// move is one thing that can happen, by a name for the report.
type move struct {
	name string
	make func(*world)
}

// maxCallsInFlight is 3 where there is time: that takes a minute.
var maxCallsInFlight = map[bool]int{false: 2, true: 3}[testkit.Proving()]

func moves() []move {
	all := []move{
		{"call", (*world).call},
		{"tick", func(*world) { time.Sleep(tick) }},
		{"reset", func(w *world) { w.Reset("test") }},
		{"force open", func(w *world) { _ = w.Force(StateOpen, Override{Actor: "test", For: 2 * tick}) }},
		{"force closed", func(w *world) { _ = w.Force(StateClosed, Override{Actor: "test", For: 2 * tick}) }},
		{"no worker", func(w *world) { l := w.LookAt(clock.Now()); l.SettleAt(clock.Now(), outcome.Failure, nil) }},
		{"automatic", func(w *world) { w.Automatic("test") }},
	}
	for i := range maxCallsInFlight {
		for _, o := range []outcome.Outcome{outcome.Success, outcome.Failure, outcome.Ignored} {
			all = append(all, move{fmt.Sprint(o, " of call ", i), func(w *world) { w.settleCall(i, o) }})
		}
	}
	return all
}

func (w *world) call() {
	if len(w.calls) == maxCallsInFlight {
		return
	}
	if p := w.AllowAt(clock.Now()); p.OK() {
		w.calls = append(w.calls, p)
	}
}

func (w *world) settleCall(i int, o outcome.Outcome) {
	if i < len(w.calls) {
		w.calls[i].SettleAt(clock.Now(), o, nil)
		w.calls = slices.Delete(w.calls, i, i+1)
	}
}

// key describes everything that can matter for the future, with times relative
// to now and cut off where they no longer matter. Worlds with equal keys behave
// alike, so the search goes on from one of them.
func (w *world) key() string {
	now := clock.Now()
	e := w.era.Load()
	m := e.m
	until := clampTicks(m.until.Sub(now))
	since := clampTicks(now.Sub(m.since))
	if m.state != StateOpen {
		until = 0
	}
	if m.state != StateClosed || since > m.cooldown/tick {
		since = m.cooldown / tick // matters only for a relapse
	}
	if e.rules.CooldownGrowth == 1 {
		since, m.streak, m.cooldown = 0, 0, 0
	}
	var b strings.Builder
	fmt.Fprint(&b, m.state, until, since, min(m.streak, 3), m.cooldown/tick, m.probes, m.successes)
	if e.override.kind != overrideNone {
		fmt.Fprint(&b, " forced ", e.override.kind, clampTicks(e.override.until.Sub(now)))
	}
	if r := e.window.ring; r != nil {
		for i := range r.times {
			fmt.Fprint(&b, " failed ", clampTicks(now.Sub(r.at(i))))
		}
	}
	if e.window.run != nil {
		fmt.Fprint(&b, " run ", e.window.run.Load())
	}
	return b.String() + w.callKeys(now, m.generation)
}

func (w *world) callKeys(now clock.Instant, generation uint64) string {
	keys := make([]string, 0, len(w.calls))
	for i := range w.calls {
		p := &w.calls[i]
		k := " stale"
		if p.era.m.generation == generation && !p.inert() {
			k = fmt.Sprint(" call ", p.lease() != 0)
		}
		keys = append(keys, k)
	}
	for _, l := range w.leases.held {
		held := slices.ContainsFunc(w.calls, func(p Permit) bool { return p.lease() == l.serial })
		keys = append(keys, fmt.Sprint(" lease ", clampTicks(l.expires.Sub(now)), held))
	}
	slices.Sort(keys) // the order of calls does not matter
	return strings.Join(keys, "")
}

// clampTicks counts ticks up to the longest time that any rule of the check has.
func clampTicks(d time.Duration) time.Duration { return min(max(d/tick, -1), 5) }

// TestEveryReachableState visits every state that a breaker with small parameters
// can reach by any sequence of calls, outcomes, time and operators, and asserts
// the invariants in each one.
func TestEveryReachableState(t *testing.T) {
	for name, cfg := range map[string]Config{
		"count, growing": {FailureThreshold: 2, Window: 2 * tick, Cooldown: tick, CooldownGrowth: 2, CooldownMax: 2 * tick, ProbeLease: 2 * tick},
		"run, probes":    {ConsecutiveFailures: 2, Cooldown: tick, Probes: 2, ProbeSuccesses: 2, ProbeLease: 2 * tick},
		"both":           {FailureThreshold: 2, ConsecutiveFailures: 3, Window: tick, Cooldown: 2 * tick, ProbeSuccesses: 2, ProbeLease: 3 * tick},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				visited := search(t, cfg)
				t.Logf("%d states", visited)
				if visited < 200 {
					t.Errorf("only %d states: the search is broken", visited)
				}
			})
		})
	}
}

// search explores breadth first. A state is kept as the path that leads to it and
// is made again by playing the path to a new breaker.
func search(t *testing.T, cfg Config) int {
	t.Helper()
	all := moves()
	seen := map[string]bool{}
	frontier := [][]byte{nil}
	for len(frontier) > 0 {
		path := frontier[0]
		frontier = frontier[1:]
		for i := range all {
			next := append(slices.Clone(path), byte(i))
			w := play(t, cfg, all, next)
			key := w.key()
			if seen[key] {
				continue
			}
			seen[key] = true
			frontier = append(frontier, next)
			w.check(t, cfg, func() string { return describe(all, next) })
		}
	}
	return len(seen)
}

func play(t *testing.T, cfg Config, all []move, path []byte) *world {
	t.Helper()
	b, err := New("small", cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Breaker: b}
	for _, i := range path {
		all[i].make(w)
	}
	return w
}

func describe(all []move, path []byte) string {
	var names []string
	for _, i := range path {
		names = append(names, all[i].name)
	}
	return strings.Join(names, ", ")
}

// check asserts what must hold in every state.
func (w *world) check(t *testing.T, cfg Config, path func() string) {
	t.Helper()
	must := func(ok bool, what string) {
		if !ok {
			t.Fatalf("%s, after %s: %+v", what, path(), w.Status())
		}
	}
	now := clock.Now()
	cfg = cfg.withDefaults()
	e := w.era.Load()
	before := w.key()
	s := w.Status()
	must(before == w.key(), "a read changed the state")
	must(s.State == w.State() && s.State <= StateHalfOpen, "the states read differ")
	must(e.m.probes == len(w.leases.held), "places taken differ from leases")
	must(e.m.probes >= 0 && e.m.probes <= cfg.Probes, "more probes than places")
	must(e.m.successes < cfg.ProbeSuccesses || e.m.state != StateHalfOpen, "half-open after enough successes")
	if e.m.state == StateClosed {
		counted := e.window.totalsLocked(e.rules, now)
		must(e.rules.tripped(onFailure, counted) == ruleNone, "closed although a rule is met")
		must(e.m.probes == 0, "closed with probes")
	}
	if s.State == StateOpen && s.Override == nil {
		must(now < e.m.until && e.m.until.Sub(now) <= cfg.CooldownMax, "open for too long")
		must(s.RetryAt.Equal(e.m.until.Time()), "retry-at is not the end of the cooldown")
	}
	w.checkNext(must, s, now)
	w.checkNotWedged(must, cfg)
}

// checkNext asserts that the state read is the state that the next call meets.
func (w *world) checkNext(must func(bool, string), s Status, now clock.Instant) {
	look := w.LookAt(now)
	p := w.AllowAt(now)
	must(look.OK() == p.OK(), "the look and the call differ")
	switch s.State {
	case StateClosed:
		must(p.OK(), "closed, but refused")
	case StateOpen:
		must(!p.OK() && p.Err() != nil, "open, but admitted")
	case StateHalfOpen:
		must(!p.OK() || p.lease() != 0, "half-open, but admitted without a lease")
		must(w.State() == StateHalfOpen, "a probe's start changed the state")
	}
}

// checkNotWedged asserts that, whatever has happened and though nobody ever
// settles a call again, time alone brings the breaker back to admitting one.
func (w *world) checkNotWedged(must func(bool, string), cfg Config) {
	time.Sleep(cfg.CooldownMax + cfg.ProbeLease + 2*tick)
	p := w.AllowAt(clock.Now())
	must(p.OK(), "wedged")
	for range cfg.ProbeSuccesses {
		p.SettleAt(clock.Now(), outcome.Success, nil)
		p = w.AllowAt(clock.Now())
		must(p.OK(), "refused while recovering")
	}
	must(w.State() == StateClosed, "healthy probes do not close")
}
