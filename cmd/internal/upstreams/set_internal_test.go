package upstreams

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
)

func TestFailuresInARowEject(t *testing.T) {
	k := newKit(t, usual, 3)
	k.end(0, 4, outcome.Failure)
	k.end(0, 1, outcome.Ignored)
	k.wants(0, Active)
	k.end(0, 1, outcome.Failure)
	k.wants(0, Ejected)
	if got := k.chosen(300); got[name(0)] != 0 || got[name(1)] < 100 || got[name(2)] < 100 {
		t.Errorf("chosen: %v", got)
	}
	if len(k.changes) != 1 {
		t.Fatalf("%d changes, want one: %+v", len(k.changes), k.changes)
	}
	c := k.changes[0]
	if c.Kind != Ejecting || c.Host != name(0) || c.Row != 5 || c.Out != 1 || c.Hosts != 3 || c.Until.Sub(c.At).Round(time.Millisecond) != usual.For {
		t.Errorf("the change is %+v", c)
	}
	if got := k.state(0).Cause; got != "5 failures in a row (refused)" {
		t.Error(got)
	}
}

func TestASuccessEndsTheRow(t *testing.T) {
	k := newKit(t, usual, 3)
	for range 3 { // beside too few attempts for a rate
		k.end(0, 4, outcome.Failure)
		k.end(0, 1, outcome.Success)
	}
	k.wants(0, Active)
}

func TestARateEjectsAHostThatIsWorseThanTheOthers(t *testing.T) {
	k := newKit(t, usual, 3)
	mixed := func(i int) {
		for range 12 {
			k.end(i, 1, outcome.Success)
			k.end(i, 2, outcome.Failure)
		}
	}
	mixed(0)
	k.wants(0, Ejected)
	if got := k.state(0).Cause; got != "13 of 20 attempts failed (refused)" {
		t.Error(got)
	}

	all := newKit(t, usual, 3)
	for range 12 { // what fails everywhere ejects nobody
		for i := range 3 {
			all.end(i, 1, outcome.Success)
			all.end(i, 2, outcome.Failure)
		}
	}
	for i := range 3 {
		all.wants(i, Active)
	}
}

func TestOldFailuresAreForgotten(t *testing.T) {
	k := newKit(t, usual, 2)
	for range 9 {
		k.end(0, 2, outcome.Failure)
		k.end(0, 1, outcome.Success)
		k.pass(2 * time.Second)
	}
	k.wants(0, Active)
}

func TestNeverMoreThanHalfAreEjected(t *testing.T) {
	for hosts, most := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 5: 2} {
		k := newKit(t, usual, hosts)
		for i := range hosts {
			k.end(i, 50, outcome.Failure)
		}
		ejected := 0
		for _, h := range k.set.Status(k.now).Hosts {
			if h.State == Ejected {
				ejected++
			}
		}
		if ejected != most {
			t.Errorf("%d of %d are ejected, want %d", ejected, hosts, most)
		}
	}
}

func TestEjectionsGrowAndShrinkAgain(t *testing.T) {
	k := newKit(t, usual, 2)
	begin := k.now
	k.end(0, 5, outcome.Failure)
	for _, want := range []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second, 40 * time.Second, 50 * time.Second, time.Minute, time.Minute} {
		s := k.state(0)
		if s.State != Ejected || s.Until.Sub(s.Since).Round(time.Millisecond) != want {
			t.Fatalf("%v for %v, want %v", s.State, s.Until.Sub(s.Since), want)
		}
		if !s.Failing.Round(time.Millisecond).Equal(begin.Time().Round(time.Millisecond)) {
			t.Errorf("failing since %v", s.Failing)
		}
		k.pass(want)
		k.wants(0, SlowStart)
		k.end(0, 1, outcome.Failure) // the first failure ejects again
	}
	k.pass(time.Minute)
	k.wants(0, SlowStart)
	k.pass(time.Hour) // nothing succeeds in that time
	k.end(0, 1, outcome.Success)
	if s := k.state(0); !s.Failing.IsZero() || s.Repeats != 0 {
		t.Errorf("a host that does well fails since %v, %d times", s.Failing, s.Repeats)
	}
	k.pass(40 * time.Second) // four good times take four ejections back
	k.end(0, 5, outcome.Failure)
	if s := k.state(0); s.Until.Sub(s.Since).Round(time.Millisecond) != 30*time.Second {
		t.Errorf("ejected for %v, want 30s: four are taken back of the six that make the longest", s.Until.Sub(s.Since))
	}
}

