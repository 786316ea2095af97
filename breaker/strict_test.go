package breaker_test

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

// What a change of the internals could break and a user would notice.

// ramping returns a closed breaker that admits a rising share of calls.
func ramping(t *testing.T, cfg breaker.Config, opts ...breaker.Option) *breaker.Breaker {
	t.Helper()
	cfg.Cooldown, cfg.FailureThreshold = second, 1
	b := mustNew(t, cfg, opts...)
	open(t, b)
	time.Sleep(second)
	wantAdmitted(t, b)
	wantState(t, b, breaker.StateClosed)
	return b
}

// durationUnheard is the duration that a listener is told of a call that was let
// through before there was one: nothing where Allow did not read the clock.
func durationUnheard(t *testing.T, b *breaker.Breaker, bus *telemetry.Bus) time.Duration {
	t.Helper()
	p := b.Allow()
	time.Sleep(second)
	told := time.Duration(-1)
	s, err := telemetry.Subscribe(bus, "t", func(_ context.Context, e breaker.CallExecuted) { told = e.Duration })
	if err != nil || !p.OK() {
		t.Fatal(err, p.OK())
	}
	defer s.Cancel()
	p.Success()
	return told
}

// Where nobody read the clock when the call began, nothing is made up.
func TestADurationThatIsNotKnownIsNotMadeUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for rule, cfg := range rulesOf {
			bus := telemetry.NewBus()
			b := mustNew(t, cfg, breaker.WithBus(bus))
			p := b.Allow()
			time.Sleep(second)
			var told []time.Duration
			_, _ = telemetry.Subscribe(bus, "t", func(_ context.Context, e breaker.CallExecuted) { told = append(told, e.Duration) })
			p.Failure(nil)
			if len(told) != 1 || told[0] != 0 && told[0] != second {
				t.Errorf("%s: told that a call of a second took %v", rule, told)
			}
		}
	})
}

// From the end of its ramp on, a breaker is again one that never opened: a call is
// one load, without a lock or a look at the clock.
func TestTheRampEndsAtItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		fresh := durationUnheard(t, mustNew(t, breaker.Config{}, breaker.WithBus(bus)), bus)
		for name, after := range map[string]time.Duration{"at the end": 10 * second, "later": time.Hour} {
			b := ramping(t, breaker.Config{Ramp: 10 * second}, breaker.WithBus(bus))
			during := b.Status()
			time.Sleep(after)
			wantAdmitted(t, b) // notices
			if s := b.Status(); !during.Ramping || s.Ramping || s.Generation != during.Generation {
				t.Errorf("%s: ramping %v before, %v after; generations %d, %d", name, during.Ramping, s.Ramping, during.Generation, s.Generation)
			}
			if got := durationUnheard(t, b, bus); got != fresh {
				t.Errorf("%s: a call costs a look at the clock still: told %v, by a new breaker %v", name, got, fresh)
			}
		}
	})
}

func TestTheRampLastsUntilItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := ramping(t, breaker.Config{Ramp: 10 * second})
		time.Sleep(10*second - 1)
		wantAdmitted(t, b) // of all but one in 10⁹
		if !b.Status().Ramping {
			t.Error("the ramp ended early")
		}
	})
}

// An override that ends in the middle of a ramp leaves the ramp as it was: the call
// that finds it over is one of the calls that the ramp has a say about.
func TestTheCallThatEndsAnOverrideIsHeldToTheRamp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		refused := 0
		for range 20 {
			b := ramping(t, breaker.Config{Ramp: time.Hour})
			if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "ada", For: second}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(second)
			p := b.Allow()
			if p.OK() {
				continue
			}
			refused++
			f, ok := errors.AsType[*fault.Error](p.Err())
			if !ok || f.Code() != fault.CircuitOpen || len(f.Evidence()) == 0 || f.Evidence()[0].Name != "ramp" {
				t.Fatalf("refused with %v", p.Err())
			}
		}
		if refused == 0 {
			t.Error("a share of a tenth let all of twenty calls through")
		}
	})
}

// A look counts as a refusal what it refuses, and nothing else.
func TestALookCountsWhatItRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		told := 0
		_, _ = telemetry.Subscribe(bus, "t", func(context.Context, breaker.CallRejected) { told++ })
		for how, refuses := range map[mode.Mode]bool{mode.Enforce: true, mode.Shadow: false} {
			b := mustNew(t, breaker.Config{FailureThreshold: 1, SlowRatio: 1, SlowAfter: time.Hour, Mode: how}, breaker.WithBus(bus))
			for range 3 {
				if l := b.LookAt(clock.Now()); !l.OK() || l.Err() != nil || l.WouldRefuse() {
					t.Errorf("%v: a closed breaker refuses: %v", how, l.Err())
				}
			}
			if told != 0 || b.Status().Totals.Rejected != 0 {
				t.Errorf("%v: %d events, %+v, of calls that were let through", how, told, b.Status().Totals)
			}
			failures(b, 1)
			for range 3 {
				if l := b.LookAt(clock.Now()); l.OK() == refuses || l.WouldRefuse() == refuses || (l.Err() == nil) == refuses {
					t.Errorf("%v: OK %v, would refuse %v, %v", how, l.OK(), l.WouldRefuse(), l.Err())
				}
			}
			want := map[bool]int{true: 3}[refuses]
			if n := b.Status().Totals; told != want || n.Rejected != uint64(want) || n.WouldReject != 0 {
				t.Errorf("%v: %d events, %+v, want %d", how, told, n, want)
			}
			told = 0
		}
	})
}

