package breaker_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

func TestForcedClosedLetsEverythingThrough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: time.Minute}, breaker.WithBus(bus))
		open(t, b)
		seen := watch(t, bus)
		_ = b.Force(breaker.StateClosed, breaker.Override{Actor: "ada", Reason: "it is fine", For: 10 * second})
		failures(b, 20)
		wantState(t, b, breaker.StateClosed)
		time.Sleep(10 * second)
		wantState(t, b, breaker.StateOpen) // its cooldown went on below the override
		if got := time.Until(b.Status().RetryAt); got != 50*second {
			t.Errorf("retry in %v", got)
		}
		wantRefused(t, b)
		if got := time.Until(b.Status().RetryAt); got != 50*second {
			t.Errorf("retry in %v once noticed", got)
		}
		time.Sleep(50 * second)
		wantAdmitted(t, b)
		if got := edgesOf(*seen); got != "open→closed closed→open open→half-open half-open→closed " {
			t.Errorf("edges %s", got)
		}
		if e := (*seen)[0]; !e.Forced || e.Actor != "ada" || e.Reason != "it is fine" || e.Cause != "override" {
			t.Errorf("%+v", e)
		}
		if e := (*seen)[1]; e.Forced || e.Cause != "override_ended" || e.Actor != "ada" {
			t.Errorf("%+v", e)
		}
	})
}

func TestOverrideOverAProbeFreesItsPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second})
		open(t, b)
		time.Sleep(second)
		probe := b.Allow()
		_ = b.Force(breaker.StateClosed, breaker.Override{Actor: "ada"})
		wantAdmitted(t, b)
		b.Automatic("ada")
		wantState(t, b, breaker.StateHalfOpen)
		probe.Success() // from before the override
		wantState(t, b, breaker.StateHalfOpen)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
	})
}

func TestLaterOverrideReplacesTheEarlier(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "ada"})
	_ = b.Force(breaker.StateClosed, breaker.Override{Actor: "bob"})
	wantAdmitted(t, b)
	if o := b.Status().Override; o.Actor != "bob" || !o.Until.IsZero() {
		t.Errorf("%+v", o)
	}
	b.Automatic("cy")
	b.Automatic("cy")
	if b.Status().Override != nil {
		t.Error("still there")
	}
}

func TestOverridesNeedAnActorAndBounds(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	for _, o := range []breaker.Override{
		{}, {Actor: strings.Repeat("x", 257)}, {Actor: "ada", Reason: strings.Repeat("x", 1025)}, {Actor: "ada", For: -1},
	} {
		if err := b.Force(breaker.StateOpen, o); !errors.Is(err, fault.InvalidArgument) {
			t.Errorf("%.30v accepted: %v", o, err)
		}
	}
	wantAdmitted(t, b)
}

func TestScenario33f_IdenticalReconfigureIsANoOp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{FailureThreshold: 3}
		b := mustNew(t, cfg)
		failures(b, 2)
		before := b.Status()
		time.Sleep(0)
		for _, same := range []breaker.Config{cfg, b.Status().Config} {
			if err := b.Reconfigure(same); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.Status(); !reflect.DeepEqual(got, before) {
			t.Errorf("%+v\nbecame %+v", before, got)
		}
	})
}

func TestScenario33f_ThresholdEditWhileOpen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 3, Cooldown: 30 * second})
		open(t, b)
		time.Sleep(10 * second)
		if err := b.Reconfigure(breaker.Config{FailureThreshold: 100, Cooldown: second}); err != nil {
			t.Fatal(err)
		}
		f := wantRefused(t, b)
		if f.RetryAfter() != 20*second || b.Status().Revision != 2 {
			t.Errorf("retry after %v, revision %d", f.RetryAfter(), b.Status().Revision)
		}
		time.Sleep(20 * second)
		wantState(t, b, breaker.StateHalfOpen)
	})
}