// Also a host that was ejected for its rate, with no failures in a row.
func TestTheFirstFailureAfterAnEjectionEjectsAgain(t *testing.T) {
	k := newKit(t, usual, 2)
	for range 20 {
		k.end(0, 1, outcome.Failure)
		k.end(0, 1, outcome.Success)
	}
	if n := k.state(0).Row; n != 0 || k.state(0).Counts.Ejections != 1 {
		t.Fatalf("%d failures in a row, %+v", n, k.state(0))
	}
	k.pass(usual.For)
	k.wants(0, SlowStart)
	k.end(0, 1, outcome.Failure)
	k.wants(0, Ejected)
}

func TestAnAttemptFromBeforeTheEjectionSaysNothingAfterIt(t *testing.T) {
	k := newKit(t, usual, 2)
	late, good := k.host(0).Begin(), k.host(0).Begin()
	k.end(0, 5, outcome.Failure)
	k.pass(usual.For)
	k.wants(0, SlowStart)
	k.settle(&good, outcome.Success)
	k.settle(&late, outcome.Failure)
	k.wants(0, SlowStart)
	k.end(0, 1, outcome.Failure)
	k.wants(0, Ejected)
}

func TestAReturningHostGetsAGrowingShare(t *testing.T) {
	k := newKit(t, usual, 3)
	k.end(0, 5, outcome.Failure)
	k.pass(usual.For)
	last := 0
	for _, after := range []time.Duration{0, 3 * time.Second, 6 * time.Second, 9 * time.Second, 10 * time.Second} {
		k.now = clock.Instant(usual.For + after)
		got := k.chosen(9000)[name(0)]
		want := 3000 * math.Max(leastShare, after.Seconds()/10)
		if float64(got) < want*0.75 || float64(got) > want*1.6 || got <= last {
			t.Errorf("%v after its return it got %d of 9000, want about %.0f", after, got, want)
		}
		last = got
	}
	k.wants(0, Active)
}

func TestTheHostWithFewerRequestsInFlightIsChosen(t *testing.T) {
	k := newKit(t, usual, 3)
	for range 10 {
		k.host(1).Begin()
	}
	if got := k.chosen(300); got[name(1)] != 0 || got[name(0)] < 100 || got[name(2)] < 100 {
		t.Errorf("chosen: %v", got)
	}
}

func TestARetryGoesToAHostThatTheRequestHasNotTried(t *testing.T) {
	k := newKit(t, usual, 3)
	k.end(2, 5, outcome.Failure)
	tried := []*Host{k.host(0)}
	for range 50 {
		if got := k.next(tried, nil); got.Name() != name(1) {
			t.Fatalf("chosen: %s", got.Name())
		}
	}
	tried = append(tried, k.host(1))
	for range 50 { // rather one that was tried than one that is ejected
		if got := k.next(tried, nil); got.Name() == name(2) {
			t.Fatal("an ejected host was chosen")
		}
	}
}

func TestABreakerThatDoesNotAdmitIsAvoided(t *testing.T) {
	k := newKit(t, usual, 4)
	admits := func(member string) bool { return member == name(1) || member == name(3) }
	for range 100 {
		if got := k.next([]*Host{k.host(3)}, admits); got.Name() != name(1) {
			t.Fatalf("chosen: %s", got.Name())
		}
	}
	if s := k.set.Status(k.now); s.Panicked != 0 {
		t.Errorf("half of the hosts are out, which is no panic: %d", s.Panicked)
	}
	k.end(1, 5, outcome.Failure)
	got := map[string]bool{}
	for range 200 { // 0 and 2 do not admit, 1 is ejected: more than half
		got[k.next(nil, admits).Name()] = true
	}
	if !got[name(1)] || !got[name(3)] || got[name(0)] || got[name(2)] {
		t.Errorf("chosen: %v, want what admits, ejected or not", got)
	}
	if s := k.set.Status(k.now); s.Panicked == 0 {
		t.Error("no choice among all was counted")
	}
	for range 100 {
		k.next(nil, func(string) bool { return false }) // there is always a host
	}
}