func counted(b *breaker.Breaker, fact string) float64 {
	for _, f := range b.Status().Counted {
		if f.Name == fact {
			return f.Value
		}
	}
	return -1
}

// Every way of settling a success counts it once, whatever else the call meets.
func TestEveryWayOfSettlingASuccessCountsItOnce(t *testing.T) {
	now := clock.Now
	for name, settle := range map[string]func(b *breaker.Breaker){
		"Do":       func(b *breaker.Breaker) { _ = b.Do(context.Background(), succeed) },
		"permit":   func(b *breaker.Breaker) { p := b.Allow(); p.Success(); p.Success(); p.Failure(errDown); p.Ignore() },
		"SettleAt": func(b *breaker.Breaker) { p := b.AllowAt(now()); p.SettleAt(now(), outcome.Success, nil) },
		"twice": func(b *breaker.Breaker) {
			p := b.AllowAt(now())
			p.SettleAt(now(), outcome.Success, nil)
			p.SettleAt(now(), outcome.Success, nil)
			p.SettleAt(now(), outcome.Ignored, nil)
		},
	} {
		for rule, cfg := range rulesOf {
			for _, listens := range []bool{false, true} {
				bus := telemetry.NewBus()
				told := 0
				if listens {
					_, _ = telemetry.Subscribe(bus, "t", func(_ context.Context, e breaker.CallExecuted) {
						if e.Outcome == outcome.Success {
							told++
						}
					})
				}
				b := mustNew(t, cfg, breaker.WithBus(bus))
				for range 19 {
					settle(b)
				}
				if n := b.Status().Totals; n != (breaker.Counts{Successes: 19}) || listens != (told == 19) || !listens && told != 0 {
					t.Errorf("%s under %s, listener %v: %+v, %d events", name, rule, listens, n, told)
				}
				if got := counted(b, "calls"); got != 19 && got != -1 {
					t.Errorf("%s under %s, listener %v: the window holds %v calls", name, rule, listens, got)
				}
			}
		}
	}
}

func TestSettleAtCountsEveryOutcomeAsWhatItIs(t *testing.T) {
	for rule, cfg := range rulesOf {
		b := mustNew(t, cfg)
		for _, o := range []outcome.Outcome{outcome.Success, outcome.Success, outcome.Failure, outcome.Failure, outcome.Ignored, outcome.Outcome(77)} {
			p := b.AllowAt(clock.Now())
			p.SettleAt(clock.Now(), o, nil)
		}
		if n := b.Status().Totals; n != (breaker.Counts{Successes: 2, Failures: 3, Ignored: 1}) { // an unknown one is a failure
			t.Errorf("%s: %+v", rule, n)
		}
		if got := counted(b, "calls"); got != 5 && got != -1 {
			t.Errorf("%s: the window holds %v calls", rule, got)
		}
	}
}

// Successes that were counted without a lock dilute the failures after them, also
// when each falls into a time of its own.
func TestSuccessesOfEveryTimeCountForTheRatio(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureRatio: 0.05, MinCalls: 20, Window: 100 * second})
		for range 19 {
			p := b.Allow()
			time.Sleep(2 * second)
			p.Success()
		}
		if got := counted(b, "calls"); got != 19 {
			t.Errorf("the window holds %v calls", got)
		}
		failures(b, 1) // one of twenty
		wantState(t, b, breaker.StateOpen)
	})
}

// Permits that do not admit, and those that were settled, count nothing.
func TestPermitsThatAreNotOKCountNothing(t *testing.T) {
	var none breaker.Permit
	none.SettleAt(clock.Now(), outcome.Success, nil)
	none.Success()
	none.Failure(errDown)
	none.SettleAt(clock.Now(), outcome.Failure, errDown)
	if none.OK() || none.Err() != nil || none.WouldRefuse() {
		t.Errorf("%+v", none)
	}
	b := mustNew(t, breaker.Config{})
	open(t, b)
	before := b.Status().Totals
	p := b.AllowAt(clock.Now())
	p.SettleAt(clock.Now(), outcome.Success, nil)
	p.Success()
	if n := b.Status().Totals; n.Successes != before.Successes || n.Failures != before.Failures {
		t.Errorf("%+v, %+v before", n, before)
	}
}

