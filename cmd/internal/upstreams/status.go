package upstreams

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// Status is a set at one moment.
type Status struct {
	Hosts []HostStatus // the worst first, and else by name
	// Panics says that more than half of the hosts are out, and Since when.
	Panics bool
	Since  time.Time
	// Panicked counts the choices among all hosts.
	Panicked uint64
	// Counts are those of all hosts, also of those that were removed.
	Counts Counts
}

// HostStatus is one host at one moment.
type HostStatus struct {
	Name  string
	State State
	Since time.Time // of its state
	Until time.Time // the end of its ejection; the zero time otherwise
	Cause string    // of its ejection in words; empty otherwise
	// Failing is when the first of the Repeats ejections began after which no attempt has
	// succeeded for long; the zero time for a host that does well.
	Failing  time.Time
	Repeats  int
	Share    float64 // of its usual attempts that it gets
	InFlight int64
	Counts   Counts
	Row      int // failures in a row
	Last     LastError
	Check    string // why its check fails
}

// Status returns how the set stands.
func (s *Set) Status(now clock.Instant) Status {
	s.Tick(now)
	v := s.view.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{Hosts: make([]HostStatus, 0, len(s.hosts)), Panics: s.machine.panics, Since: s.panicAt, Panicked: s.panics.Load(), Counts: s.gone}
	for i, h := range s.hosts {
		m := &s.machine.members[i]
		hs := HostStatus{
			Name: h.name, State: m.state(), Since: m.since.Time(), InFlight: h.inFlight.Load(), Counts: h.counts, Row: m.row, Last: h.last, Check: h.check, Share: 1,
		}
		switch e := (entry{Host: h, recovering: m.recovering, from: m.from}); {
		case m.ejected:
			hs.Until, hs.Cause, hs.Share = m.until.Time(), h.cause, 0
		case m.unwell:
			hs.Share = 0
		default:
			hs.Share = e.share(now, v.ramp)
		}
		if m.ejected || m.probation {
			hs.Failing, hs.Repeats = m.first.Time(), m.weight
		}
		if s.machine.panics {
			hs.Share = 1
		}
		st.Hosts = append(st.Hosts, hs)
		st.Counts = st.Counts.plus(h.counts)
	}
	slices.SortStableFunc(st.Hosts, func(a, b HostStatus) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(b.Row, a.Row), cmp.Compare(a.Name, b.Name))
	})
	return st
}

// why says in words what a host is ejected for.
func (c *Change) why(last LastError) string {
	class := ""
	if last.Class != "" {
		class = " (" + last.Class + ")"
	}
	if c.Cause == byRate {
		return fmt.Sprintf("%d of %d attempts failed%s", c.Failures, c.Attempts, class)
	}
	if c.Row == 1 {
		return "1 failure" + class
	}
	return fmt.Sprintf("%d failures in a row%s", c.Row, class)
}
