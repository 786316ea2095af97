package guard_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

func fieldsOf(tb testing.TB, err error) string {
	tb.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.InvalidConfig {
		tb.Fatalf("error %v, want invalid_config", err)
	}
	var fields []string
	for _, p := range f.Problems() {
		fields = append(fields, p.Field)
	}
	return strings.Join(fields, " ")
}

func TestScenario80_AllFaultsAreReportedWhenItIsConfigured(t *testing.T) {
	b := newBreaker(t, breaker.Config{})
	for _, tc := range []struct {
		name   string
		cfg    guard.Config
		fields string
	}{
		{"two breakers", guard.Config{Breaker: b, Breakers: must(breaker.NewGroup("hosts", breaker.Config{}, 0))}, "breaker"},
		{"negative times", guard.Config{Timeout: -1, CheckoutTimeout: -1, DeadlineFloor: -1, Lease: -1}, "timeout checkout_timeout deadline_floor lease"},
		{"times without end", guard.Config{Timeout: 25 * time.Hour}, "timeout"},
		{"a lease shorter than the timeout", guard.Config{Timeout: time.Minute, Lease: time.Second}, "lease"},
		{"negative bounds", guard.Config{Concurrency: -1, MaxDetached: -1}, "concurrency max_detached"},
		{"no such priority, no such mode", guard.Config{Priority: 9, Mode: 9}, "priority mode"},
		{"the first that is none", guard.Config{Priority: guard.Bulk + 1}, "priority"},
	} {
		_, err := guard.New("checkout", tc.cfg)
		if got := fieldsOf(t, err); got != tc.fields {
			t.Errorf("%s: problems with %q, want %q", tc.name, got, tc.fields)
		}
		if got := fieldsOf(t, tc.cfg.Validate()); got != tc.fields {
			t.Errorf("%s: Validate finds %q, want %q", tc.name, got, tc.fields)
		}
	}
	_, err := guard.New("Not\nA Name", guard.Config{Timeout: -1})
	if got := fieldsOf(t, err); got != "timeout name" {
		t.Errorf("problems with %q, want all at once", got)
	}
	if err := (guard.Config{}).Validate(); err != nil {
		t.Errorf("the zero Config is refused: %v", err)
	}
}

func TestScenario80_AWorkerOfAnotherTypeIsRefusedByBind(t *testing.T) {
	g := newGuard(t, guard.Config{Pool: newStage()})
	_, err := guard.Bind[*time.Timer](g)
	wantCode(t, err, fault.InvalidArgument)
	_, err = guard.Bind[error](g)
	wantCode(t, err, fault.InvalidArgument)
	_, err = guard.Bind[*conn](newGuard(t, guard.Config{}))
	wantCode(t, err, fault.InvalidArgument)
	if _, err = guard.Bind[any](g); err != nil {
		t.Errorf("an interface that the workers implement is refused: %v", err)
	}
}

func TestScenario80_DoOnAGuardWithAPoolIsRefused(t *testing.T) {
	s := newStage()
	g := newGuard(t, guard.Config{Pool: s})
	ran := func(context.Context) error { t.Error("ran"); return nil }
	wantCode(t, g.Do(t.Context(), ran), fault.InvalidArgument)
	_, err := g.Enter(t.Context(), guard.Call{})
	wantCode(t, err, fault.InvalidArgument)
	_, err = guard.DoDetached(t.Context(), g, guard.Call{}, func(context.Context) (int, error) { return 0, ran(nil) })
	wantCode(t, err, fault.InvalidArgument)
	if s.checkouts != 0 {
		t.Errorf("%d workers were borrowed for it", s.checkouts)
	}
}

