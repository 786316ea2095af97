package breaker_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/telemetry"
)

// failWith makes n calls fail with err.
func failWith(b *breaker.Breaker, n int, err error) {
	for range n {
		_ = b.Do(context.Background(), func(context.Context) error { return err })
	}
}

// A probe that fails says that an outage goes on. Why it began stays known until it is over.
func TestAFailedProbeDoesNotOverwriteWhyAnOutageBegan(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{FailureThreshold: 5, Cooldown: second}, breaker.WithBus(bus))
		seen := watch(t, bus)
		if b.Status().Outage != nil {
			t.Error("a closed breaker has an outage")
		}
		failWith(b, 4, context.DeadlineExceeded)
		began := time.Now()
		failWith(b, 1, errDown)
		cause := []fault.Fact{fault.Against("failures", 5, 5, ""), fault.Measure("window", 10, "seconds"), fault.Measure("config_revision", 1, "")}
		first := breaker.Outage{Began: began, Cause: "failure_threshold", Evidence: cause, Error: "timeout"}
		wantOutage(t, b, first)
		for probe := range 2 {
			time.Sleep(second)
			failWith(b, 1, errDown)
			first.FailedProbes, first.LastProbe, first.LastProbeError = probe+1, time.Now(), "*errors.errorString"
			wantOutage(t, b, first)
		}
		if !slices.Equal(b.Status().OpenedBy, cause) {
			t.Errorf("opened by %v", b.Status().OpenedBy)
		}
		if f := wantRefused(t, b); !slices.Equal(f.Evidence(), append(slices.Clone(cause), fault.Measure("failed_probes", 2, ""))) {
			t.Errorf("refused with %v", f.Evidence())
		}
		time.Sleep(second)
		wantAdmitted(t, b)
		if s := b.Status(); s.Outage != nil || !slices.Equal(s.OpenedBy, cause) {
			t.Errorf("closed again: %+v, opened by %v", s.Outage, s.OpenedBy)
		}
		wantTold(t, *seen, began)
	})
}

func wantOutage(t *testing.T, b *breaker.Breaker, want breaker.Outage) {
	t.Helper()
	got := b.Status().Outage
	if got == nil || !slices.Equal(got.Evidence, want.Evidence) || !got.Began.Equal(want.Began) || !got.LastProbe.Equal(want.LastProbe) ||
		got.Cause != want.Cause || got.Error != want.Error || got.FailedProbes != want.FailedProbes || got.LastProbeError != want.LastProbeError {
		t.Errorf("outage %+v, want %+v", got, want)
	}
}

// wantTold checks what the events of two failed probes said.
func wantTold(t *testing.T, seen []breaker.StateChanged, began time.Time) {
	t.Helper()
	var classes []string
	for _, e := range seen {
		if !e.OutageSince.Equal(began) {
			t.Errorf("%v→%v: outage since %v, want %v", e.From, e.To, e.OutageSince, began)
		}
		if e.To == breaker.StateOpen {
			classes = append(classes, e.Error)
		}
	}
	if last := seen[len(seen)-1]; last.To != breaker.StateClosed || !slices.Equal(classes, []string{"timeout", "*errors.errorString", "*errors.errorString"}) {
		t.Errorf("%v, opened by %q", edgesOf(seen), classes)
	}
	if e := seen[2]; e.Cause != "probe_failed" || e.Evidence[0] != fault.Against("failed_probes", 1, 1, "") {
		t.Errorf("a failed probe is told as %v %v", e.Cause, e.Evidence)
	}
}

