package admin

import (
	"cmp"
	"slices"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/pool"
)

// The views turn what the parts say of themselves into wire structs.

func breakerView(s breaker.Status) adminapi.Breaker {
	return adminapi.Breaker{
		Name: s.Name, Member: s.Member, Mode: s.Mode.String(), State: s.State.String(),
		Since: s.Since, SinceSeconds: elapsed(s.Since), RetryAfterSeconds: remaining(s.RetryAt), Ramping: s.Ramping,
		Counted: factViews(s.Counted), OpenedBy: factViews(s.OpenedBy), Outage: outageView(s.Outage),
		ProbesInFlight: s.ProbesInFlight, ProbeSuccesses: s.ProbeSuccesses,
		WindowSeconds: s.Config.Window.Seconds(), CooldownSeconds: s.Config.Cooldown.Seconds(),
		Succeeded: s.Totals.Successes, Failed: s.Totals.Failures, Ignored: s.Totals.Ignored,
		Refused: s.Totals.Rejected, WouldRefuse: s.Totals.WouldReject, Injected: s.Injected,
		LastErrors: errorViews(s.LastErrors), Override: overrideView(s.Override),
		Generation: s.Generation, Revision: s.Revision, Members: []adminapi.Breaker{},
	}
}

func factViews(facts []fault.Fact) []adminapi.Fact {
	views := make([]adminapi.Fact, 0, len(facts))
	for _, f := range facts {
		views = append(views, adminapi.Fact{Name: f.Name, Value: f.Value, Limit: f.Limit, Bounded: f.Bounded, Unit: f.Unit})
	}
	return views
}

func errorViews(classes []breaker.ErrorClass) []adminapi.ErrorClass {
	views := make([]adminapi.ErrorClass, 0, len(classes))
	for _, c := range classes {
		views = append(views, adminapi.ErrorClass{Class: c.Class, Count: c.Count, Last: c.Last})
	}
	return views
}

func outageView(o *breaker.Outage) adminapi.Outage {
	if o == nil {
		return adminapi.Outage{}
	}
	return adminapi.Outage{
		Began: o.Began, BeganSeconds: elapsed(o.Began), Cause: o.Cause, Error: o.Error,
		FailedProbes: o.FailedProbes, LastProbe: o.LastProbe, LastProbeError: o.LastProbeError, LastProbeAgoSeconds: elapsed(o.LastProbe),
	}
}

func overrideView(o *breaker.OverrideStatus) adminapi.Override {
	if o == nil {
		return adminapi.Override{}
	}
	return adminapi.Override{
		State: "forced-" + o.State.String(), Actor: o.Actor, Reason: o.Reason, Since: o.Since, Until: o.Until, RemainingSeconds: remaining(o.Until),
	}
}

// Which members of a group a view lists.
func noMember(*adminapi.Breaker) bool        { return false }
func everyMember(*adminapi.Breaker) bool     { return true }
func notableMember(b *adminapi.Breaker) bool { return severity(*b) > 0 }

// groupView sums a group up: its state is that of its worst member.
func groupView(g *breaker.Group, lists func(*adminapi.Breaker) bool) adminapi.Breaker {
	status := g.Status()
	v := adminapi.Breaker{
		Name: status.Name, Mode: status.Config.Mode.String(), State: breaker.StateClosed.String(), Group: true,
		MaxMembers: status.MaxMembers, MemberCount: status.Members,
		WindowSeconds: status.Config.Window.Seconds(), CooldownSeconds: status.Config.Cooldown.Seconds(),
		Succeeded: status.Totals.Successes, Failed: status.Totals.Failures, Ignored: status.Totals.Ignored,
		Refused: status.Totals.Rejected, WouldRefuse: status.Totals.WouldReject, Revision: status.Revision,
		Counted: []adminapi.Fact{}, OpenedBy: []adminapi.Fact{}, LastErrors: []adminapi.ErrorClass{}, Members: []adminapi.Breaker{},
	}
	for _, member := range g.Members() {
		m := breakerView(member.Status())
		if severity(m) > severity(v) {
			v.State, v.Since, v.SinceSeconds, v.RetryAfterSeconds = m.State, m.Since, m.SinceSeconds, m.RetryAfterSeconds
			v.OpenedBy, v.Outage, v.LastErrors = m.OpenedBy, m.Outage, m.LastErrors
		}
		if lists(&m) {
			v.Members = append(v.Members, m)
		}
	}
	sortBreakers(v.Members)
	return v
}

// severity orders breakers, the one to look at first last.
func severity(b adminapi.Breaker) int {
	switch {
	case b.State == breaker.StateOpen.String():
		return 3
	case b.State == breaker.StateHalfOpen.String():
		return 2
	case b.Override.State != "":
		return 1
	}
	return 0
}

func sortBreakers(list []adminapi.Breaker) {
	slices.SortStableFunc(list, func(a, b adminapi.Breaker) int {
		return cmp.Or(severity(b)-severity(a), cmp.Compare(b.Refused+b.WouldRefuse, a.Refused+a.WouldRefuse),
			cmp.Compare(b.Failed, a.Failed), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Member, b.Member))
	})
}

func poolView(worker string, s pool.Status) adminapi.Pool {
	v := adminapi.Pool{
		Name: s.Name, Worker: worker, State: s.State, Degraded: s.Degraded, RetryAfterSeconds: remaining(s.RetryAt),
		Strategy: s.Config.Strategy.String(), Size: s.Stats.Size, MaxOverflow: s.Stats.MaxOverflow,
		Available: s.Available, Overflow: s.Overflow, CheckedOut: s.CheckedOut,
		Idle: s.Stats.Idle, Waiting: s.Stats.Waiting, Making: s.Stats.Making,
		Checkouts: s.Stats.Checkouts, Waits: s.Stats.Waits, Timeouts: s.Stats.Timeouts, Full: s.Stats.Full,
		Canceled: s.Stats.Canceled, Failed: s.Stats.Failed, Created: s.Stats.Created, CreateFailures: s.Stats.Failures,
		Destroyed: s.Stats.Destroyed, Leaked: s.Stats.Leaked, OldestCheckoutSeconds: s.Stats.OldestLoan.Seconds(),
		WaitP99Seconds: s.Wait.P99.Seconds(), HoldP99Seconds: s.Hold.P99.Seconds(), CreateP99Seconds: s.Create.P99.Seconds(),
	}
	if worker == "" {
		v.Worker = s.Worker
	}
	if s.LastError != nil {
		v.LastError = workerFailed
	}
	return v
}

func sortPools(list []adminapi.Pool) {
	slices.SortStableFunc(list, func(a, b adminapi.Pool) int {
		return cmp.Or(boolFirst(a.Degraded, b.Degraded), cmp.Compare(b.Waiting, a.Waiting),
			cmp.Compare(b.Timeouts+b.Full, a.Timeouts+a.Full), cmp.Compare(a.Name, b.Name))
	})
}

// boolFirst orders true before false.
func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// remaining is the time until t in seconds, 0 for the zero time and the past.
func remaining(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Until(t).Seconds())
}

func elapsed(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t).Seconds())
}

// changeViews renders a plan.
