package upstreams

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
)

// Whoever chooses, settles, checks and changes the set at once: each attempt is counted once,
// none stays in flight, and a choice is always a host that was a member.
func TestStress_EveryAttemptIsCountedOnce(t *testing.T) {
	const workers, rounds = 8, 2000
	var changes int
	var attempts atomic.Uint64
	s := New(func(Change) { changes++ }) // one at a time, or the race detector says so
	policy := usual
	policy.For, policy.MaxFor, policy.SlowStart = 1000, 10000, 5000 // ns: they end all the time
	s.Use(policy, members(5), clock.Now())
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 0))
			for i := range rounds {
				var tried []*Host
				for range 1 + random.IntN(3) {
					h := s.Next(tried, nil)
					tried = append(tried, h.Host)
					a := h.Begin()
					a.Settle([]outcome.Outcome{outcome.Success, outcome.Failure, outcome.Failure, outcome.Ignored}[random.IntN(4)], LastError{})
					a.Settle(outcome.Failure, LastError{})
					a.Leave()
					a.Leave()
				}
				switch {
				case w == 0 && i%50 == 0:
					s.Use(policy, members(2+random.IntN(5)), clock.Now())
				case w == 1:
					hosts := s.Hosts()
					s.Checked(hosts[random.IntN(len(hosts))], random.IntN(3) > 0, "", clock.Now())
				case w == 2:
					s.Status(clock.Now())
				}
				attempts.Add(uint64(len(tried)))
			}
		})
	}
	all.Wait()
	st := s.Status(clock.Now())
	if got := st.Counts.Successes + st.Counts.Failures + st.Counts.Ignored; got != attempts.Load() {
		t.Errorf("%d of %d attempts are counted", got, attempts.Load())
	}
	for _, h := range st.Hosts {
		if h.InFlight != 0 {
			t.Errorf("%s has %d in flight", h.Name, h.InFlight)
		}
	}
	if changes == 0 || st.Counts.Ejections == 0 {
		t.Error("nothing was ejected")
	}
}
