package breaker_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/outcome"
)

// model is what a breaker should do, written the slow and obvious way: it keeps
// every failure since the breaker closed, and every call in flight.
type model struct {
	cfg        breaker.Config
	now        time.Duration // since the start
	state      breaker.State
	since      time.Duration
	until      time.Duration
	failed     []time.Duration
	run        int
	cooldown   time.Duration
	streak     int
	successes  int
	generation int
	probes     []*call // in flight, their leases not ended
	forced     *breaker.State
	release    time.Duration // of forced, if bounded
	bounded    bool
	totals     breaker.Counts
}

type call struct {
	permit     breaker.Permit
	generation int
	probe      bool
	uncounted  bool
	expires    time.Duration
}

func (m *model) settleTime() {
	if m.forced != nil && m.bounded && m.now >= m.release {
		m.suspend()
		m.forced = nil
	}
	if m.forced == nil {
		m.probes = slices.DeleteFunc(m.probes, func(c *call) bool { return m.now >= c.expires })
	}
}

func (m *model) suspend() {
	m.generation++
	m.probes = nil
}

func (m *model) view() breaker.State {
	switch {
	case m.forced != nil && !(m.bounded && m.now >= m.release):
		return *m.forced
	case m.state == breaker.StateOpen && m.now >= m.until:
		return breaker.StateHalfOpen
	}
	return m.state
}

// admit returns the call as it should be let through, or nil.
func (m *model) admit() *call {
	m.settleTime()
	if m.view() == breaker.StateHalfOpen && m.state == breaker.StateOpen {
		m.enter(breaker.StateHalfOpen, m.until)
	}
	switch m.view() {
	case breaker.StateOpen:
		return nil
	case breaker.StateHalfOpen:
		if len(m.probes) >= m.cfg.Probes {
			return nil
		}
		c := &call{generation: m.generation, probe: true, expires: m.now + m.cfg.ProbeLease}
		m.probes = append(m.probes, c)
		return c
	}
	return &call{generation: m.generation, uncounted: m.forced != nil}
}

func (m *model) enter(s breaker.State, since time.Duration) {
	m.state, m.since = s, since
	m.generation++
	m.failed, m.run, m.successes, m.probes = nil, 0, 0, nil
}

func (m *model) open() {
	m.streak++
	if m.state == breaker.StateClosed && (m.cooldown == 0 || m.now-m.since >= m.cooldown) {
		m.streak = 0
	}
	d := float64(m.cfg.Cooldown)
	for range m.streak {
		d = min(d*m.cfg.CooldownGrowth, float64(m.cfg.CooldownMax))
	}
	m.cooldown = time.Duration(d)
	m.enter(breaker.StateOpen, m.now)
	m.until = m.now + m.cooldown
}

func (m *model) settle(c *call, o outcome.Outcome) {
	switch o {
	case outcome.Success:
		m.totals.Successes++
	case outcome.Failure:
		m.totals.Failures++
	default:
		m.totals.Ignored++
	}
	if c.uncounted || c.generation != m.generation || m.forced != nil || c.probe && m.now >= c.expires {
		return
	}
	if c.probe {
		m.probes = slices.DeleteFunc(m.probes, func(p *call) bool { return p == c })
		m.settleProbe(o)
		return
	}
	switch o {
	case outcome.Success:
		m.run = 0
	case outcome.Failure:
		m.run++
		m.failed = append(m.failed, m.now)
		if m.tripped() {
			m.open()
		}
	}
}

func (m *model) settleProbe(o outcome.Outcome) {
	switch o {
	case outcome.Success:
		if m.successes++; m.successes >= m.cfg.ProbeSuccesses {
			m.enter(breaker.StateClosed, m.now)
		}
	case outcome.Failure:
		m.open()
	}
}

func (m *model) recent() int {
	n := 0
	for _, at := range m.failed {
		if m.now-at < m.cfg.Window {
			n++
		}
	}
	return n
}

func (m *model) tripped() bool {
	return m.cfg.FailureThreshold > 0 && m.recent() >= m.cfg.FailureThreshold ||
		m.cfg.ConsecutiveFailures > 0 && m.run >= m.cfg.ConsecutiveFailures
}

func (m *model) force(s breaker.State, d time.Duration) {
	m.settleTime()
	m.suspend()
	m.forced, m.release, m.bounded = &s, m.now+d, d > 0
}

func (m *model) automatic() {
	m.settleTime()
	if m.forced != nil {
		m.suspend()
		m.forced = nil
	}
}

func (m *model) reset() {
	m.settleTime()
	m.enter(breaker.StateClosed, m.now)
	m.cooldown, m.streak = 0, 0
}

