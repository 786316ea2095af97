package upstreams

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/ordered"
	"github.com/elixirscope/foundation/outcome"
)

// Set is the hosts of one route. Make one with [New]. It is safe for concurrent use.
type Set struct {
	tell   func(c Change, missed uint64)
	random func() uint64
	view   atomic.Pointer[view]
	panics atomic.Uint64 // choices among all hosts
	edges  ordered.Queue[Change]

	// mu guards the fields below, and what a host counts. Nothing is called under it.
	mu      sync.Mutex
	machine machine
	hosts   []*Host // as the machine has them
	panicAt time.Time
	gone    Counts // of the hosts that were removed
}

// Counts are the attempts that have ended, and the ejections.
type Counts struct{ Successes, Failures, Ignored, Ejections uint64 }

// Ended is how many attempts have ended.
func (c Counts) Ended() uint64 { return c.Successes + c.Failures + c.Ignored }

func (c Counts) plus(d Counts) Counts {
	return Counts{c.Successes + d.Successes, c.Failures + d.Failures, c.Ignored + d.Ignored, c.Ejections + d.Ejections}
}

// Host is one member of a set, or was.
type Host struct {
	name     string
	set      *Set
	peer     atomic.Pointer[Peer]
	inFlight atomic.Int64
	epoch    atomic.Uint32
	probe    atomic.Int64 // while it is unproven: when it was chosen for the attempt that it has; 0: it has none

	// The fields below are guarded by set.mu.

	index  int // in the machine; -1: removed
	counts Counts
	last   LastError
	check  string // why the check fails
	cause  string // of the latest ejection, in words
}

// Name is the address of the host, with its port.
func (h *Host) Name() string { return h.name }

// Peer is how the host is reached.
func (h *Host) Peer() *Peer { return h.peer.Load() }

// Member is a host that a set is to have.
type Member struct {
	Name string
	Peer *Peer
}

// Change is what is told of a set: once for each, in order.
type Change struct {
	Kind     Kind
	Host     string // empty for what is about the set
	At       time.Time
	Until    time.Time // of an ejection
	Cause    string    // of an ejection: "failures" or "rate"
	Row      int       // failures in a row
	Failures int       // of Attempts, within the window
	Attempts int
	Out      int // hosts that get nothing now
	Hosts    int
	Error    LastError // of the host
	Check    string    // why its check fails
}

// LastError is how the latest failed attempt at a host ended.
type LastError struct {
	At     time.Time
	Class  string
	Reason string
}

// New returns a set without hosts: [Set.Use] gives it some before anything is chosen. tell is
// called for every change, outside of all locks; nil tells nobody.
func New(tell func(Change)) *Set {
	s := &Set{random: rand.Uint64, tell: func(Change, uint64) {}}
	if tell != nil {
		s.tell = func(c Change, _ uint64) { tell(c) }
	}
	s.view.Store(&view{due: clock.Max})
	return s
}

// Use makes the set one of these members, at least one, under this policy. A host whose name
// stays keeps what is known of it; attempts at one that goes run on. What is told of it is told
// by [Set.Tell].
func (s *Set) Use(policy Policy, members []Member, now clock.Instant) {
	s.mu.Lock()
	known := make(map[string]*Host, len(s.hosts))
	for _, h := range s.hosts {
		known[h.name] = h
	}
	hosts, was := make([]*Host, 0, len(members)), make([]int, 0, len(members))
	for _, m := range members {
		h := known[m.Name]
		if h == nil {
			h = &Host{name: m.Name, set: s, index: -1}
		}
		delete(known, m.Name)
		h.peer.Store(m.Peer)
		hosts, was = append(hosts, h), append(was, h.index)
	}
	for _, h := range known {
		h.index = -1
		s.gone = s.gone.plus(h.counts)
	}
	for i, h := range hosts {
		h.index = i
	}
	s.hosts = hosts
	s.publish(s.machine.reshape(policy, was, now), now)
	s.mu.Unlock()
}

// Tell delivers what [Set.Use] has changed: the caller may hold a lock while it calls that.
func (s *Set) Tell() { s.edges.Deliver(s.tell) }

// Hosts returns the hosts of the set.
func (s *Set) Hosts() []*Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hosts)
}

// Next chooses the host of an attempt, see [view.choose]. It takes no lock that anybody else
// waits under, and does not allocate.
func (s *Set) Next(tried []*Host, admits func(member string) bool) Choice {
	v := s.view.Load()
	if len(v.all) == 1 {
		return Choice{Host: v.all[0].Host}
	}
	return s.next(v, clock.Now(), tried, admits)
}

func (s *Set) next(v *view, now clock.Instant, tried []*Host, admits func(member string) bool) Choice {
	if now >= v.due && s.mu.TryLock() {
		s.publish(s.machine.tick(now), now)
		s.mu.Unlock()
		s.Tell()
		v = s.view.Load()
	}
	c, panics := v.choose(now, tried, admits, s.random)
	if panics {
		s.panics.Add(1)
	}
	return c
}