func TestScenario02_FaultyReconfigureChangesNothing(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	failures(b, 2)
	before := b.Status()
	if err := b.Reconfigure(breaker.Config{Window: -1}); !errors.Is(err, fault.InvalidConfig) {
		t.Error(err)
	}
	if got := b.Status(); got.Revision != before.Revision || !reflect.DeepEqual(got.Config, before.Config) || got.Counted[0] != before.Counted[0] {
		t.Errorf("%+v", got)
	}
}

func TestWindowSurvivesChangesOfThresholdsAlone(t *testing.T) {
	count := breaker.Config{FailureThreshold: 4, Window: time.Minute}
	more := breaker.Config{FailureThreshold: 5, Window: time.Minute}
	longer := breaker.Config{FailureThreshold: 4, Window: 2 * time.Minute}
	share := breaker.Config{FailureRatio: 1, MinCalls: 4, Window: time.Minute}
	slow := breaker.Config{FailureRatio: 0.5, SlowRatio: 0.9, SlowAfter: second, MinCalls: 4, Window: time.Minute}
	wide := breaker.Config{FailureRatio: 1, MinCalls: 4, Window: 3 * time.Minute}
	both := breaker.Config{FailureThreshold: 4, FailureRatio: 1, MinCalls: 400, Window: time.Minute}
	row := breaker.Config{ConsecutiveFailures: 4}
	for name, c := range map[string]struct {
		way   []breaker.Config
		keeps bool
	}{
		"threshold":           {[]breaker.Config{more, count}, true},
		"ratio and calls":     {[]breaker.Config{slow, share}, true},
		"a rule beside":       {[]breaker.Config{count, both}, true},
		"consecutive":         {[]breaker.Config{row, {ConsecutiveFailures: 4, Cooldown: second}}, true},
		"consecutive, window": {[]breaker.Config{row, {ConsecutiveFailures: 4, Window: second}}, true},
		"window":              {[]breaker.Config{count, longer}, false},
		"ratio window":        {[]breaker.Config{share, wide}, false},
		"count → ratio":       {[]breaker.Config{count, share}, false},
		"ratio → count":       {[]breaker.Config{share, count}, false},
		"there and back":      {[]breaker.Config{count, share, count}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := mustNew(t, c.way[0])
				failures(b, 3)
				time.Sleep(5 * second)
				for _, cfg := range c.way[1:] {
					if err := b.Reconfigure(cfg); err != nil {
						t.Fatal(err)
					}
					wantState(t, b, breaker.StateClosed)
				}
				failures(b, 1)
				if opened := b.State() == breaker.StateOpen; opened != c.keeps {
					t.Errorf("open %v after the fourth failure, want %v", opened, c.keeps)
				}
				failures(b, 3)
				wantState(t, b, breaker.StateOpen)
			})
		})
	}
}

// What a change of the window empties are the counts alone.
func TestANewWindowKeepsTheState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: 10 * second})
		open(t, b)
		before := b.Status()
		_ = b.Reconfigure(breaker.Config{FailureRatio: 0.5, Window: time.Minute, Cooldown: second})
		if f := wantRefused(t, b); f.RetryAfter() != 10*second {
			t.Errorf("retry after %v", f.RetryAfter())
		}
		if s := b.Status(); s.Generation != before.Generation || s.Totals.Failures != before.Totals.Failures {
			t.Errorf("%+v\nbecame %+v", before, s)
		}
	})
}

func TestResultsInFlightCountAcrossAReconfigure(t *testing.T) {
	for name, cfg := range rulesOf {
		t.Run(name, func(t *testing.T) {
			b := mustNew(t, breaker.Config{FailureThreshold: 2})
			p, q := b.Allow(), b.Allow()
			cfg.FailureThreshold = 2
			if err := b.Reconfigure(cfg); err != nil {
				t.Fatal(err)
			}
			p.Failure(errDown)
			q.Failure(errDown)
			wantState(t, b, breaker.StateOpen)
		})
	}
}

func TestLoweredThresholdActsOnTheNextFailure(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 10})
	failures(b, 6)
	_ = b.Reconfigure(breaker.Config{FailureThreshold: 3})
	wantState(t, b, breaker.StateClosed)
	failures(b, 1)
	wantState(t, b, breaker.StateOpen)
}

