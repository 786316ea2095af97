package guard_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

// What a token tells of the rate limit is no receipt, and ends with the outcome.
func TestToken_Quota(t *testing.T) {
	limit := newLimit(t, 3)
	g := newGuard(t, guard.Config{RateLimit: limit})
	tok := must(g.Enter(t.Context(), guard.Call{Cost: 2}))
	if q, ok := tok.Quota(); !ok || q.Rule != limit.Name() || q.Limit != 3 || q.Remaining != 1 || q.Window <= 0 || q.ResetAfter <= 0 {
		t.Errorf("%+v, %v", q, ok)
	}
	if n := testing.AllocsPerRun(100, func() { tok.Quota() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	tok.Done(nil)
	if _, ok := tok.Quota(); ok {
		t.Error("an ended token tells a quota")
	}
	if _, ok := new(guard.Token).Quota(); ok {
		t.Error("the zero token tells a quota")
	}
	bare := must(newGuard(t, guard.Config{}).Enter(t.Context(), guard.Call{}))
	defer bare.Close()
	if _, ok := bare.Quota(); ok {
		t.Error("a guard without a rate limit tells a quota")
	}
}

// Deciding tells the breaker, whose listeners may take their time: who closes the
// token meanwhile is heard.
func TestATokenThatIsClosedWhileItIsDecidedEnds(t *testing.T) {
	bus := telemetry.NewBus()
	b := must(breaker.New("payments", breaker.Config{}, breaker.WithBus(bus)))
	g := newGuard(t, guard.Config{Concurrency: 1, Breaker: b})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	must(telemetry.Subscribe(bus, "test", func(context.Context, breaker.CallExecuted) { tok.Close() }))
	tok.Settle(outcome.Success, nil)
	if s := g.Status(); s.SlotsTaken != 0 || s.InFlight != 0 || s.Results[guard.Succeeded] != 1 {
		t.Errorf("%d slots are taken, %d calls in flight, results %v", s.SlotsTaken, s.InFlight, s.Results)
	}
}

func TestATokenEndsOnceWhoeverEndsIt(t *testing.T) {
	b := newBreaker(t, breaker.Config{})
	g := newGuard(t, guard.Config{Concurrency: 2, Breaker: b})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	copied := tok
	tok.Done(nil)
	copied.Done(errDown)
	copied.Settle(outcome.Failure, nil)
	tok.Close()
	s := g.Status()
	if s.Results[guard.Succeeded] != 1 || s.Results[guard.Failed] != 0 || s.SlotsTaken != 0 || s.InFlight != 0 {
		t.Errorf("status %+v", s)
	}
	if n := b.Status().Totals; n.Successes != 1 || n.Failures != 0 {
		t.Errorf("breaker %+v", n)
	}
}

// The place of a token is used again by later ones: an old copy must not touch
// them.
func TestAnOldTokenHasNoEffectOnItsSuccessors(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 1})
	old := must(g.Enter(t.Context(), guard.Call{}))
	old.Done(nil)
	young := must(g.Enter(t.Context(), guard.Call{}))
	old.Close()
	old.Done(errDown)
	old.Settle(outcome.Failure, nil)
	if s := g.Status(); s.InFlight != 1 || s.SlotsTaken != 1 {
		t.Errorf("%d in flight, %d slots taken", s.InFlight, s.SlotsTaken)
	}
	young.Done(nil)
}

func TestCloseWithoutDoneIsAFailure(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 1})
	g := newGuard(t, guard.Config{Breaker: b})
	must(g.Enter(t.Context(), guard.Call{})).Close()
	if b.State() != breaker.StateOpen || g.Status().Results[guard.Failed] != 1 {
		t.Errorf("breaker %v, results %v", b.State(), g.Status().Results)
	}
}

func TestSettleSettlesTheOutcomeAndKeepsThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{})
		g := newGuard(t, guard.Config{Concurrency: 1, Breaker: b})
		tok := must(g.Enter(t.Context(), guard.Call{}))
		tok.Settle(outcome.Success, nil)
		tok.Settle(outcome.Ignored, nil)
		time.Sleep(time.Hour) // a settled token has no lease
		s := g.Status()
		if s.Results[guard.Succeeded] != 1 || s.InFlight != 1 || s.SlotsTaken != 1 || b.Status().Totals.Successes != 1 {
			t.Errorf("settled: %+v", s)
		}
		wantCode(t, g.Do(t.Context(), succeed), fault.ConcurrencyLimited)
		tok.Close()
		s = g.Status()
		if s.InFlight != 0 || s.SlotsTaken != 0 || s.Results[guard.Failed] != 0 {
			t.Errorf("closed: %+v", s)
		}
	})
}

func TestAForgottenTokenIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		bus := telemetry.NewBus()
		lost := 0
		must(telemetry.Subscribe(bus, "test", func(_ context.Context, e guard.LeasesExpired) { lost += e.Count }))
		b := newBreaker(t, breaker.Config{FailureThreshold: 5})
		g := newGuard(t, guard.Config{Concurrency: 2, Timeout: 20 * time.Second, Breaker: b},
			guard.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), guard.WithBus(bus))
		forgotten := must(g.Enter(context.Background(), guard.Call{}))
		time.Sleep(30 * time.Second)
		kept := must(g.Enter(t.Context(), guard.Call{}))
		time.Sleep(10*time.Second - 1)
		wantCode(t, g.Do(t.Context(), succeed), fault.ConcurrencyLimited)
		wait(1) // twice the timeout
		if err := g.Do(t.Context(), succeed); err != nil {
			t.Errorf("the place of a lost token is not free: %v", err)
		}
		forgotten.Done(nil)
		s := g.Status()
		if s.LeasesExpired != 1 || lost != 1 || s.Results[guard.Failed] != 1 || s.InFlight != 1 || b.Status().Totals.Failures != 1 {
			t.Errorf("%d events, status %+v", lost, s)
		}
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "guard=checkout") {
			t.Errorf("log %q", log.String())
		}
		kept.Done(nil)
		if g.Status().LeasesExpired != 1 {
			t.Error("a token that was closed in time counts as lost")
		}
	})
}

func TestLeasesAreChosenByTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{})
		long := must(g.Enter(t.Context(), guard.Call{Lease: time.Hour}))
		forEver := must(g.Enter(t.Context(), guard.Call{Lease: -1}))
		must(g.Enter(t.Context(), guard.Call{}))
		for _, step := range []struct {
			after time.Duration
			lost  uint64
		}{{29 * time.Second, 0}, {time.Second, 1}, {time.Hour - 31*time.Second, 1}, {time.Second, 2}, {1000 * time.Hour, 2}} {
			wait(step.after)
			if got := g.Status().LeasesExpired; got != step.lost {
				t.Errorf("%d leases expired, want %d", got, step.lost)
			}
		}
		long.Done(nil)
		forEver.Done(nil)
		if s := g.Status(); s.InFlight != 0 || s.Results[guard.Succeeded] != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestATokensContextHasTheDeadlineUnlessUntimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for _, tc := range []struct {
			name     string
			cfg      guard.Config
			ctx      context.Context
			call     guard.Call
			deadline bool
			timeout  time.Duration
		}{
			{"no limit", guard.Config{}, t.Context(), guard.Call{}, false, 0},
			{"a limit", guard.Config{Timeout: time.Second}, t.Context(), guard.Call{}, true, 0},
			{"untimed", guard.Config{Timeout: time.Second}, t.Context(), guard.Call{Untimed: true}, false, time.Second},
			{"untimed, with an earlier deadline", guard.Config{Timeout: time.Second}, short, guard.Call{Untimed: true}, true, 0},
			{"shadow", guard.Config{Timeout: time.Second, Mode: mode.Shadow}, t.Context(), guard.Call{Untimed: true}, false, 0},
		} {
			tok := must(newGuard(t, tc.cfg).Enter(tc.ctx, tc.call))
			if _, ok := tok.Context().Deadline(); ok != tc.deadline || tok.Timeout() != tc.timeout {
				t.Errorf("%s: deadline %v, Timeout %v", tc.name, ok, tok.Timeout())
			}
			tok.Done(nil)
		}
	})
}

func TestTheZeroTokenHasEnded(t *testing.T) {
	var tok guard.Token
	tok.Done(nil)
	tok.Settle(outcome.Success, nil)
	tok.Close()
	if tok.Context() == nil || tok.Timeout() != 0 {
		t.Error("the zero Token has no context, or a limit")
	}
}

func TestDoneJudgesAsDoDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Second})
		ctx, cancel := context.WithCancel(t.Context())
		tok := must(g.Enter(ctx, guard.Call{}))
		cancel()
		tok.Done(tok.Context().Err())
		late := must(g.Enter(t.Context(), guard.Call{}))
		<-late.Context().Done()
		late.Done(late.Context().Err())
		told := must(g.Enter(t.Context(), guard.Call{}))
		told.Settle(outcome.Failure, fault.New(fault.Spec{Code: fault.CallTimeout}))
		told.Close()
		s := g.Status()
		if s.Results[guard.CallerLeft] != 1 || s.Results[guard.TimedOut] != 2 {
			t.Errorf("results %v", s.Results)
		}
	})
}
