package breaker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
)

// The pages docs/coming-from-*.md say where a test of a peer would find another answer
// here. These are the answers.

func TestComingFrom_Defaults(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{})
		failures(b, 4)
		wantState(t, b, breaker.StateClosed)
		failures(b, 1)
		time.Sleep(30*second - 1)
		wantState(t, b, breaker.StateOpen)
		time.Sleep(1)
		wantState(t, b, breaker.StateHalfOpen)
	})
	if _, err := breaker.New("", breaker.Config{Window: -1, Cooldown: -1}); err == nil {
		t.Error("an empty name is legal")
	} else if f, ok := errors.AsType[*fault.Error](err); !ok || len(f.Problems()) != 3 {
		t.Errorf("not all at once: %v", err)
	}
	if breaker.StateOpen != 1 || breaker.StateHalfOpen != 2 || breaker.State(100).String() != "state(100)" {
		t.Error("the numbers of the states")
	}
}

func TestComingFrom_CallsAreCountedWhenTheyEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, FailureRatio: 0.5, MinCalls: 1000, Window: second, Cooldown: second})
		long := b.Allow()
		if n := b.Status().Totals; n != (breaker.Counts{}) {
			t.Errorf("a call that runs is counted: %+v", n)
		}
		time.Sleep(10 * second) // it outlasts the window
		long.Failure(errDown)
		s := b.Status()
		if s.State != breaker.StateOpen || len(s.Counted) != 0 || len(s.OpenedBy) == 0 || s.Totals.Failures != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestComingFrom_PlacesOfProbesAreUsedAgain(t *testing.T) {
	for probes, again := range map[int]bool{3: true, 1: false} {
		bubble(t, func(t *testing.T) {
			b := halfOpen(t, breaker.Config{Probes: probes, ProbeSuccesses: 3})
			wantAdmitted(t, b)
			wantAdmitted(t, b)
			running := b.Allow()
			next := b.Allow()
			if !running.OK() || next.OK() != again {
				t.Errorf("%d probes: a call beside the third probe is admitted: %v", probes, next.OK())
			}
			if s := b.Status(); !s.RetryAt.IsZero() || s.State != breaker.StateHalfOpen {
				t.Errorf("%+v", s)
			}
			if f, ok := errors.AsType[*fault.Error](next.Err()); !again && (!ok || f.RetryAfter() <= 0) {
				t.Errorf("refused without a time: %v", next.Err())
			}
		})
	}
}

func TestComingFrom_AForcedStateStandsStill(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{Cooldown: second})
		if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "ada"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		wantRefused(t, b)
	})
}

// What a ReadyToTrip function decides, decides a rule at the same call.
func TestComingFrom_ReadyToTripAsRules(t *testing.T) {
	for _, c := range []struct {
		cfg   breaker.Config
		calls string // s: success, f: failure
	}{
		{breaker.Config{ConsecutiveFailures: 6}, "sffffff"},
		{breaker.Config{FailureThreshold: 10, Window: time.Minute}, "fsfsfsfsfsfsfsfsfsf"},
		{breaker.Config{FailureRatio: 0.6, MinCalls: 3}, "fsf"},
		{breaker.Config{ConsecutiveFailures: 6, FailureRatio: 0.5}, "ffffff"},
	} {
		bubble(t, func(t *testing.T) {
			b := mustNew(t, c.cfg)
			for i, call := range c.calls {
				if state := b.State(); state != breaker.StateClosed {
					t.Errorf("%+v: %v before call %d of %s", c.cfg, state, i+1, c.calls)
				}
				p := b.Allow()
				if call == 's' {
					p.Success()
				} else {
					p.Failure(errDown)
				}
			}
			wantState(t, b, breaker.StateOpen)
		})
	}
}

func TestComingFrom_NamesAndWindowsAreBounded(t *testing.T) {
	for name, legal := range map[string]bool{"orders": true, "Orders in the shop": true, "": false} {
		if _, err := breaker.New(name, breaker.Config{}); (err == nil) != legal {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	for window, legal := range map[time.Duration]bool{24 * time.Hour: true, 24*time.Hour + 1: false} {
		if _, err := breaker.New("b", breaker.Config{Window: window}); (err == nil) != legal {
			t.Errorf("the window %v: %v", window, err)
		}
	}
}
