package guard

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/retry"
	"github.com/elixirscope/foundation/telemetry"
)

// stage is a step of the admission. They are in the order in which a call meets them;
// the breaker comes twice, with its look and with its permit.
type stage uint8

const (
	stageNone stage = iota
	stageEntry
	stageMemory
	stageConcurrency
	stageBreaker
	stageRateLimit
	stagePool
)

var stageNames = [...]string{"", "entry", "memory", "concurrency", "breaker", "rate_limit", "pool"}

// protectionsOf names the stages that c has.
func protectionsOf(c *Config) []string {
	has := [...]bool{
		stageMemory: c.Admission != nil, stageConcurrency: c.Concurrency > 0 || c.AdaptiveConcurrency != nil,
		stageBreaker: c.Breaker != nil || c.Breakers != nil, stageRateLimit: c.RateLimit != nil, stagePool: c.Pool != nil,
	}
	var names []string
	for i, name := range stageNames {
		if has[i] {
			names = append(names, name)
		}
	}
	return names
}

// Executed is the summary of one call, emitted when it has ended or was refused.
// It is built only while somebody listens.
type Executed struct {
	Guard    string
	Op       string
	Key      string // the text of the call's key
	Priority Priority
	// Protections are those that were configured, in the order in which a call meets
	// them: "memory", "concurrency", "breaker", "rate_limit", "pool". All events share
	// the slice: do not change it.
	Protections []string
	Mode        mode.Mode
	// RefusedBy is the protection that refused the call, or would have if WouldRefuse;
	// "entry" if the context was done or the guard gone. Code says why. Both are zero
	// for a call that nothing objected to.
	RefusedBy   string
	Code        fault.Code
	WouldRefuse bool
	// Result and Duration are those of the call itself; they mean nothing if it was
	// refused.
	Result   Result
	Duration time.Duration
	Wait     time.Duration // for a turn of a leaky bucket and for a worker
	Attempts int           // how often the call was tried, 0 if it was refused
	Revision uint64
}

// EventName implements [telemetry.Event].
func (Executed) EventName() string { return telemetry.Prefix + "guard.executed" }

// Retried says that a call is tried again. It is built only while somebody listens.
type Retried struct {
	Guard   string
	Op      string
	Target  string
	Attempt int           // the number of the attempt that begins, from 2
	Cause   retry.Cause   // how the attempt before ended
	Wait    time.Duration // between the two
}

// EventName implements [telemetry.Event].
func (Retried) EventName() string { return telemetry.Prefix + "guard.retried" }

// Hedged says that another attempt starts beside one that is slow. It is built only while
// somebody listens.
type Hedged struct {
	Guard   string
	Op      string
	Target  string        // that the attempt goes to
	Attempt int           // its number among those of the call, from 2
	After   time.Duration // how long the attempts before were waited for
}

// EventName implements [telemetry.Event].
func (Hedged) EventName() string { return telemetry.Prefix + "guard.hedged" }

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

// DetachedPanicked says that a detached call panicked when its caller had gone, or an attempt
// when another one of its call had won.
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
	if v.refused {
		o.Refused = v.refusal
	} else {
		o.Attempts = v.attempted()
	}
	return o
}

func (v *visit) summary(ctx context.Context, c *Call) Executed {
	attempts := 0
	if !v.refused {
		attempts = v.attempted()
	}
	return Executed{
		Guard: v.guard.name, Op: c.Op, Key: c.Key.Text(), Priority: v.rev.priority(ctx, c),
		Protections: v.rev.active, Mode: v.rev.config.Mode,
		RefusedBy: stageNames[v.refusedBy], Code: v.refusal, WouldRefuse: v.refusedBy != stageNone && !v.refused,
		Result: v.result, Duration: v.took, Wait: v.wait, Attempts: attempts, Revision: v.rev.number,
	}
}