func TestOffAndBackKeepsTheState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		on := breaker.Config{FailureThreshold: 1, Cooldown: 10 * second}
		off := on
		off.Mode = mode.Off
		b := mustNew(t, on)
		open(t, b)
		_ = b.Reconfigure(off)
		wantAdmitted(t, b)
		_ = b.Reconfigure(on)
		wantRefused(t, b)
		time.Sleep(10 * second)
		probe := b.Allow()
		_ = b.Reconfigure(off)
		_ = b.Reconfigure(on)
		probe.Failure(errDown) // of the time before: dropped, its place free
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
	})
}

func TestProbeCountsChangeLive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{FailureThreshold: 1, Cooldown: second, ProbeSuccesses: 3}
		b := mustNew(t, cfg)
		open(t, b)
		time.Sleep(second)
		first := b.Allow()
		wantRefused(t, b)
		cfg.Probes = 2
		_ = b.Reconfigure(cfg)
		second := b.Allow()
		if !second.OK() {
			t.Fatal("the new place is not given")
		}
		cfg.Probes, cfg.ProbeSuccesses = 1, 2
		_ = b.Reconfigure(cfg)
		wantRefused(t, b)
		first.Success()
		wantRefused(t, b) // one is in flight still
		second.Success()
		wantState(t, b, breaker.StateClosed)
	})
}

func TestLookTakesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 2, Cooldown: second})
		l := b.LookAt(clock.Now())
		if !l.OK() || l.Err() != nil || l.WouldRefuse() {
			t.Fatalf("%+v", l)
		}
		l.SettleAt(clock.Now(), outcome.Failure, errDown) // no worker could be made
		l.SettleAt(clock.Now(), outcome.Failure, errDown) // once
		wantState(t, b, breaker.StateClosed)
		for _, o := range []outcome.Outcome{outcome.Success, outcome.Ignored} { // says nothing: there was no call
			again := b.LookAt(clock.Now())
			again.SettleAt(clock.Now(), o, nil)
		}
		l = b.LookAt(clock.Now())
		l.Failure(errDown)
		if n := b.Status().Totals; n != (breaker.Counts{Failures: 2}) {
			t.Errorf("%+v", n)
		}
		wantState(t, b, breaker.StateOpen)
		if l = b.LookAt(clock.Now()); l.OK() || !errors.Is(l.Err(), fault.CircuitOpen) {
			t.Fatalf("%+v", l)
		}
		l.SettleAt(clock.Now(), outcome.Failure, errDown) // was refused: cannot have failed
		time.Sleep(second)
		for range 3 {
			if l = b.LookAt(clock.Now()); !l.OK() {
				t.Fatal("a look took the probe's place")
			}
		}
		stale := l
		l.SettleAt(clock.Now(), outcome.Failure, errDown) // a failed probe
		wantState(t, b, breaker.StateOpen)
		time.Sleep(second)
		stale.SettleAt(clock.Now(), outcome.Failure, errDown) // of an era that has ended
		wantState(t, b, breaker.StateHalfOpen)
		p := b.AllowAt(clock.Now())
		if l = b.LookAt(clock.Now()); l.OK() {
			t.Error("the probe's place is taken, but the look says yes")
		}
		p.SettleAt(clock.Now(), outcome.Success, nil)
		wantState(t, b, breaker.StateClosed)
	})
}

func TestLookInShadowMode(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 1, Mode: mode.Shadow})
	failures(b, 1)
	l := b.LookAt(clock.Now())
	if !l.OK() || !l.WouldRefuse() || l.Err() != nil || b.Status().Totals.WouldReject != 0 {
		t.Errorf("%+v", l)
	}
}

