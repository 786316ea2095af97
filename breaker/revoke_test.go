package breaker_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

var errBroken = errors.New("the body broke off")

func revoke(p *breaker.Permit) { p.SettleAt(clock.Now(), outcome.Failure, errBroken) }

func TestAFailureRevokesASuccess(t *testing.T) {
	for name, c := range map[string]struct {
		before func(*breaker.Breaker, *breaker.Permit)
		mode   mode.Mode
		opens  bool
		totals breaker.Counts
	}{
		"a success":        {func(_ *breaker.Breaker, p *breaker.Permit) { p.Success() }, mode.Enforce, true, breaker.Counts{Failures: 1}},
		"not settled":      {func(*breaker.Breaker, *breaker.Permit) {}, mode.Enforce, true, breaker.Counts{Failures: 1}},
		"a failure":        {func(_ *breaker.Breaker, p *breaker.Permit) { p.Failure(nil) }, mode.Enforce, true, breaker.Counts{Failures: 1}},
		"an ignored call":  {func(_ *breaker.Breaker, p *breaker.Permit) { p.Ignore() }, mode.Enforce, false, breaker.Counts{Ignored: 1}},
		"another state":    {func(b *breaker.Breaker, p *breaker.Permit) { p.Success(); b.Reset("test") }, mode.Enforce, false, breaker.Counts{Failures: 1}},
		"a breaker is off": {func(_ *breaker.Breaker, p *breaker.Permit) { p.Success() }, mode.Off, false, breaker.Counts{Failures: 1}},
		"shadow mode":      {func(_ *breaker.Breaker, p *breaker.Permit) { p.Success() }, mode.Shadow, true, breaker.Counts{Failures: 1}},
	} {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Window: time.Minute, Mode: c.mode})
		p := b.Allow()
		c.before(b, &p)
		revoke(&p)
		revoke(&p) // once
		p.SettleAt(clock.Now(), outcome.Success, nil)
		if got := b.State() == breaker.StateOpen; got != c.opens || b.Status().Totals != c.totals {
			t.Errorf("%s: open %v, want %v, %+v", name, got, c.opens, b.Status().Totals)
		}
	}
	var zero breaker.Permit
	revoke(&zero)
}

// Every way of counting a success can be taken back: without a lock, in a member of a
// group, where no run of failures is to be ended, during a ramp.
func TestARevokedSuccessOpensHoweverItWasCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{FailureThreshold: 1}
		g, err := breaker.NewGroup("hosts", cfg, 0)
		if err != nil {
			t.Fatal(err)
		}
		row, ratio := cfg, cfg
		row.ConsecutiveFailures, ratio.FailureRatio = 7, 1
		bus := telemetry.NewBus()
		seen := watch(t, bus)
		for name, b := range map[string]*breaker.Breaker{
			"told": mustNew(t, cfg, breaker.WithBus(bus)), "alone": mustNew(t, cfg), "member": g.For("a"), "consecutive": mustNew(t, row), "ratio": mustNew(t, ratio),
		} {
			p := b.Allow()
			p.Success()
			revoke(&p)
			if b.State() != breaker.StateOpen {
				t.Errorf("%s: %v", name, b.State())
			}
		}
		if got := edgesOf(*seen); got != "closed→open " {
			t.Errorf("told of %q", got)
		}
	})
}

// A success that was in flight while the window was changed counts in the new one, and
// is taken back from there.
func TestASuccessCountsInTheWindowOfItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureRatio: 1, MinCalls: 100, Window: 10 * second})
		p := b.Allow()
		if err := b.Reconfigure(breaker.Config{FailureRatio: 1, MinCalls: 100, Window: 20 * second}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * second)
		p.Success()
		if got := counted(b, "calls"); got != 1 {
			t.Errorf("the window holds %v calls", got)
		}
		revoke(&p)
		if calls, share := counted(b, "calls"), counted(b, "failure_ratio"); calls != 1 || share != 1 {
			t.Errorf("the window holds %v calls, %v of them failed", calls, share)
		}
	})
}

