package breaker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
)

// A place that is lost while there are fewer places than before is not given again,
// and the answer to those who are refused is as new as the loss.
func TestALostPlaceAboveALoweredNumberIsGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{FailureThreshold: 1, Cooldown: second, Probes: 2, ProbeSuccesses: 3, ProbeLease: 10 * second}
		b := mustNew(t, cfg)
		open(t, b)
		time.Sleep(second)
		b.Allow() // until the 11th second
		time.Sleep(5 * second)
		b.Allow() // until the 16th
		cfg.Probes = 1
		if err := b.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * second)
		for range 2 {
			f := wantRefused(t, b)
			if f.Evidence()[0] != fault.Against("probes_in_flight", 1, 1, "") || f.RetryAfter() != second {
				t.Errorf("%v, retry in %v", f.Evidence(), f.RetryAfter())
			}
		}
		time.Sleep(5 * second)
		wantAdmitted(t, b)
	})
}

// What probes of an earlier half-open state held is not held in a later one.
func TestPlacesOfAnEarlierHalfOpenStateAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{Probes: 2, ProbeSuccesses: 3, ProbeLease: 10 * second})
		failed := b.Allow()
		b.Allow() // never settled
		failed.Failure(errDown)
		time.Sleep(time.Until(b.Status().RetryAt))
		for taken := range 2 {
			if p := b.Allow(); !p.OK() || b.Status().ProbesInFlight != taken+1 {
				t.Fatalf("place %d: %v, %d in flight", taken+1, p.Err(), b.Status().ProbesInFlight)
			}
		}
		time.Sleep(9 * second) // the lease of the earlier one is over, those of the present are not
		wantRefused(t, b)
		if n := b.Status().ProbesInFlight; n != 2 {
			t.Errorf("%d probes in flight", n)
		}
	})
}

// A probe that ends gives back its own place, whichever was taken first.
func TestAProbeGivesBackItsOwnPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{Probes: 3, ProbeSuccesses: 3, ProbeLease: 10 * second})
		first := b.Allow()
		time.Sleep(5 * second)
		later := b.Allow()
		later.Success()
		if s := b.Status(); s.ProbesInFlight != 1 || s.ProbeSuccesses != 1 {
			t.Errorf("%d in flight, %d successes", s.ProbesInFlight, s.ProbeSuccesses)
		}
		time.Sleep(6 * second)
		if n := b.Status().ProbesInFlight; n != 0 {
			t.Errorf("%d in flight, though the lease is over", n)
		}
		first.Success() // too late
		if n := b.Status().ProbeSuccesses; n != 1 {
			t.Errorf("%d successes", n)
		}
	})
}

// A look that would be refused in shadow mode is of a call that enforcement would not
// make: however that ends, it counts nothing.
func TestARefusedLookInShadowModeCountsNothing(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 1, Mode: mode.Shadow})
	open(t, b)
	before := b.Status().Totals
	for _, settle := range []func(*breaker.Permit){
		func(l *breaker.Permit) { l.Success() },
		func(l *breaker.Permit) { l.Ignore() },
		func(l *breaker.Permit) { l.Failure(errDown) },
		func(l *breaker.Permit) { l.SettleAt(clock.Now(), outcome.Success, nil) },
		func(l *breaker.Permit) { l.SettleAt(clock.Now(), outcome.Failure, errDown) },
	} {
		l := b.LookAt(clock.Now())
		if !l.OK() || !l.WouldRefuse() {
			t.Fatalf("OK %v, would refuse %v", l.OK(), l.WouldRefuse())
		}
		settle(&l)
		if got := b.Status().Totals; got != before {
			t.Errorf("%+v, before %+v", got, before)
		}
	}
}

// A look says nothing but by a failure, in whatever way it is settled.
func TestALookThatIsNoFailureCountsNothing(t *testing.T) {
	for how, cfg := range map[string]breaker.Config{"enforce": {}, "off": {Mode: mode.Off}, "slow": {SlowRatio: 1, SlowAfter: second}} {
		b := mustNew(t, cfg)
		for _, settle := range []func(*breaker.Permit){(*breaker.Permit).Success, (*breaker.Permit).Ignore} {
			l := b.LookAt(clock.Now())
			settle(&l)
		}
		if got := b.Status().Totals; got != (breaker.Counts{}) {
			t.Errorf("%s: %+v", how, got)
		}
	}
}

// What shadow mode would have refused tells the machine nothing, neither by its end
// nor by a failure that revokes its success.
func TestCallsThatShadowModeWouldRefuseDecideNothing(t *testing.T) {
	for name, settle := range map[string]func(*breaker.Permit){
		"failure":  func(p *breaker.Permit) { p.Failure(errDown) },
		"SettleAt": func(p *breaker.Permit) { p.SettleAt(clock.Now(), outcome.Failure, errDown) },
		"revoked":  func(p *breaker.Permit) { p.Success(); revoke(p) },
		"success":  func(p *breaker.Permit) { p.Success() },
	} {
		bubble(t, func(t *testing.T) {
			b := halfOpen(t, breaker.Config{Mode: mode.Shadow})
			probe, other := b.Allow(), b.Allow()
			if probe.WouldRefuse() || !other.WouldRefuse() {
				t.Fatalf("%s: the probe would be refused: %v, the other call: %v", name, probe.WouldRefuse(), other.WouldRefuse())
			}
			kinds := len(b.Status().LastErrors)
			settle(&other)
			if s := b.Status(); s.State != breaker.StateHalfOpen || s.ProbesInFlight != 1 || len(s.LastErrors) != kinds {
				t.Errorf("%s: %+v", name, s)
			}
			probe.Success()
			wantState(t, b, breaker.StateClosed)
		})
	}
}

// A probe that fails long after the cooldown ended is a failed probe still: the
// cooldown grows.
func TestALateProbeThatFailsGrowsTheCooldown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{CooldownGrowth: 2})
		time.Sleep(time.Hour)
		p := b.Allow()
		time.Sleep(10 * second)
		p.Failure(errDown)
		if got := time.Until(b.Status().RetryAt); got != 2*second {
			t.Errorf("cooldown %v", got)
		}
	})
}

func TestOverridesAtTheirBoundsAreAccepted(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	o := breaker.Override{Actor: strings.Repeat("x", 256), Reason: strings.Repeat("x", 1024)}
	if err := b.Force(breaker.StateOpen, o); err != nil || b.Status().Override == nil {
		t.Errorf("%v, %+v", err, b.Status().Override)
	}
}