// Tick ends ejections that are over, for a set that nothing is chosen from.
func (s *Set) Tick(now clock.Instant) {
	if now < s.view.Load().due {
		return
	}
	s.mu.Lock()
	s.publish(s.machine.tick(now), now)
	s.mu.Unlock()
	s.Tell()
}

// Checked says whether the check of a host passes, and why not.
func (s *Set) Checked(h *Host, passes bool, why string, now clock.Instant) {
	s.mu.Lock()
	h.check = why
	if h.index >= 0 {
		if edges := s.machine.checked(h.index, passes, now); edges != nil {
			s.publish(edges, now)
		}
	}
	s.mu.Unlock()
	s.Tell()
}

// Choice is a host that was chosen for an attempt. One that has not answered since it has returned
// is kept for that attempt, until it begins and leaves, or the choice is dropped.
type Choice struct {
	*Host

	probe int64 // the host's, which is this choice's; 0: none is needed
}

// Begin counts an attempt in flight, until [Attempt.Leave].
func (c *Choice) Begin() Attempt {
	a := c.Host.Begin()
	a.probe = c.probe
	return a
}

// Drop gives back a choice that no attempt comes of. The zero Choice may be dropped.
func (c *Choice) Drop() {
	if c.probe != 0 {
		c.Host.probe.CompareAndSwap(c.probe, 0)
	}
}

// Begin counts an attempt in flight that the host was not chosen for, until [Attempt.Leave].
func (h *Host) Begin() Attempt {
	h.inFlight.Add(1)
	return Attempt{host: h, epoch: h.epoch.Load()}
}

// Attempt is the account of one attempt. The zero Attempt is one that is over.
type Attempt struct {
	host    *Host
	epoch   uint32
	probe   int64 // as in Choice
	settled bool
}

// Host is where the attempt went; nil if it is over.
func (a *Attempt) Host() *Host { return a.host }

// Answered says that a good answer has begun, which proves that the host does not hang. How it
// ends is for [Attempt.Settle].
func (a *Attempt) Answered() {
	if a.host != nil && a.probe != 0 {
		a.host.set.answered(a.host, a.epoch)
	}
}

// Settle counts how the attempt ended. The first time counts.
func (a *Attempt) Settle(o outcome.Outcome, last LastError) {
	if a.host == nil || a.settled {
		return
	}
	a.settled = true
	a.host.set.settle(a.host, a.epoch, o, last, clock.Now())
}

// Leave takes the attempt out of those in flight.
func (a *Attempt) Leave() {
	if a.host != nil {
		a.host.inFlight.Add(-1)
		if a.probe != 0 {
			a.host.probe.CompareAndSwap(a.probe, 0)
		}
		a.host = nil
	}
}

func (s *Set) settle(h *Host, epoch uint32, o outcome.Outcome, last LastError, now clock.Instant) {
	s.mu.Lock()
	switch o {
	case outcome.Success:
		h.counts.Successes++
	case outcome.Failure:
		h.counts.Failures++
		h.last = last
	default:
		h.counts.Ignored++
	}
	if h.index < 0 { // removed: its counts went to the set's
		s.gone = s.gone.plus(one(o))
	} else {
		before := s.machine.members[h.index].unproven
		if edges := s.machine.ended(h.index, epoch, o, now); edges != nil || before != s.machine.members[h.index].unproven {
			s.publish(edges, now)
		}
	}
	s.mu.Unlock()
	s.Tell()
}

func (s *Set) answered(h *Host, epoch uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.index >= 0 && s.machine.answered(h.index, epoch) {
		s.view.Store(s.machine.view(s.hosts))
	}
}

func one(o outcome.Outcome) Counts {
	switch o {
	case outcome.Success:
		return Counts{Successes: 1}
	case outcome.Failure:
		return Counts{Failures: 1}
	}
	return Counts{Ignored: 1}
}

// publish makes the view anew and queues what is told of it. REQUIRES: s.mu.
func (s *Set) publish(edges []edge, now clock.Instant) {
	at := now.Time()
	for _, e := range edges {
		c := Change{Kind: e.kind, At: at, Cause: e.cause, Row: e.row, Failures: e.bad, Attempts: e.all, Out: e.out, Hosts: e.number}
		switch e.kind {
		case Panicking:
			s.panicAt = at
		case Calm:
			s.panicAt = time.Time{}
		case Ejecting:
			h := s.hosts[e.host]
			h.counts.Ejections++
			h.cause = c.why(h.last)
			c.Until = e.until.Time()
		case Returning:
			s.hosts[e.host].probe.Store(0) // one from before that still hangs is in nobody's way
		default: // they change nothing else
		}
		if e.host >= 0 {
			h := s.hosts[e.host]
			c.Host, c.Error, c.Check = h.name, h.last, h.check
			h.epoch.Store(s.machine.members[e.host].epoch)
		}
		s.edges.Add(c)
	}
	s.view.Store(s.machine.view(s.hosts))
}
