package admin

import (
	"fmt"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func (e *explanation) upstream(name string) {
	r, u := upstreamOf(e.status.Routes, name)
	e.Well = !out(u) && u.ConsecutiveFailures == 0
	e.Verdict = hostSentence(u)
	if !e.Well {
		e.Since = outSince(u)
		if u.State == hostActive || u.State == hostSlowStart {
			e.Since = u.LastError.At
		}
	}
	if r.Panic.On {
		e.Verdict += "; more than half of the hosts of the route are out, so that it gets requests all the same"
	}
	e.number("failures in a row", float64(u.ConsecutiveFailures), "", u.ConsecutiveFailures > 0, "")
	e.number("share", u.Share, "ratio", out(u) && !r.Panic.On, "of its usual requests")
	if u.State == hostEjected {
		e.number("returns in", u.RemainingSeconds, "seconds", false, "its first failure then ejects it again")
	}
	e.number("in flight", float64(u.InFlight), "", false, "")
	e.number("requests", float64(u.Requests), "", false, fmt.Sprintf("attempts since the start, of which %d failed and %d say nothing about it", u.Failures, u.Ignored))
	e.number("ejections", float64(u.Ejections), "", false, "since the start")
	if u.Check != "" {
		e.error("check", 1, u.Since, "check of "+u.Name, u.Check)
	}
	if u.LastError.Class != "" {
		e.error(u.LastError.Class, u.Failures, u.LastError.At, "upstream "+u.Name, u.LastError.Reason)
	}
	e.part("route", r.Name, r.Recent.Trouble == "", recentState(&r.Recent))
	for i := range r.Upstreams {
		if other := &r.Upstreams[i]; other.Name != u.Name && len(e.Parts) <= shownErrors {
			e.hostPart(other)
		}
	}
	if !e.Well {
		e.tryHost(u)
		e.try("events --type 'gateway.*' --name "+quoted(r.Name)+" --since 30m", "when the hosts of the route were ejected and returned")
	}
}

func (e *explanation) hostPart(u *adminapi.Upstream) {
	state := fmt.Sprintf("%s for %s, %d in flight", spacedKind(u.State), span(u.SinceSeconds), u.InFlight)
	if u.Reason != "" {
		state += "; " + u.Reason
	}
	e.part("upstream", nameOf(e.status.Routes, u), !out(u) && u.ConsecutiveFailures == 0, state)
}

// hostsOf adds the hosts of a route that has several, the worst first, and how they were found.
func (e *explanation) hostsOf(r *adminapi.Route) {
	if r.Lookup.Name != "" {
		e.number("addresses", float64(r.Lookup.Answers), "", r.Lookup.Left > 0 || r.Lookup.Error != "", lookupSentence(r))
	}
	if len(r.Upstreams) < 2 {
		return
	}
	outs := 0
	for i := range r.Upstreams {
		if out(&r.Upstreams[i]) {
			outs++
		}
		if i < shownErrors {
			e.hostPart(&r.Upstreams[i])
		}
	}
	note := ""
	if r.Panic.On {
		note = "that is more than half: all of them get requests"
	}
	e.against("upstreams out", float64(outs), float64(len(r.Upstreams)), "", outs > 0, note)
	if !e.Well || outs == 0 {
		return
	}
	e.Verdict += fmt.Sprintf("; %d of its %d upstreams are out", outs, len(r.Upstreams))
	if r.Panic.On {
		e.Well, e.Since = false, r.Panic.Since
	}
	e.tryWorstHost(r)
}

// tryWorstHost says which host of a route to look at first.
func (e *explanation) tryWorstHost(r *adminapi.Route) {
	name := nameOf(e.status.Routes, &r.Upstreams[0])
	e.try("why upstream "+quoted(name), "the host that is worst off")
	e.tryHost(&r.Upstreams[0])
}

// tryHost says how to see for oneself what is wrong with a host, as if it were the only one.
func (e *explanation) tryHost(u *adminapi.Upstream) {
	alone := adminapi.Route{Name: u.Route, Upstream: u.Name}
	if u.LastError.Class != "" {
		alone.Failures = []adminapi.UpstreamFailure{{Class: u.LastError.Class, Last: u.LastError.At}}
	}
	e.tryUpstream(&alone)
}
