package breaker_test

import (
	"errors"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

// FuzzConfig gives New any configuration. It is refused with an error that names
// its fields, or it makes a breaker that opens and recovers without a panic.
func FuzzConfig(f *testing.F) {
	f.Add(5, int64(10*time.Second), 0.5, 0.5, int64(time.Second), 20, 3, int64(30*time.Second), 2.0, int64(time.Minute), 0.1, 1, 1, int64(time.Second), int64(0), uint8(0))
	f.Add(0, int64(0), 0.0, 0.0, int64(0), 0, 0, int64(0), 0.0, int64(0), 0.0, 0, 0, int64(0), int64(0), uint8(1))
	f.Add(-1, int64(-1), -1.0, 2.0, int64(-1), -1, -1, int64(-1), -1.0, int64(-1), -1.0, -1, -1, int64(-1), int64(-1), uint8(9))
	f.Fuzz(func(t *testing.T, threshold int, window int64, failed, slow float64, slowAfter int64, minCalls, run int,
		cooldown int64, growth float64, most int64, jitter float64, probes, successes int, lease, ramp int64, how uint8,
	) {
		cfg := breaker.Config{
			FailureThreshold: threshold, Window: time.Duration(window), FailureRatio: failed, SlowRatio: slow,
			SlowAfter: time.Duration(slowAfter), MinCalls: minCalls, ConsecutiveFailures: run, Cooldown: time.Duration(cooldown),
			CooldownGrowth: growth, CooldownMax: time.Duration(most), Jitter: jitter, Probes: probes, ProbeSuccesses: successes,
			ProbeLease: time.Duration(lease), Ramp: time.Duration(ramp), Mode: mode.Mode(how),
		}
		b, err := breaker.New("fuzz", cfg)
		if err != nil {
			wantProblems(t, err)
			return
		}
		live(t, b)
	})
}

func wantProblems(t *testing.T, err error) {
	t.Helper()
	fe, ok := errors.AsType[*fault.Error](err)
	if !ok || fe.Code() != fault.InvalidConfig || len(fe.Problems()) == 0 {
		t.Fatalf("refused without a reason: %v", err)
	}
	for _, p := range fe.Problems() {
		if p.Field == "" || p.Message == "" {
			t.Fatalf("empty problem %+v", p)
		}
	}
}

// live takes b through failures, a cooldown and probes.
func live(t *testing.T, b *breaker.Breaker) {
	t.Helper()
	cfg := b.Status().Config
	if err := cfg.Validate(); err != nil {
		t.Fatalf("the settings in force are not valid: %v", err)
	}
	now := clock.Now()
	for range min(cfg.FailureThreshold+cfg.ConsecutiveFailures+cfg.MinCalls, 5000) {
		p := b.AllowAt(now)
		p.SettleAt(now.Add(cfg.SlowAfter), outcome.Failure, nil)
	}
	now = now.Add(2 * (cfg.CooldownMax + cfg.ProbeLease))
	for range cfg.ProbeSuccesses {
		p := b.AllowAt(now)
		if !p.OK() {
			t.Fatalf("wedged: %v", p.Err())
		}
		p.SettleAt(now, outcome.Success, nil)
	}
	cfg.Window = 2 * time.Second
	if err := b.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	b.Collect(func(telemetry.Sample) {})
	_ = b.Status()
}