// What does not count for the machine ends no outage; what closes it does.
func TestAnOutageEndsWithTheClosing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1})
		failures(b, 1)
		began := b.Status().Outage.Began
		if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "ada"}); err != nil {
			t.Fatal(err)
		}
		if o := b.Status().Outage; o == nil || !o.Began.Equal(began) {
			t.Errorf("under an override: %+v", o)
		}
		b.Automatic("ada")
		if err := b.Reconfigure(breaker.Config{FailureThreshold: 2, Mode: mode.Off}); err != nil {
			t.Fatal(err)
		}
		if o := b.Status().Outage; o != nil {
			t.Errorf("turned off: %+v", o)
		}
		if err := b.Reconfigure(breaker.Config{FailureThreshold: 2}); err != nil {
			t.Fatal(err)
		}
		if o := b.Status().Outage; o == nil || !o.Began.Equal(began) || o.Cause != "failure_threshold" {
			t.Errorf("turned on again: %+v", o)
		}
		b.Reset("ada")
		if o := b.Status().Outage; o != nil {
			t.Errorf("after a reset: %+v", o)
		}
		if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "ada"}); err != nil || b.Status().Outage != nil {
			t.Errorf("forced open: %v, %+v", err, b.Status().Outage)
		}
	})
}

// The class of an outage is that of most failures of late: what failed before a window
// without failures is another story.
func TestTheClassOfAnOutageIsThatOfMostFailuresOfLate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 4, Window: second})
		for range 5 {
			failWith(b, 2, context.DeadlineExceeded)
			time.Sleep(second)
		}
		failWith(b, 1, context.DeadlineExceeded)
		failWith(b, 2, errDown)
		failWith(b, 1, fault.CallTimeout)
		if o := b.Status().Outage; o == nil || o.Error != "*errors.errorString" {
			t.Errorf("%+v", o)
		}
	})
}

// A slow call that did not fail has no error, and neither has a slow probe.
func TestAnOutageOfSlowCallsHasNoError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 100, SlowRatio: 0.5, SlowAfter: second, MinCalls: 2, Cooldown: second})
		calls(b, "fSS")
		o := b.Status().Outage
		if o == nil || o.Cause != "slow_ratio" || o.Error != "" || o.Evidence[0].Name != "slow_ratio" || o.Evidence[1].Name != "calls" {
			t.Fatalf("%+v", o)
		}
		time.Sleep(second)
		calls(b, "S")
		if o := b.Status().Outage; o == nil || o.FailedProbes != 1 || o.LastProbeError != "" || o.LastProbe.IsZero() {
			t.Errorf("%+v", o)
		}
	})
}

// The evidence has what the rule looks at that decided, whatever others are in use.
func TestTheEvidenceHasOnlyWhatItsRuleUses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		all := breaker.Config{FailureThreshold: 100, ConsecutiveFailures: 100, FailureRatio: 1, SlowRatio: 1, SlowAfter: second, MinCalls: 100}
		for rule, c := range map[string]struct {
			set   func(*breaker.Config)
			calls string
			want  []string
		}{
			"failure_threshold":    {func(c *breaker.Config) { c.FailureThreshold = 2 }, "fsf", []string{"failures", "window", "config_revision"}},
			"consecutive_failures": {func(c *breaker.Config) { c.ConsecutiveFailures = 2 }, "ff", []string{"consecutive_failures", "config_revision"}},
			"failure_ratio":        {func(c *breaker.Config) { c.FailureRatio, c.MinCalls = 0.5, 2 }, "sf", []string{"failure_ratio", "calls", "window", "config_revision"}},
			"slow_ratio":           {func(c *breaker.Config) { c.SlowRatio, c.MinCalls = 0.5, 2 }, "sS", []string{"slow_ratio", "calls", "window", "config_revision"}},
		} {
			cfg := all
			c.set(&cfg)
			b := mustNew(t, cfg)
			calls(b, c.calls)
			var names []string
			for _, f := range b.Status().OpenedBy {
				names = append(names, f.Name)
			}
			if o := b.Status().Outage; o == nil || o.Cause != rule || !slices.Equal(names, c.want) {
				t.Errorf("%s: %+v, %v", rule, o, names)
			}
		}
	})
}