func TestWhereMoreThanHalfFailTheirCheckAllAreChosenFrom(t *testing.T) {
	k := newKit(t, usual, 3)
	k.set.Checked(k.host(0), false, "the answer is 503", k.now)
	k.wants(0, Unwell)
	if got := k.chosen(100); got[name(0)] != 0 {
		t.Errorf("chosen: %v", got)
	}
	k.set.Checked(k.host(1), false, "the answer is 503", k.now)
	if got := k.chosen(300); len(got) != 3 {
		t.Errorf("chosen: %v, want all", got)
	}
	if s := k.set.Status(k.now); !s.Panics || s.Panicked != 300 {
		t.Errorf("the status is %+v", s)
	}
	k.set.Checked(k.host(0), true, "", k.now)
	k.wants(0, SlowStart)
	if got := k.chosen(300); got[name(1)] != 0 || len(got) != 2 {
		t.Errorf("chosen: %v", got)
	}
	kinds := []Kind{}
	for _, c := range k.changes {
		kinds = append(kinds, c.Kind)
	}
	if want := []Kind{CheckFailing, CheckFailing, Panicking, CheckPassing, Calm}; !equal(kinds, want) {
		t.Errorf("changes %v, want %v", kinds, want)
	}
}

func equal(a, b []Kind) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestAHostThatStaysKeepsItsState(t *testing.T) {
	k := newKit(t, usual, 3)
	k.end(0, 5, outcome.Failure)
	running := k.host(2).Begin()
	gone := k.host(1).Begin()
	k.set.Use(usual, []Member{members(4)[3], members(3)[2], members(1)[0]}, k.now)
	k.wants(0, Ejected)
	k.wants(2, Active)
	k.wants(3, SlowStart)
	if got := k.state(2); got.InFlight != 1 {
		t.Errorf("%d in flight", got.InFlight)
	}
	k.settle(&running, outcome.Success)
	k.settle(&gone, outcome.Failure)
	s := k.set.Status(k.now)
	if s.Counts != (Counts{Successes: 1, Failures: 6, Ejections: 1}) {
		t.Errorf("the counts are %+v", s.Counts)
	}
	// Two of three would be one too many of two.
	k.set.Use(usual, []Member{members(1)[0]}, k.now)
	k.wants(0, SlowStart)
}

func TestWithoutAPolicyNobodyIsEjected(t *testing.T) {
	k := newKit(t, usual, 2)
	k.end(0, 5, outcome.Failure)
	k.set.Use(Policy{}, members(2), k.now)
	k.wants(0, Active)
	k.end(0, 500, outcome.Failure)
	k.wants(0, Active)
}

func TestAChoiceDoesNotAllocate(t *testing.T) {
	k := newKit(t, usual, 3)
	tried := []*Host{k.host(0)}
	second := name(1)
	admits := func(member string) bool { return member != second }
	n := testing.AllocsPerRun(1000, func() {
		h := k.next(tried, admits)
		a := h.Begin()
		a.Settle(outcome.Success, LastError{})
		a.Leave()
	})
	if !testkit.Race && n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNext(b *testing.B) {
	for _, hosts := range []int{1, 3, 64} {
		b.Run(name(hosts-1), func(b *testing.B) {
			s := New(nil)
			s.Use(usual, members(hosts), clock.Now())
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					c := s.Next(nil, nil)
					a := c.Begin()
					a.Settle(outcome.Success, LastError{})
					a.Leave()
				}
			})
		})
	}
}

