package admin

import (
	"fmt"
	"net/http"
	"strings"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// sharedGuard is the guard of the layer itself through which the shared store is asked.
const sharedGuard = "foundation.shared"

func sharedView(s *foundation.SharedStatus) adminapi.Shared {
	if s == nil {
		return adminapi.Shared{Warnings: []string{}}
	}
	v := adminapi.Shared{
		On: true, Server: s.Server, Since: s.Since, AwayInAllSeconds: s.AwayFor.Seconds(), Fault: s.Fault, Warnings: nonNil(s.Warnings),
		TimeoutSeconds: s.Timeout.Seconds(), Instances: s.CountersStatus.Instances, Rules: len(s.Rules), Different: s.DifferentSince, DifferentSeconds: elapsed(s.DifferentSince),
		RefundsQueued: s.RefundsQueued, RefundsSent: s.RefundsSent, RefundsDropped: s.RefundsDropped,
	}
	if s.Away {
		v.Away, v.AwaySeconds = s.Cause, elapsed(s.Since)
		if v.Away == "" {
			v.Away = "it does not answer"
		}
	}
	if s.Err != nil {
		v.Unheard = shared.Reason(s.Err)
	}
	for i := range s.InstancesStatus.Instances {
		if !s.InstancesStatus.Instances[i].SameConfiguration {
			v.OtherConfiguration++
		}
	}
	return v
}

// shareView fills in how a rule is shared.
func shareView(v *adminapi.RateLimit, of *foundation.SharedStatus) {
	v.Scope, v.DecidedBy = "local", map[string]uint64{}
	if of == nil {
		return
	}
	for i := range of.Rules {
		r := &of.Rules[i]
		if r.Name != v.Name {
			continue
		}
		v.Scope, v.OnError = "shared", r.Policy.OnError.String()
		v.Prefetch, v.PrefetchInForce, v.PrefetchHeld = r.Policy.Prefetch, r.Prefetch, r.Held
		n := int64(max(1, of.CountersStatus.Instances))
		v.LocalLimit = (v.Limit + n - 1) / n
		v.DecidedBy = map[string]uint64{"shared": r.Shared, "cached": r.Cached, "prefetched": r.Prefetched, "fallback": r.Fallback, "refused": r.Refused}
	}
}

func instanceViews(s *foundation.SharedStatus) []adminapi.Instance {
	views := []adminapi.Instance{}
	if s == nil {
		return views
	}
	for i := range s.InstancesStatus.Instances {
		o := &s.InstancesStatus.Instances[i]
		views = append(views, adminapi.Instance{
			ID: o.ID, Self: o.Self, Node: o.Node, Address: o.Address, Version: o.Version, StartedAt: o.Started, UptimeSeconds: elapsed(o.Started),
			Revision: o.Revision, Hash: o.Hash, SameConfiguration: o.SameConfiguration, Verdict: o.Verdict, SeenAt: o.Seen, SeenSeconds: o.Age.Seconds(),
		})
	}
	return views
}

func (a *api) listInstances(*http.Request) (any, error) {
	return list(instanceViews(a.layer.Status().Shared)), nil
}

func (a *api) getInstance(r *http.Request) (any, error) {
	id := r.PathValue("id")
	for _, v := range instanceViews(a.layer.Status().Shared) {
		if v.ID == id {
			return v, nil
		}
	}
	return nil, refuse(fault.NotFound, "no instance "+id+" is known: GET /v1/instances lists those that were heard of")
}

// heardAfter is how many seconds after an outage the others must have been heard of: a beat comes every two.
const heardAfter = 10

// differentFor is how long instances may run different configurations, as while a new one is rolled out,
// before that is a finding.
const differentFor = 60

func (s *verdict) judgeShared() {
	v := &s.Shared
	command := "why guard " + sharedGuard
	switch {
	case !v.On:
		return
	case v.Away != "":
		s.storeAway(command)
		return
	case v.Fault != "":
		s.attention(rankDegraded, "the server of the shared rate limits cannot be relied upon: "+v.Fault, command)
	case v.Unheard != "" && elapsed(v.Since) > heardAfter:
		s.attention(rankNote, "other instances cannot be heard of now: "+v.Unheard+"; limits are shared, and "+instancesText(v.Instances)+" would be assumed if the store went away", "status --fleet")
	}
	for _, warning := range v.Warnings {
		s.attention(rankNote, "shared rate limits: "+warning, command)
	}
	if v.OtherConfiguration > 0 && v.DifferentSeconds >= differentFor {
		s.attention(rankNote, differentText(v)+sinceText(v.Different, v.DifferentSeconds), "status --fleet")
	}
}

func differentText(v *adminapi.Shared) string {
	runs := map[bool]string{true: "runs", false: "run"}[v.OtherConfiguration == 1]
	return fmt.Sprintf("%d of %s %s another configuration than this one", v.OtherConfiguration, instancesText(v.Instances), runs)
}

func instancesText(n int) string { return counted(uint64(max(n, 0)), "instance", "instances") }

// storeAway says that the store is away, and what becomes of the calls of its rules.
func (s *verdict) storeAway(command string) {
	v := &s.Shared
	f := adminapi.Finding{
		Kind: "guard", Name: sharedGuard, Command: command, Since: v.Since,
		Text: fmt.Sprintf("the store of the shared rate limits is away since %s (%s): %s; %s", clockText(v.Since), span(v.AwaySeconds), v.Away, becomesText(s.Status)),
	}
	r := rankDegraded
	f.Takes = s.cover(func(g *adminapi.Guard) bool {
		return refusesFor(g, fault.Unavailable) && partOf(s.RateLimits, g.RateLimit, limitName).OnError == shared.Deny.String()
	})
	if len(f.Takes) > 0 {
		r = rankOutage
	}
	f.Text += s.impact(f.Takes)
	s.find(r, f)
}

// backText says since when a store is back that was away.
func backText(v *adminapi.Shared) string {
	if v.Away != "" {
		return ""
	}
	return ", which is back for " + span(elapsed(v.Since))
}

// becomesText says what becomes of the calls of shared rules while the store is away.
func becomesText(s *adminapi.Status) string {
	count := map[string]uint64{}
	for i := range s.RateLimits {
		count[s.RateLimits[i].OnError]++
	}
	var parts []string
	for _, on := range []struct {
		policy   shared.OnError
		one, all string
	}{
		{shared.Deny, "refuses every call", "refuse every call"},
		{shared.Allow, "admits every call", "admit every call"},
		{shared.Local, "counts by itself with " + shareText(s.Shared.Instances, "its"), "count by themselves with " + shareText(s.Shared.Instances, "their")},
	} {
		switch n := count[on.policy.String()]; n {
		case 0:
		case 1:
			parts = append(parts, "1 rule "+on.one)
		default:
			parts = append(parts, fmt.Sprintf("%d rules %s", n, on.all))
		}
	}
	if len(parts) == 0 {
		return "no rule is shared"
	}
	return strings.Join(parts, ", ")
}

// shareText says which part of a limit one of n instances admits.
func shareText(n int, whose string) string {
	limit := whose + " limit"
	switch n {
	case 0, 1:
		return "the whole of " + limit + ", as no other instance is known"
	case 2:
		return "half of " + limit
	case 3:
		return "a third of " + limit
	case 4:
		return "a quarter of " + limit
	}
	return fmt.Sprintf("1/%d of %s", n, limit)
}