func TestSettleAtMeasuresTheCall(t *testing.T) {
	b := mustNew(t, breaker.Config{SlowRatio: 1, SlowAfter: second, MinCalls: 2})
	for _, start := range []clock.Instant{-5_000_000_000, 0} { // instants may be negative
		p := b.AllowAt(start)
		p.SettleAt(start.Add(second), outcome.Success, nil)
	}
	now := clock.Instant(1)
	p := b.AllowAt(now)
	p.SettleAt(now.Add(second), outcome.Success, nil)
	if b.Status().OpenedBy == nil {
		t.Error("slow calls were not seen")
	}
}

func samples(s telemetry.Source) map[string]float64 {
	out := map[string]float64{}
	s.Collect(func(s telemetry.Sample) {
		if len(s.Labels) != len(s.Desc.Labels) {
			panic(s.Desc.Name + " has labels that do not fit")
		}
		out[s.Desc.Name+"{"+strings.Join(s.Labels[1:], ",")+"}"] = s.Value
	})
	return out
}

func TestMetricsTellTheStory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 3, FailureRatio: 1, Cooldown: 10 * second})
		atFirst := samples(b)
		time.Sleep(5 * second)
		failures(b, 3)
		wantRefused(t, b)
		time.Sleep(25 * second) // ten open, fifteen half-open though nobody called
		_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "ada", For: 7 * second})
		time.Sleep(10 * second) // seven forced, three half-open
		got := samples(b)
		for name, want := range map[string]float64{
			"foundation_breaker_state{half_open}":                 1,
			"foundation_breaker_state{open}":                      0,
			"foundation_breaker_state_seconds_total{closed}":      5,
			"foundation_breaker_state_seconds_total{open}":        10,
			"foundation_breaker_state_seconds_total{half_open}":   18,
			"foundation_breaker_state_seconds_total{forced_open}": 7,
			"foundation_breaker_transitions_total{closed,open}":   1,
			"foundation_breaker_calls_total{failure}":             3,
			"foundation_breaker_rejections_total{enforce}":        1,
			"foundation_breaker_failure_threshold{}":              3,
			"foundation_breaker_failure_ratio_threshold{}":        1,
		} {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("%s is %v, want %v", name, v, want)
			}
		}
		for name := range got {
			if _, ok := atFirst[name]; !ok {
				t.Errorf("%s did not exist from the start", name)
			}
		}
		wantAdmitted(t, b)
		if again := samples(b); again["foundation_breaker_state_seconds_total{half_open}"] != 18 {
			t.Errorf("noticing the end of a state changed its time: %v", again)
		}
	})
}

func TestLookLeavesDrawsToThePermit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, Ramp: time.Hour})
		_ = b.InjectRefusals(1)
		if l := b.LookAt(clock.Now()); !l.OK() {
			t.Error("a look drew")
		}
		_ = b.InjectRefusals(0)
		open(t, b)
		_ = b.InjectRefusals(0.5)
		if l := b.LookAt(clock.Now()); l.OK() {
			t.Error("open, but the look says yes")
		}
		_ = b.InjectRefusals(0)
		time.Sleep(second)
		wantAdmitted(t, b)
		for range 50 {
			if l := b.LookAt(clock.Now()); !l.OK() {
				t.Error("a look drew in the ramp")
			}
		}
	})
}

func TestNamesInRecords(t *testing.T) {
	for want, v := range map[string]interface{ MarshalText() ([]byte, error) }{
		"closed": breaker.StateClosed, "open": breaker.StateOpen, "half-open": breaker.StateHalfOpen, "state(9)": breaker.State(9),
		"success": outcome.Success, "failure": outcome.Failure, "ignored": outcome.Ignored, "outcome(9)": outcome.Outcome(9),
	} {
		if got, err := v.MarshalText(); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", want, got, err)
		}
	}
}

