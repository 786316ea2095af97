package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

func mustGroup(tb testing.TB, cfg breaker.Config, limit int, opts ...breaker.Option) *breaker.Group {
	tb.Helper()
	g, err := breaker.NewGroup("hosts", cfg, limit, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func TestGroupKeepsKeysApart(t *testing.T) {
	bus := telemetry.NewBus()
	g := mustGroup(t, breaker.Config{FailureThreshold: 1}, 0, breaker.WithBus(bus))
	seen := watch(t, bus)
	failures(g.For("eu", 7), 1)
	wantState(t, g.For("eu", 7), breaker.StateOpen)
	wantState(t, g.For("eu", 8), breaker.StateClosed)
	f := wantRefused(t, g.ForKey(key.Of("eu", 7)))
	if f.Name() != "hosts" || !strings.Contains(f.Message(), "eu/7") || (*seen)[0].Member != "eu/7" {
		t.Errorf("%v, %+v", f, *seen)
	}
	if b, ok := g.Lookup(key.ParseText("eu/7")); !ok || b != g.For("eu", 7) {
		t.Error("not found by its text")
	}
	if _, ok := g.Lookup(key.Of("us")); ok || len(g.Members()) != 2 {
		t.Error("a lookup made a member")
	}
	if s := g.Status(); s.Members != 2 || s.ByState[breaker.StateOpen] != 1 || s.Totals.Failures != 1 || s.Totals.Rejected != 1 {
		t.Errorf("%+v", s)
	}
	if got := g.For("eu", 7).Status().Totals; got.Failures != 1 || got.Rejected != 1 || got.Successes != 0 {
		t.Errorf("member %+v", got)
	}
}

func TestGroupRefusesNonsense(t *testing.T) {
	_, err := breaker.NewGroup("", breaker.Config{Window: -1}, -1)
	if f, _ := errors.AsType[*fault.Error](err); len(f.Problems()) != 3 {
		t.Errorf("%v", err)
	}
}

func TestFullGroupFailsOpenAndRecovers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := mustGroup(t, breaker.Config{FailureThreshold: 1, Window: 10 * second, Cooldown: time.Hour, ProbeLease: second}, 4)
		for i := range 4 {
			wantAdmitted(t, g.For(i))
		}
		failures(g.For(0), 1)
		over := g.For("one too many")
		failures(over, 10)
		wantAdmitted(t, over)
		if s := g.Status(); s.Members != 4 || s.Overflowed != 1 {
			t.Errorf("%+v", s)
		}
		for range 3 { // the hand comes by, and once more after a window
			time.Sleep(11 * second)
			g.For("newcomer")
		}
		if b, ok := g.Lookup(key.Of("newcomer")); !ok || b.Status().Member != "newcomer" {
			t.Error("no place was made")
		}
		wantState(t, g.For(0), breaker.StateOpen) // what is open is never dropped
		if s := g.Status(); s.Dropped != 3 {
			t.Errorf("%+v", s)
		}
	})
}

func TestFloodOfKeysDropsNothingInUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := mustGroup(t, breaker.Config{FailureThreshold: 2, Window: 10 * second}, 100)
		failures(g.For("used"), 1)
		_ = g.For("forced").Force(breaker.StateOpen, breaker.Override{Actor: "ada"})
		for i := range 5000 {
			g.For("flood", i)
			time.Sleep(time.Millisecond)
			if i%100 == 0 {
				wantRefused(t, g.For("forced"))
			}
		}
		failures(g.For("used"), 1)
		wantState(t, g.For("used"), breaker.StateOpen)
		if s := g.Status(); s.Members > 100 {
			t.Errorf("%+v", s)
		}
	})
}

func TestGroupReconfiguresAllMembers(t *testing.T) {
	g := mustGroup(t, breaker.Config{FailureThreshold: 5}, 0)
	failures(g.For("a"), 2)
	if err := g.Reconfigure(breaker.Config{FailureThreshold: 3}); err != nil {
		t.Fatal(err)
	}
	failures(g.For("a"), 1)
	wantState(t, g.For("a"), breaker.StateOpen)
	failures(g.For("b"), 3)
	wantState(t, g.For("b"), breaker.StateOpen)
	if err := g.Reconfigure(breaker.Config{FailureThreshold: -1}); !errors.Is(err, fault.InvalidConfig) || g.Status().Config.FailureThreshold != 3 {
		t.Errorf("%v", err)
	}
	if _ = g.Reconfigure(g.Status().Config); g.Status().Revision != 2 || g.For("a").Status().Revision != 2 {
		t.Error("an identical configuration is a new revision")
	}
}