func drawConfig(t *rapid.T) breaker.Config {
	ms := func(label string, most int64) time.Duration {
		return time.Duration(rapid.Int64Range(1, most).Draw(t, label)) * time.Millisecond
	}
	b, err := breaker.New("drawn", breaker.Config{
		FailureThreshold:    rapid.IntRange(0, 4).Draw(t, "failure_threshold"),
		ConsecutiveFailures: rapid.IntRange(0, 4).Draw(t, "consecutive_failures"),
		Window:              ms("window", 50),
		Cooldown:            ms("cooldown", 30),
		CooldownGrowth:      rapid.SampledFrom([]float64{1, 1.5, 3}).Draw(t, "growth"),
		Probes:              rapid.IntRange(1, 3).Draw(t, "probes"),
		ProbeSuccesses:      rapid.IntRange(1, 3).Draw(t, "probe_successes"),
		ProbeLease:          ms("lease", 40),
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Status().Config
}

// TestScenario09_AnySequenceAgreesWithThePlainModel drives a breaker and the
// model through the same random lives, under virtual time, and compares all that
// can be seen after every step.
func TestScenario09_AnySequenceAgreesWithThePlainModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			cfg := drawConfig(t)
			b, err := breaker.New("payments", cfg)
			if err != nil {
				t.Fatal(err)
			}
			m := &model{cfg: cfg}
			var inFlight []*call
			judged := func(o outcome.Outcome) func(*rapid.T) {
				return func(t *rapid.T) {
					if len(inFlight) == 0 {
						return
					}
					i := rapid.IntRange(0, len(inFlight)-1).Draw(t, "which")
					c := inFlight[i]
					inFlight = slices.Delete(inFlight, i, i+1)
					switch o {
					case outcome.Success:
						c.permit.Success()
					case outcome.Failure:
						c.permit.Failure(errDown)
					default:
						c.permit.Ignore()
					}
					m.settle(c, o)
				}
			}
			t.Repeat(map[string]func(*rapid.T){
				"call": func(t *rapid.T) {
					want := m.admit()
					p := b.Allow()
					if p.OK() != (want != nil) {
						t.Fatalf("admitted %v, the model says %v", p.OK(), want != nil)
					}
					if want == nil {
						m.totals.Rejected++
						return
					}
					want.permit = p
					inFlight = append(inFlight, want)
				},
				"succeed": judged(outcome.Success),
				"fail":    judged(outcome.Failure),
				"ignore":  judged(outcome.Ignored),
				"wait": func(t *rapid.T) {
					d := time.Duration(rapid.Int64Range(1, 40).Draw(t, "ms")) * time.Millisecond
					time.Sleep(d) // of the bubble's clock
					synctest.Wait()
					m.now += d
				},
				"reset": func(*rapid.T) { b.Reset("test"); m.reset() },
				"force": func(t *rapid.T) {
					d := time.Duration(rapid.Int64Range(0, 30).Draw(t, "ms")) * time.Millisecond
					o := breaker.Override{Actor: "test", For: d}
					if rapid.Bool().Draw(t, "open") {
						_ = b.Force(breaker.StateOpen, o)
						m.force(breaker.StateOpen, d)
					} else {
						_ = b.Force(breaker.StateClosed, o)
						m.force(breaker.StateClosed, d)
					}
				},
				"automatic": func(*rapid.T) { b.Automatic("test"); m.automatic() },
				"reconfigure": func(t *rapid.T) {
					m.settleTime()
					m.cfg.FailureThreshold = rapid.IntRange(1, 4).Draw(t, "failure_threshold")
					m.cfg.Cooldown = time.Duration(rapid.Int64Range(1, 30).Draw(t, "cooldown")) * time.Millisecond
					m.cfg.CooldownMax = 10 * m.cfg.Cooldown
					m.cfg.Probes = rapid.IntRange(1, 3).Draw(t, "probes")
					if cfg.FailureThreshold == 0 {
						m.failed = nil // the ring begins when the rule does
					}
					cfg.FailureThreshold = m.cfg.FailureThreshold
					if err := b.Reconfigure(m.cfg); err != nil {
						t.Fatal(err)
					}
					m.failed = m.failed[max(0, len(m.failed)-m.cfg.FailureThreshold):]
				},
				"": func(t *rapid.T) {
					s := b.Status()
					if s.State != m.view() || b.State() != m.view() || s.Totals != m.totals {
						t.Fatalf("%v %+v, the model says %v %+v", s.State, s.Totals, m.view(), m.totals)
					}
					for _, f := range s.Counted {
						if f.Name == "failures" && int(f.Value) != min(m.recent(), m.cfg.FailureThreshold) ||
							f.Name == "consecutive_failures" && int(f.Value) != m.run {
							t.Fatalf("%v, the model says %d recent, %d in a row", f, m.recent(), m.run)
						}
					}
				},
			})
		})
	})
}