func TestWarnings(t *testing.T) {
	for _, tc := range []struct {
		cfg   guard.Config
		field string
	}{
		{guard.Config{CheckoutTimeout: time.Second}, "checkout_timeout"},
		{guard.Config{RefundOnFailure: true}, "refund_on_failure"},
		{guard.Config{Timeout: time.Second, DeadlineFloor: time.Minute}, "deadline_floor"},
		{guard.Config{Breaker: newBreaker(t, breaker.Config{CallTimeout: time.Second})}, "breaker"},
	} {
		w := tc.cfg.Warnings()
		if len(w) != 1 || w[0].Field != tc.field || !w[0].Warning {
			t.Errorf("warnings %v, want one about %s", w, tc.field)
		}
		if err := tc.cfg.Validate(); err != nil {
			t.Errorf("a warning refuses: %v", err)
		}
	}
	if w := (guard.Config{Timeout: time.Second, RateLimit: newLimit(t, 1), RefundOnFailure: true}).Warnings(); len(w) != 0 {
		t.Errorf("a good configuration is warned about: %v", w)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	for _, tc := range []struct {
		timeout, floor, lease time.Duration
	}{
		{0, 100 * time.Millisecond, 30 * time.Second},
		{2 * time.Second, 200 * time.Millisecond, 30 * time.Second},
		{time.Minute, 6 * time.Second, 2 * time.Minute},
	} {
		c := newGuard(t, guard.Config{Timeout: tc.timeout}).Config()
		if c.DeadlineFloor != tc.floor || c.Lease != tc.lease || c.MaxDetached != 100 || c.Priority != guard.Normal {
			t.Errorf("timeout %v: %+v", tc.timeout, c)
		}
	}
}

func TestPriorityText(t *testing.T) {
	for p, text := range map[guard.Priority]string{
		guard.Critical: "critical", guard.Normal: "normal", guard.BestEffort: "best_effort", guard.Bulk: "bulk",
	} {
		got, err := p.MarshalText()
		var back guard.Priority
		if err != nil || string(got) != text || back.UnmarshalText(got) != nil || back != p {
			t.Errorf("%d is written %q and read %d (%v)", p, got, back, err)
		}
	}
	p := guard.Bulk
	if err := p.UnmarshalText([]byte("urgent")); err == nil || p != guard.Bulk {
		t.Errorf("an unknown priority gave %v, %v", p, err)
	}
	if text, err := guard.Priority(9).MarshalText(); err != nil || p.UnmarshalText(text) == nil || p != guard.Bulk {
		t.Errorf("an invalid priority is written %q, %v, and was read back", text, err)
	}
	if text := guard.Priority(0).String(); text != "normal" {
		t.Errorf("unset shows as %q", text)
	}
}

// A parent's rule and another guard's calls are other accounts: a name in the
// wrong place is refused, not guessed.
func TestScenario80_ACostThatTheRuleNeverAdmitsIsAnInvalidArgument(t *testing.T) {
	g := newGuard(t, guard.Config{RateLimit: must(ratelimit.New("small", ratelimit.Config{Limit: 2}))})
	wantCode(t, g.DoCall(t.Context(), guard.Call{Cost: 3}, succeed), fault.InvalidArgument)
}

func TestEveryBoundIsAllowedAndNothingBeyondIt(t *testing.T) {
	const most, longest = 1 << 30, 24 * time.Hour
	for name, c := range map[string]struct{ at, beyond guard.Config }{
		"concurrency":      {guard.Config{Concurrency: most}, guard.Config{Concurrency: most + 1}},
		"max_detached":     {guard.Config{MaxDetached: most}, guard.Config{MaxDetached: most + 1}},
		"timeout":          {guard.Config{Timeout: longest}, guard.Config{Timeout: longest + 1}},
		"checkout_timeout": {guard.Config{CheckoutTimeout: longest}, guard.Config{CheckoutTimeout: longest + 1}},
		"deadline_floor":   {guard.Config{DeadlineFloor: longest}, guard.Config{DeadlineFloor: longest + 1}},
		"lease":            {guard.Config{Timeout: time.Minute, Lease: time.Minute}, guard.Config{Timeout: time.Minute, Lease: time.Minute - 1}},
	} {
		if err := c.at.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := fieldsOf(t, c.beyond.Validate()); got != name {
			t.Errorf("%s: problems with %q", name, got)
		}
	}
}

func TestNothingIsWarnedAboutThatHasAnEffect(t *testing.T) {
	for name, c := range map[string]guard.Config{
		"a wait for a pool":                 {Pool: newStage(), CheckoutTimeout: time.Second},
		"targets of a group":                {PerTarget: true, Breakers: must(breaker.NewGroup("hosts", breaker.Config{}, 0))},
		"a floor that the timeout reaches":  {Timeout: time.Second, DeadlineFloor: time.Second},
		"a floor for calls without a limit": {DeadlineFloor: time.Second},
	} {
		if w := c.Warnings(); len(w) != 0 {
			t.Errorf("%s: %v", name, w)
		}
	}
	if w := (guard.Config{PerTarget: true}).Warnings(); len(w) != 1 || w[0].Field != "per_target" {
		t.Errorf("targets without a group: %v", w)
	}
}