// A host that has returned, and may still hang, has one attempt at a time until it answers.
func TestAHostThatReturnsIsTriedByOneAttemptAtATime(t *testing.T) {
	k := newKit(t, usual, 3)
	k.end(0, 5, outcome.Failure)
	k.pass(usual.For)
	probe := k.takes(0)
	if got := k.chosen(500)[name(0)]; got != 0 || k.finds(0) {
		t.Fatal("chosen while an attempt is to begin")
	}
	a := probe.Begin()
	if got := k.chosen(500)[name(0)]; got != 0 || k.finds(0) {
		t.Fatal("chosen while an attempt has not ended, rather than one that was tried")
	}
	only := name(0)
	if c := k.choose(nil, func(member string) bool { return member == only }); c.Host != k.host(0) {
		t.Error("not chosen, although nothing else admits")
	}
	k.settle(&a, outcome.Ignored) // says nothing: another one may look
	probe = k.takes(0)
	probe.Drop() // as of a request that is refused
	probe = k.takes(0)
	b := probe.Begin()
	b.Answered() // though it goes on
	k.takes(0)
	k.takes(0)
	k.wants(0, SlowStart)
	k.settle(&b, outcome.Failure)
	k.wants(0, Ejected)

	k.pass(2 * usual.For)
	k.takes(0) // and hangs
	k.pass(usual.For - 1)
	if k.finds(0) {
		t.Error("chosen although it hangs")
	}
	k.pass(1)
	probe = k.takes(0) // it may be the client that is slow
	a = probe.Begin()
	k.settle(&a, outcome.Success)
	k.takes(0)
	k.takes(0)
}

// takes is the choice of a request that has tried all other hosts, which must be this one.
func (k *kit) takes(i int) Choice {
	k.Helper()
	c := k.choose(k.others(i), nil)
	if c.Host != k.host(i) {
		k.Fatalf("%s is not chosen", name(i))
	}
	return c
}

func (k *kit) finds(i int) bool { return k.choose(k.others(i), nil).Host == k.host(i) }

func (k *kit) others(i int) []*Host {
	return slices.DeleteFunc(k.set.Hosts(), func(h *Host) bool { return h.name == name(i) })
}

// An attempt of before the ejection is in nobody's way after it, and a policy that ejects nothing
// has nobody prove anything.
func TestAnOldAttemptKeepsNobodyFromAHostThatReturns(t *testing.T) {
	k := newKit(t, usual, 2)
	k.end(0, 5, outcome.Failure)
	k.pass(usual.For)
	probe := k.takes(0)
	hanging := probe.Begin()
	k.end(0, 1, outcome.Failure) // of one that was sent there because nothing else was left
	k.wants(0, Ejected)
	k.pass(2 * usual.For)
	k.set.Tick(k.now)
	probe = k.takes(0)
	hanging.Answered() // of another time
	hanging.Leave()
	if k.finds(0) {
		t.Error("an old attempt has let others in")
	}
	k.set.Use(Policy{}, members(2), k.now)
	k.takes(0)
	k.takes(0)
}

// However many choose at once, an unproven host has one attempt.
func TestStress_OneProbeAtATime(t *testing.T) {
	policy := usual
	policy.SlowStart = 0
	k := newKit(t, policy, 3)
	k.set.random = rand.Uint64
	k.end(0, 5, outcome.Failure)
	k.pass(usual.For)
	k.set.Tick(k.now)
	first := k.host(0)
	var now, most atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				c := k.choose(nil, nil)
				a := c.Begin()
				if c.Host == first {
					most.Store(max(most.Load(), now.Add(1)))
					runtime.Gosched()
					now.Add(-1)
				}
				a.Settle(outcome.Ignored, LastError{})
				a.Leave()
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d at a time", most.Load())
	}
}

// However long a host was dead, it is as good as any other after it has done well for as long as the
// longest ejection takes to grow to: ejections beyond that do not count.
func TestAHostThatWasDeadForADayIsForgiven(t *testing.T) {
	k := newKit(t, usual, 2)
	k.end(0, 5, outcome.Failure)
	for range 24 * 60 {
		k.pass(usual.MaxFor)
		k.set.Tick(k.now)
		k.end(0, 1, outcome.Failure)
	}
	k.pass(usual.MaxFor)
	k.set.Tick(k.now)
	k.end(0, 1, outcome.Success)
	k.pass(usual.MaxFor)
	k.end(0, 5, outcome.Failure)
	if s := k.state(0); s.Until.Sub(s.Since).Round(time.Millisecond) != usual.For {
		t.Errorf("ejected for %v, want %v", s.Until.Sub(s.Since), usual.For)
	}
}
