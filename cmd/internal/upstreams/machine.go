package upstreams

import (
	"slices"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/enum"
	"github.com/elixirscope/foundation/outcome"
)

// machine is what is known of the hosts of one set. It is a function of its state, an event
// and the time: it reads no clock, draws no random number and calls nothing.
type machine struct {
	policy  Policy
	members []member
	panics  bool // more than half of the members are out
}

// member is one host. The zero value is one that is active and has no history.
type member struct {
	since      clock.Instant // of its state
	ejected    bool
	unwell     bool          // its check fails
	recovering bool          // it is in slow start
	until      clock.Instant // the ejection's end
	from       clock.Instant // the slow start's beginning
	probation  bool          // no attempt has succeeded since the last ejection
	unproven   bool          // it has returned, and not answered since: it gets one attempt at a time
	good       clock.Instant // since when it does well: the first success after the last ejection
	weight     int           // ejections that make the next one longer
	first      clock.Instant // of those ejections: an outage is one, however often it was tried
	epoch      uint32        // how often it was ejected: an attempt of before says nothing of what is now
	row        int           // failures in a row
	attempts   window
}

// State is how a host stands.
type State = enum.Of[states]

// The states, the worst first.
const (
	Ejected   State = iota // it gets nothing until the ejection ends
	Unwell                 // its check fails: it gets nothing until it passes
	SlowStart              // it returned, or is new, and gets a growing share
	Active
)

type states struct{}

func (states) Names() (string, []string) { return "state", stateNames }

var stateNames = []string{Ejected: "ejected", Unwell: "check_failed", SlowStart: "slow_start", Active: "active"}

func (h *member) state() State {
	switch {
	case h.ejected:
		return Ejected
	case h.unwell:
		return Unwell
	case h.recovering:
		return SlowStart
	}
	return Active
}

func (h *member) out() bool { return h.ejected || h.unwell }

// Kind is what has changed.
type Kind uint8

// The kinds of change.
const (
	Ejecting Kind = iota + 1
	Returning
	CheckFailing
	CheckPassing
	Panicking
	Calm
)

// edge is a change that is told.
type edge struct {
	kind   Kind
	host   int // its index, but for Panicking and Calm
	cause  string
	until  clock.Instant
	row    int
	bad    int // of all, within the window
	all    int
	out    int // hosts that are out now
	number int // of hosts
}

// Why a host is ejected: by the name of the setting.
const (
	byFailures = "failures"
	byRate     = "rate"
)

// ended takes in how an attempt ended that began in the given epoch.
func (m *machine) ended(i int, epoch uint32, o outcome.Outcome, now clock.Instant) []edge {
	h := &m.members[i]
	if o == outcome.Ignored || epoch != h.epoch {
		return nil
	}
	h.attempts.add(now, m.policy.Window, o == outcome.Failure)
	if o == outcome.Success {
		h.row, h.unproven = 0, false
		if h.probation && !h.ejected {
			h.probation, h.good = false, now
		}
		return nil
	}
	h.row++
	if h.ejected || (m.ejected()+1)*2 > len(m.members) {
		return nil
	}
	cause := m.cause(i, now)
	if cause == "" {
		return nil
	}
	return m.counted(m.eject(i, cause, now))
}

// answered takes in that a host has begun a good answer, however long that takes to its end. It
// reports whether the host is chosen in another way from now on.
func (m *machine) answered(i int, epoch uint32) bool {
	h := &m.members[i]
	proves := h.unproven && epoch == h.epoch
	h.unproven = h.unproven && !proves
	return proves
}

// cause says why a host that has just failed is to be ejected, "" if it is not.
func (m *machine) cause(i int, now clock.Instant) string {
	p, h := &m.policy, &m.members[i]
	if p.Failures > 0 && (h.row >= p.Failures || h.probation) {
		return byFailures
	}
	bad, all := h.attempts.count(now, p.Window)
	if p.Rate <= 0 || all < max(1, p.Volume) || float64(bad) < p.Rate*float64(all) {
		return ""
	}
	// What fails everywhere is not the fault of this host, and without it the others would
	// have to take more of what fails.
	othersBad, others := 0, 0
	for j := range m.members {
		if j != i {
			b, n := m.members[j].attempts.count(now, p.Window)
			othersBad, others = othersBad+b, others+n
		}
	}
	if 2*othersBad*all > bad*others {
		return ""
	}
	return byRate
}