// The net of a deferred Failure must not revoke the success that it stands behind.
func TestANetRevokesNothing(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 1})
	func() {
		p := b.Allow()
		defer p.Failure(nil)
		p.Success()
	}()
	if got := b.Status().Totals; got != (breaker.Counts{Successes: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestARevokedSuccessIsOneCallOfTheWindow(t *testing.T) {
	for rule, cfg := range rulesOf {
		for _, late := range []time.Duration{0, time.Millisecond, 5 * second} {
			bubble(t, func(t *testing.T) {
				b := mustNew(t, cfg)
				for range 2 {
					p := b.Allow()
					time.Sleep(time.Millisecond)
					p.SettleAt(clock.Now(), outcome.Success, nil)
					time.Sleep(late)
					var elsewhere sync.WaitGroup // and so perhaps in another lane
					elsewhere.Go(func() { revoke(&p) })
					elsewhere.Wait()
				}
				if n := b.Status().Totals; n != (breaker.Counts{Failures: 2}) {
					t.Errorf("%s after %v: %+v", rule, late, n)
				}
				for fact, want := range map[string]float64{"calls": 2, "failures": 2, "consecutive_failures": 1 /* the success between ended the run */, "failure_ratio": 1} {
					if got := counted(b, fact); got != want && got != -1 {
						t.Errorf("%s after %v: %s %v, want %v", rule, late, fact, got, want)
					}
				}
			})
		}
	}
}

// What a call was counted in may be gone when it is revoked: nothing is taken from
// what took its place.
func TestARevokedSuccessOfAnEarlierWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{FailureRatio: 1, MinCalls: 100, Window: 10 * second}
		b := mustNew(t, cfg)
		p := b.Allow()
		p.Success()
		cfg.Window = 20 * second
		_ = b.Reconfigure(cfg)
		revoke(&p)
		if got := counted(b, "calls"); got != 1 {
			t.Errorf("the new window holds %v calls", got)
		}
		again := b.Allow()
		again.Success()
		time.Sleep(time.Minute)
		revoke(&again)
		if got := counted(b, "calls"); got != 1 {
			t.Errorf("the window holds %v calls", got)
		}
	})
}

func TestARevokedProbeOpensAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{ProbeSuccesses: 2})
		p := b.Allow()
		p.Success()
		wantState(t, b, breaker.StateHalfOpen)
		revoke(&p)
		wantState(t, b, breaker.StateOpen)
	})
}

// The result of a probe whose lease was over was dropped, and so is what revokes it.
func TestALateProbeRevokesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{ProbeSuccesses: 2, ProbeLease: second})
		p := b.Allow()
		time.Sleep(2 * second)
		p.Success()
		revoke(&p)
		wantState(t, b, breaker.StateHalfOpen)
	})
}

// A counter that falls reads as a restart.
func TestTheSuccessesOfMetricsNeverFall(t *testing.T) {
	g, err := breaker.NewGroup("hosts", breaker.Config{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := g.ForKey(key.Of("a"))
	shown := func() (n float64) {
		g.Collect(func(s telemetry.Sample) {
			if s.Desc.Name == "foundation_breaker_calls_total" && s.Labels[1] == "success" {
				n = s.Value
			}
		})
		return n
	}
	var kept []*breaker.Permit
	for range 3 {
		p := b.Allow()
		p.Success()
		kept = append(kept, &p)
	}
	if got := shown(); got != 3 {
		t.Errorf("%v successes", got)
	}
	revoke(kept[0])
	if got := shown(); got != 3 || b.Status().Totals != (breaker.Counts{Successes: 2, Failures: 1}) || g.Status().Totals != b.Status().Totals {
		t.Errorf("%v successes, %+v, %+v", got, b.Status().Totals, g.Status().Totals)
	}
	for range 2 {
		p := b.Allow()
		p.Success()
	}
	if got := shown(); got != 4 {
		t.Errorf("%v successes", got)
	}
}

func TestOnlyOpenAndClosedCanBeForced(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	for _, s := range []breaker.State{breaker.StateHalfOpen, 77} {
		if err := b.Force(s, breaker.Override{Actor: "ada"}); err == nil || b.Status().Override != nil {
			t.Errorf("%v: %v, %+v", s, err, b.Status().Override)
		}
	}
}
