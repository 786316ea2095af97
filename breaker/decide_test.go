package breaker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
)

// slowly makes a call that succeeds after slow_after.
func slowly(b *breaker.Breaker) { calls(b, "S") }

// The jitter is for every opening, also for one by slow calls.
func TestJitterLengthensTheCooldownOfSlowCallsToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		longer := 0
		for range 20 {
			b := mustNew(t, breaker.Config{SlowRatio: 1, SlowAfter: second, MinCalls: 1, Cooldown: time.Minute, Jitter: 1})
			slowly(b)
			if time.Until(b.Status().RetryAt) > time.Minute {
				longer++
			}
		}
		if longer == 0 {
			t.Error("twenty cooldowns without a jitter")
		}
	})
}

// A slow success is judged by the rule of slow calls alone, also where a lowered
// threshold is reached already.
func TestASlowSuccessIsNoFailureUnderALoweredThreshold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{FailureThreshold: 10, SlowRatio: 1, SlowAfter: second, MinCalls: 2, Window: time.Minute}
		b := mustNew(t, cfg)
		failures(b, 6)
		cfg.FailureThreshold = 3
		if err := b.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		slowly(b)
		wantState(t, b, breaker.StateClosed)
		failures(b, 1)
		wantState(t, b, breaker.StateOpen)
	})
}

// Failures that are not slow are none of the business of the rule of slow calls.
func TestFastFailuresDoNotTripTheRuleOfSlowCalls(t *testing.T) {
	b := mustNew(t, breaker.Config{SlowRatio: 0.5, SlowAfter: time.Hour, MinCalls: 2})
	failures(b, 10)
	wantState(t, b, breaker.StateClosed)
}

// Why a breaker opened is told by the counts that decided, in errors and in the status.
func TestTheEvidenceOfEveryRule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			cfg  breaker.Config
			open func(*breaker.Breaker)
			want []fault.Fact // of the opening; the refusals also tell of the probes
			more []fault.Fact
		}{
			"ratio": {
				breaker.Config{FailureRatio: 0.5, MinCalls: 4},
				func(b *breaker.Breaker) { calls(b, "sfff") },
				[]fault.Fact{
					fault.Against("failure_ratio", 0.75, 0.5, "ratio"), fault.Against("calls", 4, 4, ""),
					fault.Measure("window", 10, "seconds"), fault.Measure("config_revision", 1, ""),
				},
				nil,
			},
			"probe": {
				breaker.Config{FailureThreshold: 1, Cooldown: second},
				func(b *breaker.Breaker) { failures(b, 1); time.Sleep(second); failures(b, 1) },
				[]fault.Fact{fault.Against("failures", 1, 1, ""), fault.Measure("window", 10, "seconds"), fault.Measure("config_revision", 1, "")},
				[]fault.Fact{fault.Measure("failed_probes", 1, "")},
			},
		} {
			b := mustNew(t, c.cfg)
			c.open(b)
			wantState(t, b, breaker.StateOpen)
			if f := wantRefused(t, b); !slices.Equal(f.Evidence(), append(slices.Clone(c.want), c.more...)) || !slices.Equal(b.Status().OpenedBy, c.want) {
				t.Errorf("%s: %v, status %v", name, f.Evidence(), b.Status().OpenedBy)
			}
		}
	})
}