func TestGroupMetricsNeverNameKeys(t *testing.T) {
	g := mustGroup(t, breaker.Config{FailureThreshold: 1}, 0)
	atFirst := len(samples(g))
	for i := range 10 {
		failures(g.For("secret", i), 1)
	}
	got := samples(g)
	if len(got) != atFirst || got["foundation_breaker_group_members{open}"] != 10 || got["foundation_breaker_transitions_total{closed,open}"] != 10 {
		t.Errorf("%v", got)
	}
	for name := range got {
		if strings.Contains(name, "secret") {
			t.Error(name)
		}
	}
}

func TestShadowOfAMember(t *testing.T) {
	g := mustGroup(t, breaker.Config{FailureThreshold: 1, Mode: mode.Shadow}, 0)
	failures(g.For("a"), 3)
	want := breaker.Counts{Failures: 3, WouldReject: 2}
	if got := g.For("a").Status().Totals; got != want || g.Status().Totals != want || g.Name() != "hosts" {
		t.Errorf("%+v, group %+v", got, g.Status().Totals)
	}
}

func TestGroupUnderConcurrency(t *testing.T) {
	g := mustGroup(t, breaker.Config{FailureThreshold: 3}, 64)
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 2000 {
				b := g.For(fmt.Sprint(i * w % 100))
				_ = b.Do(context.Background(), func(context.Context) error {
					if i%3 == 0 {
						return errDown
					}
					return nil
				})
				if i%500 == 0 {
					_ = g.Reconfigure(breaker.Config{FailureThreshold: 3 + w})
					_ = g.Status()
				}
			}
		})
	}
	all.Wait()
	n := g.Status().Totals
	if n.Successes+n.Failures+n.Ignored+n.Rejected != 16000 {
		t.Errorf("%+v", n)
	}
}

// flood asks for n other keys, twice, with the given pause before each time: the
// hand looks at every member, and again.
func flood(g *breaker.Group, n int, pause time.Duration) {
	for range 2 {
		time.Sleep(pause)
		for i := range n {
			g.For("flood", time.Now().UnixNano(), i)
		}
	}
}

func has(g *breaker.Group, name string) bool {
	_, ok := g.Lookup(key.Of(name))
	return ok
}

// Calls that hang longer than the window, as those to a dead host do, must find
// their member still in the group when they fail.
func TestGroupKeepsMembersOfLongCalls(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := mustGroup(t, breaker.Config{FailureThreshold: 2, Window: second, CallTimeout: 30 * second}, 10)
		hanging := g.For("dead")
		p, q := hanging.Allow(), hanging.Allow()
		flood(g, 9, 15*second)
		p.Failure(errDown)
		q.Failure(errDown)
		wantState(t, g.For("dead"), breaker.StateOpen)
	})
}

// What time alone has ended must not keep a member for ever, though no call came
// to notice it.
func TestGroupDropsWhatTimeHasBroughtToRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := mustGroup(t, breaker.Config{FailureThreshold: 1, Window: second, Cooldown: second, ProbeLease: second, Ramp: second}, 100)
		failures(g.For("ramping"), 1)
		time.Sleep(second)
		wantAdmitted(t, g.For("ramping"))
		_ = g.For("forced").Force(breaker.StateOpen, breaker.Override{Actor: "ada", For: second})
		flood(g, 20, 10*second)
		if has(g, "ramping") || has(g, "forced") {
			t.Errorf("ramping kept: %v, forced kept: %v", has(g, "ramping"), has(g, "forced"))
		}
	})
}

// A group full of hosts that died long ago makes room, but one with room keeps
// what it knows of them, and none lets go of one whose cooldown runs.
func TestOnlyAFullGroupForgetsOpenMembers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{FailureThreshold: 1, Window: second, Cooldown: time.Minute, ProbeLease: second}
		roomy, full := mustGroup(t, cfg, 100), mustGroup(t, cfg, 4)
		for _, g := range []*breaker.Group{roomy, full} {
			for _, host := range []string{"a", "b", "c", "d"} {
				failures(g.For(host), 1)
			}
		}
		time.Sleep(time.Minute)
		_ = full.For("d").Allow() // half-open, and its probe is lost
		flood(full, 4, 25*second)
		if n := full.Status().Members; n != 4 || !has(full, "a") || !has(full, "d") {
			t.Fatalf("%d members; what was open was dropped within a cooldown after its cooldown", n)
		}
		flood(roomy, 20, time.Hour)
		flood(full, 4, time.Hour)
		if !has(roomy, "a") || !has(roomy, "d") {
			t.Error("dropped although there was room")
		}
		if has(full, "a") || has(full, "d") {
			t.Error("full for ever")
		}
	})
}