// A probe that a guard settles closes the breaker as any other.
func TestSettleAtDecidesAboutAProbe(t *testing.T) {
	for o, want := range map[outcome.Outcome]breaker.State{
		outcome.Success: breaker.StateClosed, outcome.Failure: breaker.StateOpen, outcome.Ignored: breaker.StateHalfOpen,
	} {
		bubble(t, func(t *testing.T) {
			b := halfOpen(t, breaker.Config{})
			p := b.AllowAt(clock.Now())
			p.SettleAt(clock.Now(), o, nil)
			wantState(t, b, want)
		})
	}
}

// The share of a ramp, or of injected refusals, is the same at the millionth call.
func TestSharesStayTrue(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	if err := b.InjectRefusals(0.3); err != nil {
		t.Fatal(err)
	}
	share := func(n int) int {
		refused := 0
		for range n {
			if p := b.AllowAt(1); !p.OK() {
				refused++
			}
		}
		return refused
	}
	for _, more := range []int{0, 1 << 20, 1 << 20} {
		share(more)
		if got := share(1000); got < 295 || got > 305 {
			t.Errorf("%d of 1000 calls are refused, not 300", got)
		}
	}
}

// The series that a breaker emits are those of its rules, with their values.
func TestCollectEmitsTheSeriesOfTheRulesInUse(t *testing.T) {
	always := []string{"calls_total", "rejections_total", "state", "state_seconds_total", "transitions_total"}
	for name, c := range map[string]struct {
		cfg  breaker.Config
		want map[string]float64
	}{
		"count":       {breaker.Config{FailureThreshold: 7}, map[string]float64{"failures": 2, "failure_threshold": 7}},
		"consecutive": {breaker.Config{ConsecutiveFailures: 9}, map[string]float64{"consecutive_failures": 2, "consecutive_failures_threshold": 9}},
		"ratio":       {breaker.Config{FailureRatio: 0.75}, map[string]float64{"failure_ratio": 0.5, "failure_ratio_threshold": 0.75}},
		"slow": {
			breaker.Config{SlowRatio: 0.6, SlowAfter: second}, map[string]float64{"slow_ratio": 0.25, "slow_ratio_threshold": 0.6},
		},
		"all": {
			breaker.Config{FailureThreshold: 7, ConsecutiveFailures: 9, FailureRatio: 0.75, SlowRatio: 0.6, SlowAfter: second},
			map[string]float64{
				"failures": 2, "failure_threshold": 7, "consecutive_failures": 2, "consecutive_failures_threshold": 9,
				"failure_ratio": 0.5, "failure_ratio_threshold": 0.75, "slow_ratio": 0.25, "slow_ratio_threshold": 0.6,
			},
		},
	} {
		bubble(t, func(t *testing.T) {
			b := mustNew(t, c.cfg)
			wantAdmitted(t, b)
			_ = b.Do(t.Context(), func(context.Context) error { time.Sleep(second); return nil })
			failures(b, 2)
			got := map[string]float64{}
			var others []string
			b.Collect(func(s telemetry.Sample) {
				short := strings.TrimPrefix(s.Desc.Name, "foundation_breaker_")
				if slices.Contains(always, short) {
					others = append(others, short)
					return
				}
				if _, twice := got[short]; twice || !slices.Equal(s.Labels, []string{"payments"}) {
					t.Errorf("%s: %s with labels %v, twice %v", name, short, s.Labels, twice)
				}
				got[short] = s.Value
			})
			slices.Sort(others)
			if !maps.Equal(got, c.want) || !slices.Equal(slices.Compact(others), always) {
				t.Errorf("%s: %v, want %v, and %v", name, got, c.want, others)
			}
		})
	}
}

// A member of a group costs little, however many processors there are: there may be
// thousands.
func TestMembersWithARatioAreSmall(t *testing.T) {
	if testkit.Race { // which makes everything bigger
		return
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	const members = 200
	g, err := breaker.NewGroup("hosts", breaker.Config{FailureRatio: 0.5}, members)
	if err != nil {
		t.Fatal(err)
	}
	before := heap()
	for i := range members {
		g.For(i)
	}
	if each := (heap() - before) / members; each > 6000 {
		t.Errorf("a member has %d bytes", each)
	}
	runtime.KeepAlive(g)
}

// heap is how many bytes are in use when everything that can go has gone.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What shadow mode would have refused is no probe, however it is settled: its success
// does not close a half-open breaker.
func TestASuccessThatWouldHaveBeenRefusedIsNoProbe(t *testing.T) {
	for name, settle := range map[string]func(*breaker.Permit){
		"Success":  (*breaker.Permit).Success,
		"SettleAt": func(p *breaker.Permit) { p.SettleAt(clock.Now(), outcome.Success, nil) },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: time.Second, Mode: mode.Shadow})
			p := b.Allow()
			p.Failure(nil)
			time.Sleep(2 * time.Second)
			probe, other := b.Allow(), b.Allow()
			if !other.WouldRefuse() {
				t.Fatal("two probes at once")
			}
			if settle(&other); b.State() != breaker.StateHalfOpen {
				t.Errorf("%s: %s", name, b.State())
			}
			if probe.Success(); b.State() != breaker.StateClosed {
				t.Errorf("%s: the probe did not close it: %s", name, b.State())
			}
		})
	}
}
