package ratelimit

import "github.com/elixirscope/foundation/telemetry"

// Status is what a limiter can say about itself.
type Status struct {
	Name        string
	Config      Config // with every default filled in
	Revision    uint64 // rises with every change of the configuration
	Parent      string // empty without one
	Remote      bool   // whether a [Remote] counts: then TrackedKeys, Evictions and Overflowed are of what was counted here before
	Overrides   int    // keys that have numbers of their own, or none
	Allowed     uint64 // calls admitted, those not counted that shadow mode let pass
	Denied      uint64 // calls refused, by this rule or a parent that was asked for it
	WouldRefuse uint64 // calls that only shadow mode let pass
	TrackedKeys int64  // keys that are counted one by one
	Evictions   uint64 // keys dropped because they were as if never used
	Overflowed  uint64 // calls counted in a shared bucket because MaxKeys was reached
	Waiting     int64  // calls that wait for their turn now
	// TopDenied are up to 64 keys that were refused most since the limiter was made,
	// the most refused first. They are for people; keys make no metric labels.
	TopDenied []DeniedKey
}

// Status returns the present state. Calls that run concurrently may or may not
// be in its numbers.
func (l *Limiter) Status() Status {
	st := l.numbers()
	st.TopDenied = l.top.list(l.setup.Load())
	return st
}

// numbers is the status without the keys, which metrics do not show.
func (l *Limiter) numbers() Status {
	s := l.setup.Load()
	st := Status{
		Name: l.name, Config: s.config, Revision: s.revision,
		Allowed: l.allowed.Load(), Denied: l.denied.Load(), WouldRefuse: l.wouldRefuse.Load(),
		TrackedKeys: s.tracked(), Overrides: s.overrides.len(), Evictions: l.evictions.Load(), Overflowed: l.overflowed.Load(),
		Waiting: l.waiting.count.Load(),
	}
	st.Remote = s.remote != nil
	if s.parent != nil {
		st.Parent = s.parent.name
	}
	return st
}

func metric(kind telemetry.Kind, name, help string, labels ...string) *telemetry.Desc {
	return &telemetry.Desc{Name: "foundation_limiter_" + name, Help: help, Kind: kind, Labels: append([]string{"limiter"}, labels...)}
}

// The metrics of a limiter.
var (
	descDecisions  = metric(telemetry.Counter, "decisions_total", "Calls decided about: allowed, denied, or let pass by shadow mode (would_refuse).", "result")
	descTracked    = metric(telemetry.Gauge, "tracked_keys", "Keys that are counted one by one.")
	descMaxKeys    = metric(telemetry.Gauge, "max_keys", "Keys that can be counted one by one.")
	descWaiting    = metric(telemetry.Gauge, "waiting", "Calls that wait for their turn.")
	descEvictions  = metric(telemetry.Counter, "evictions_total", "Keys dropped because they were as if never used.")
	descOverflowed = metric(telemetry.Counter, "overflowed_total", "Calls counted in a shared bucket because the limiter had no room for their key.")
)

// Collect implements [telemetry.Source].
func (l *Limiter) Collect(emit func(telemetry.Sample)) {
	st := l.numbers()
	one := func(d *telemetry.Desc, value float64, labels ...string) {
		emit(telemetry.Sample{Desc: d, Labels: append([]string{l.name}, labels...), Value: value})
	}
	one(descDecisions, float64(st.Allowed), "allowed")
	one(descDecisions, float64(st.Denied), "denied")
	one(descDecisions, float64(st.WouldRefuse), "would_refuse")
	one(descTracked, float64(st.TrackedKeys))
	one(descMaxKeys, float64(st.Config.MaxKeys))
	one(descWaiting, float64(st.Waiting))
	one(descEvictions, float64(st.Evictions))
	one(descOverflowed, float64(st.Overflowed))
}

var _ telemetry.Source = (*Limiter)(nil)
