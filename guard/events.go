package guard

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Stage names a step of the admission.
type Stage uint8

// The stages, in the order in which a call meets them. The breaker comes twice,
// with its look and with its permit.
const (
	StageNone Stage = iota
	StageEntry
	StageMemory
	StageConcurrency
	StageBreaker
	StageRateLimit
	StagePool
)

var stageNames = [...]string{"", "entry", "memory", "concurrency", "breaker", "rate_limit", "pool"}

// String returns the stage's name, "" for none.
func (s Stage) String() string { return stageNames[min(int(s), len(stageNames)-1)] }

// MarshalText implements [encoding.TextMarshaler].
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Protections is a set of stages: bit 1<<s stands for stage s.
type Protections uint8

func protectionsOf(c *Config) (p Protections) {
	for stage, on := range map[Stage]bool{
		StageMemory: c.Admission != nil, StageConcurrency: c.Concurrency > 0,
		StageBreaker: c.Breaker != nil || c.Breakers != nil, StageRateLimit: c.RateLimit != nil, StagePool: c.Pool != nil,
	} {
		if on {
			p |= 1 << stage
		}
	}
	return p
}

// Has reports whether stage s is in the set.
func (p Protections) Has(s Stage) bool { return p>>s&1 != 0 }

// Stages lists the set in the order in which calls meet the stages.
func (p Protections) Stages() []Stage {
	var all []Stage
	for s := StageMemory; s <= StagePool; s++ {
		if p.Has(s) {
			all = append(all, s)
		}
	}
	return all
}

// Executed is the summary of one call, emitted when it has ended or was refused.
// It is built only while somebody listens.
type Executed struct {
	Guard       string
	Op          string
	Key         string // the text of the call's key
	Priority    Priority
	Protections Protections // that were configured
	Mode        Mode
	// RefusedBy is the stage that refused the call, or would have if WouldRefuse;
	// Code says why. Both are zero for a call that nothing objected to.
	RefusedBy   Stage
	Code        fault.Code
	WouldRefuse bool
	// Result and Duration are those of the call itself; they mean nothing if it was
	// refused.
	Result   Result
	Duration time.Duration
	Wait     time.Duration // for a worker
	Revision uint64
}

// EventName implements [telemetry.Event].
func (Executed) EventName() string { return telemetry.Prefix + "guard.executed" }

// Refused reports whether the call did not run.
func (e Executed) Refused() bool { return e.RefusedBy != StageNone && !e.WouldRefuse }

// LeasesExpired says that tokens were open for longer than their lease, were taken
// back and counted as failures.
type LeasesExpired struct {
	Guard string
	Count int
}

// Edge implements [telemetry.Edge].
func (e LeasesExpired) Edge() (string, fault.Severity) { return e.Guard, fault.SeverityWarning }

// EventName implements [telemetry.Event].
func (LeasesExpired) EventName() string { return telemetry.Prefix + "guard.leases_expired" }

// DetachedPanicked says that a detached call panicked when its caller had gone.
type DetachedPanicked struct {
	Guard  string
	Op     string
	Reason string // what it panicked with
}

// Edge implements [telemetry.Edge].
func (e DetachedPanicked) Edge() (string, fault.Severity) { return e.Guard, fault.SeverityError }

// EventName implements [telemetry.Event].
func (DetachedPanicked) EventName() string { return telemetry.Prefix + "guard.detached_panicked" }

// report tells the recorder and the listeners, after everything is settled.
func (v *visit) report(ctx context.Context, c *Call) {
	if r := v.rev.config.Recorder; r != nil {
		r.Record(v.observation(c))
	}
	if v.guard.executed.Active() {
		v.guard.executed.Emit(ctx, v.summary(ctx, c))
	}
}

func (v *visit) observation(c *Call) Observation {
	o := Observation{Guard: v.guard.name, Op: c.Op, Wait: v.wait, Result: v.result, Duration: v.took}
	if v.turnedAway {
		o.Refused = v.refusal
	}
	return o
}

func (v *visit) summary(ctx context.Context, c *Call) Executed {
	return Executed{
		Guard: v.guard.name, Op: c.Op, Key: c.Key.Text(), Priority: v.rev.priority(ctx, c),
		Protections: v.rev.active, Mode: v.rev.config.Mode,
		RefusedBy: v.refusedBy, Code: v.refusal, WouldRefuse: v.refusedBy != StageNone && !v.turnedAway,
		Result: v.result, Duration: v.took, Wait: v.wait, Revision: v.rev.number,
	}
}