func TestGroupReconfiguresMembersThatHadTheirOwn(t *testing.T) {
	g := mustGroup(t, breaker.Config{FailureThreshold: 5}, 0)
	for n := range 3 {
		_ = g.For("a").Reconfigure(breaker.Config{FailureThreshold: 10 + n})
	}
	_ = g.Reconfigure(breaker.Config{FailureThreshold: 3})
	if s := g.For("a").Status(); s.Config.FailureThreshold != 3 || s.Revision != 5 {
		t.Errorf("%+v", s)
	}
}

// The group's present settings are no change: who applies a configuration again takes
// nothing back from a member. Given to the member itself they end its own.
func TestGroupGivenItsOwnSettingsChangesNoMember(t *testing.T) {
	cfg := breaker.Config{FailureThreshold: 5}
	g := mustGroup(t, cfg, 0)
	own := g.For("own")
	if err := own.Reconfigure(breaker.Config{FailureThreshold: 2}); err != nil {
		t.Fatal(err)
	}
	failures(own, 1)
	wantOwn := func() {
		t.Helper()
		if s := own.Status(); s.Revision != 2 || s.Config.FailureThreshold != 2 || s.Totals.Failures != 1 || g.Status().Revision != 1 {
			t.Errorf("revision %d with threshold %d, of the group %d", s.Revision, s.Config.FailureThreshold, g.Status().Revision)
		}
	}
	for _, same := range []breaker.Config{cfg, g.Status().Config} {
		if err := g.Reconfigure(same); err != nil {
			t.Fatal(err)
		}
		wantOwn()
	}
	if err := own.Reconfigure(g.Status().Config); err != nil {
		t.Fatal(err)
	}
	failures(own, 1)
	wantState(t, own, breaker.StateClosed)
}

// Whatever would make a member answer otherwise than a new one keeps its place.
func TestGroupKeepsWhatIsNotAtRest(t *testing.T) {
	actor := breaker.Override{Actor: "ada"}
	relapsing := func(b *breaker.Breaker) {
		failures(b, 3)
		time.Sleep(time.Hour)
		_ = b.Do(context.Background(), succeed)
	}
	for name, c := range map[string]struct {
		cfg  breaker.Config
		busy func(*breaker.Breaker)
	}{
		"counting failures":  {breaker.Config{Window: time.Hour}, func(b *breaker.Breaker) { failures(b, 1) }},
		"a run of failures":  {breaker.Config{ConsecutiveFailures: 3}, func(b *breaker.Breaker) { failures(b, 1) }},
		"counting successes": {breaker.Config{FailureRatio: 1, Window: time.Hour}, func(b *breaker.Breaker) { failures(b, 1) }},
		"open":               {breaker.Config{FailureThreshold: 3, Cooldown: 2 * time.Hour}, func(b *breaker.Breaker) { failures(b, 3) }},
		"likely to relapse":  {breaker.Config{FailureThreshold: 3, Cooldown: time.Hour}, relapsing},
		"ramping":            {breaker.Config{FailureThreshold: 3, Cooldown: time.Millisecond, Ramp: 2 * time.Hour}, relapsing},
		"forced closed":      {breaker.Config{}, func(b *breaker.Breaker) { _ = b.Force(breaker.StateClosed, actor) }},
		"forced open":        {breaker.Config{}, func(b *breaker.Breaker) { _ = b.Force(breaker.StateOpen, actor) }},
		"switched off":       {breaker.Config{}, func(b *breaker.Breaker) { _ = b.Reconfigure(breaker.Config{Mode: mode.Off}) }},
		"injecting":          {breaker.Config{}, func(b *breaker.Breaker) { _ = b.InjectRefusals(0.5) }},
		"in a long window":   {breaker.Config{Window: time.Hour, ProbeLease: second}, func(*breaker.Breaker) {}},
		"in a long lease":    {breaker.Config{Window: second, ProbeLease: time.Hour}, func(*breaker.Breaker) {}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := mustGroup(t, c.cfg, 20)
				c.busy(g.For("kept"))
				flood(g, 20, 10*time.Minute)
				if !has(g, "kept") {
					t.Error("dropped")
				}
			})
		})
	}
}