// What a call that is in flight across a change of rules tells must count under
// the new ones also when it is good news, or the failures alone would decide.
func TestSuccessesInFlightCountAcrossAReconfigure(t *testing.T) {
	t.Run("ratio", func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1000})
		permits := make([]breaker.Permit, 100)
		for i := range permits {
			permits[i] = b.Allow()
		}
		_ = b.Reconfigure(breaker.Config{FailureRatio: 0.5, MinCalls: 10})
		for i := range permits {
			if i%5 == 0 {
				permits[i].Failure(errDown)
			} else {
				permits[i].Success()
			}
		}
		wantState(t, b, breaker.StateClosed) // a fifth failed
	})
	t.Run("consecutive", func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1000})
		p := b.Allow()
		_ = b.Reconfigure(breaker.Config{FailureThreshold: 1000, ConsecutiveFailures: 2})
		failures(b, 1)
		p.Success()
		failures(b, 1)
		wantState(t, b, breaker.StateClosed)
	})
}

// A caller that never comes to its permit, because no worker can be made, meets
// an override that is over only in its looks; its failures must count all the same.
func TestFailuresOfLooksCountAfterAnOverride(t *testing.T) {
	for _, forced := range []breaker.State{breaker.StateOpen, breaker.StateClosed} {
		t.Run(forced.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := mustNew(t, breaker.Config{FailureThreshold: 2})
				_ = b.Force(forced, breaker.Override{Actor: "ada", For: second})
				during := b.LookAt(clock.Now())
				time.Sleep(second)
				during.SettleAt(clock.Now(), outcome.Failure, errDown) // of the override's time
				for range 2 {
					wantState(t, b, breaker.StateClosed)
					l := b.LookAt(clock.Now())
					l.SettleAt(clock.Now(), outcome.Failure, errDown)
				}
				wantState(t, b, breaker.StateOpen)
			})
		})
	}
}

func TestStatusCountsOnlyProbesWhoseLeaseHolds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, ProbeLease: second})
		open(t, b)
		time.Sleep(second)
		b.Allow()
		if s := b.Status(); s.ProbesInFlight != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(second)
		if s := b.Status(); s.ProbesInFlight != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSinceOfABreakerThatIsSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{FailureThreshold: 1, Cooldown: second}
		b := mustNew(t, cfg)
		open(t, b)
		for _, wait := range []time.Duration{second / 2, second} { // the cooldown ends while off
			time.Sleep(wait)
			cfg.Mode = mode.Off
			_ = b.Reconfigure(cfg)
			off := time.Now()
			time.Sleep(second)
			if s := b.Status(); !s.Since.Equal(off) || s.State != breaker.StateClosed {
				t.Errorf("%v since %v, want closed since %v", s.State, s.Since, off)
			}
			cfg.Mode = mode.Enforce
			_ = b.Reconfigure(cfg)
		}
	})
}

func TestARefusedLookCountsNoFailure(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 1})
	open(t, b)
	l := b.LookAt(clock.Now())
	l.SettleAt(clock.Now(), outcome.Failure, errDown)
	if got := b.Status().Totals; got.Failures != 1 {
		t.Errorf("%+v", got)
	}
}

func TestResetForgetsTheKindsOfErrors(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	failures(b, 1)
	b.Reset("ada")
	if got := b.Status().LastErrors; len(got) != 0 {
		t.Errorf("%v", got)
	}
}

func TestHalfOpenBeganWhenTheCooldownEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second})
		open(t, b)
		time.Sleep(3 * second)
		unnoticed := b.Status()
		b.Allow()
		if noticed := b.Status(); !noticed.Since.Equal(unnoticed.Since) || time.Since(noticed.Since) != 2*second {
			t.Errorf("since %v, noticed since %v", unnoticed.Since, noticed.Since)
		}
		if got := samples(b); got["foundation_breaker_state_seconds_total{half_open}"] != 2 || got["foundation_breaker_state_seconds_total{open}"] != 1 {
			t.Errorf("%v", got)
		}
	})
}

func TestOffIsClosedInMetricsAndInjectsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1})
		open(t, b)
		_ = b.InjectRefusals(1)
		_ = b.Reconfigure(breaker.Config{FailureThreshold: 1, Mode: mode.Off})
		wantAdmitted(t, b)
		time.Sleep(second)
		if got := samples(b); got["foundation_breaker_state{closed}"] != 1 || got["foundation_breaker_state_seconds_total{closed}"] != 1 {
			t.Errorf("%v", got)
		}
	})
}