func (m *machine) eject(i int, cause string, now clock.Instant) edge {
	p, h := &m.policy, &m.members[i]
	if h.weight > 0 && p.For > 0 && !h.probation { // time without a success proves nothing
		count := min(h.weight, p.mostEjections()) // those beyond made none longer
		h.weight = count - int(min(time.Duration(count), now.Sub(h.good)/p.For))
	}
	if h.weight == 0 {
		h.first = now
	}
	h.weight++
	length := p.MaxFor
	if p.For <= 0 || time.Duration(h.weight) <= p.MaxFor/p.For {
		length = time.Duration(h.weight) * p.For
	}
	bad, all := h.attempts.count(now, p.Window)
	h.ejected, h.probation, h.unproven, h.recovering, h.since, h.until = true, true, false, false, now, now.Add(length)
	h.epoch++
	e := edge{kind: Ejecting, host: i, cause: cause, until: h.until, row: h.row, bad: bad, all: all}
	h.attempts = window{}
	return e
}

// release ends an ejection. The first failure afterwards begins another one, and until the first
// answer the host is tried by one attempt at a time: it may hang for all of them.
func (m *machine) release(i int, now clock.Instant) edge {
	h := &m.members[i]
	h.ejected, h.unproven = false, m.policy.ejects()
	m.recover(h, now)
	return edge{kind: Returning, host: i}
}

func (m *machine) recover(h *member, now clock.Instant) {
	h.since, h.from, h.recovering = now, now, m.policy.SlowStart > 0
}

// tick ends what is over.
func (m *machine) tick(now clock.Instant) []edge {
	var edges []edge
	for i := range m.members {
		h := &m.members[i]
		if h.ejected && now >= h.until {
			edges = append(edges, m.release(i, now))
		}
		if h.recovering && now >= h.from.Add(m.policy.SlowStart) {
			h.recovering, h.since = false, now
		}
	}
	return m.counted(edges...)
}

// due is when the next tick has something to do.
func (m *machine) due() clock.Instant {
	next := clock.Max
	for i := range m.members {
		switch h := &m.members[i]; {
		case h.ejected:
			next = min(next, h.until)
		case h.recovering:
			next = min(next, h.from.Add(m.policy.SlowStart))
		}
	}
	return next
}

// checked takes in what the check of a host says.
func (m *machine) checked(i int, passes bool, now clock.Instant) []edge {
	h := &m.members[i]
	if h.unwell == !passes {
		return nil
	}
	h.unwell = !passes
	kind := CheckFailing
	if passes {
		kind = CheckPassing
	}
	switch {
	case h.ejected: // it goes before
	case passes:
		m.recover(h, now)
	default:
		h.since = now
	}
	return m.counted(edge{kind: kind, host: i})
}

// reshape makes the set one of other members and another policy: was[i] is the index that
// member i had, or -1 if it is new.
func (m *machine) reshape(policy Policy, was []int, now clock.Instant) []edge {
	others := slices.ContainsFunc(was, func(old int) bool { return old >= 0 }) // that have the requests meanwhile
	before := m.members
	m.policy, m.members = policy, make([]member, len(was))
	for i, old := range was {
		if old >= 0 {
			m.members[i] = before[old]
			m.members[i].unproven = before[old].unproven && policy.ejects()
			continue
		}
		m.members[i].since = now
		if others {
			m.recover(&m.members[i], now)
		}
	}
	var edges []edge
	for {
		n, next := m.ejected(), -1
		if n == 0 || 2*n <= len(m.members) && policy.ejects() {
			return m.counted(edges...)
		}
		for i := range m.members {
			if h := &m.members[i]; h.ejected && (next < 0 || h.until < m.members[next].until) {
				next = i
			}
		}
		edges = append(edges, m.release(next, now))
	}
}

func (m *machine) ejected() (n int) {
	for i := range m.members {
		if m.members[i].ejected {
			n++
		}
	}
	return n
}

func (m *machine) outs() (n int) {
	for i := range m.members {
		if m.members[i].out() {
			n++
		}
	}
	return n
}

// counted completes edges: how many hosts are out, and whether that is more than half.
func (m *machine) counted(edges ...edge) []edge {
	out := m.outs()
	if panics := 2*out > len(m.members); panics != m.panics {
		m.panics = panics
		kind := Calm
		if panics {
			kind = Panicking
		}
		edges = append(edges, edge{kind: kind, host: -1})
	}
	for i := range edges {
		edges[i].out, edges[i].number = out, len(m.members)
	}
	return edges
}