// The bug: a member lost the settings that it had been given when nobody had asked for
// it for a while.
func TestGroupKeepsAMemberWithSettingsOfItsOwn(t *testing.T) {
	cfg := breaker.Config{FailureThreshold: 3, Window: second, Cooldown: second, ProbeLease: second}
	own := cfg
	own.FailureThreshold = 1
	other := cfg
	other.FailureThreshold = 4
	fails := func(b *breaker.Breaker) { failures(b, 1) }
	succeeds := func(b *breaker.Breaker) { _ = b.Do(context.Background(), succeed) }
	asBefore := func(g *breaker.Group) error { return g.For("own").Reconfigure(cfg) }
	for name, c := range map[string]struct {
		size int
		use  func(*breaker.Breaker)
		end  func(*breaker.Group) error // of the settings of its own
	}{
		"closed, given the group's": {100, succeeds, asBefore},
		"open, given the group's":   {5, fails, asBefore},
		"the group is given new":    {100, succeeds, func(g *breaker.Group) error { return g.Reconfigure(other) }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := mustGroup(t, cfg, c.size)
				if err := g.For("own").Reconfigure(own); err != nil {
					t.Fatal(err)
				}
				c.use(g.For("own"))
				flood(g, 20, 10*second)
				if s := g.For("own").Status(); s.Config.FailureThreshold != 1 || s.Totals.Failures+s.Totals.Successes != 1 {
					t.Errorf("dropped: %+v", s)
				}
				if err := c.end(g); err != nil {
					t.Fatal(err)
				}
				_ = g.For("own").Do(t.Context(), succeed)
				flood(g, 20, 10*second)
				if has(g, "own") {
					t.Error("kept for ever")
				}
			})
		})
	}
}

func TestGroupKeepsWhatIsAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := mustGroup(t, breaker.Config{Window: second, ProbeLease: second}, 100)
		first := g.For("used")
		for range 20 {
			flood(g, 3, second/4)
			if g.For("used") != first {
				t.Fatal("dropped between two calls")
			}
		}
		if g.Status().Dropped == 0 {
			t.Error("nothing was ever dropped: the test shows nothing")
		}
	})
}

func TestMembersCountTheirOwnSuccesses(t *testing.T) {
	g := mustGroup(t, breaker.Config{}, 0)
	for _, name := range []string{"a", "a", "b"} {
		p := g.For(name).Allow()
		p.Success()
	}
	if a, b := g.For("a").Status().Totals, g.For("b").Status().Totals; a.Successes != 2 || b.Successes != 1 {
		t.Errorf("%+v %+v", a, b)
	}
}

func TestOverflowShowsInTheMetrics(t *testing.T) {
	g := mustGroup(t, breaker.Config{}, 1)
	for i := range 3 {
		g.For(i)
	}
	if got := samples(g)["foundation_breaker_group_overflowed_total{}"]; got != 2 {
		t.Errorf("%v", got)
	}
}

// Every change reaches every member, however many there were before it.
func TestGroupReconfiguresItsMembersEveryTime(t *testing.T) {
	g := mustGroup(t, breaker.Config{FailureThreshold: 5}, 0)
	kept := g.For("a")
	for n := 6; n < 12; n++ {
		if err := g.Reconfigure(breaker.Config{FailureThreshold: n}); err != nil {
			t.Fatal(err)
		}
		if got := kept.Status(); got.Config.FailureThreshold != n || got.Revision != g.Status().Revision {
			t.Errorf("threshold %d, want %d; revision %d, of the group %d", got.Config.FailureThreshold, n, got.Revision, g.Status().Revision)
		}
	}
}

func TestMembersAreListedInTheOrderOfTheirKeys(t *testing.T) {
	g := mustGroup(t, breaker.Config{}, 0)
	for _, name := range []string{"c", "a", "d", "b"} {
		g.For(name)
	}
	names := ""
	for _, b := range g.Members() {
		names += b.Status().Member
	}
	if names != "abcd" {
		t.Error(names)
	}
}

func TestMembersCountEveryOutcomeTheirOwn(t *testing.T) {
	g := mustGroup(t, breaker.Config{}, 0)
	for _, o := range []outcome.Outcome{outcome.Success, outcome.Success, outcome.Success, outcome.Failure, outcome.Failure, outcome.Ignored} {
		p := g.For("a").Allow()
		p.SettleAt(clock.Now(), o, nil)
	}
	want := breaker.Counts{Successes: 3, Failures: 2, Ignored: 1}
	if a, b := g.For("a").Status().Totals, g.For("b").Status().Totals; a != want || b != (breaker.Counts{}) || g.Status().Totals != want {
		t.Errorf("%+v, %+v, group %+v", a, b, g.Status().Totals)
	}
}

// Of many calls of one moment that were counted together, one is revoked and no other.
func TestARevocationTakesBackOneCallOfMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustGroup(t, breaker.Config{FailureRatio: 1, MinCalls: 100, Window: time.Minute}, 0).For("a")
		var permits [10]breaker.Permit
		for i := range permits {
			permits[i] = b.Allow()
			permits[i].Success()
		}
		revoke(&permits[3])
		if calls, share := counted(b, "calls"), counted(b, "failure_ratio"); calls != 10 || share != 0.1 {
			t.Errorf("%v calls, %v of them failed", calls, share)
		}
	})
}
