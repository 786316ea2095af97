package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (e *explanation) route(name string) {
	t := partOf(e.status.Routes, name, routeName)
	r := &t.Recent
	e.Well, e.Since = r.Trouble == "", r.Since
	if e.Well {
		e.Verdict = wellSentence("route "+name, r)
	} else {
		e.Verdict = recentSentence("route "+name, r, routeReason(t)) + sinceText(r.Since, r.SinceSeconds)
		if root := e.rootOf(t); root != "" {
			e.Verdict += "; the cause: " + root
		}
	}
	if r.Source == sourceStart {
		e.Verdict = fmt.Sprintf("route %s: what it does now is not known, because nothing keeps the last minute while performance is off; %s", name, sinceStart(r))
	}
	e.recent(r)
	e.bounds(t)
	e.number("in flight", float64(t.InFlight), "", false, "")
	if t.NotReading > 0 {
		e.number("not reading", float64(t.NotReading), "", false, "clients that were cut because they took nothing of their answer, since the start")
	}
	if t.Unfinished > 0 {
		e.number("unfinished", float64(t.Unfinished), "", false, "answers that ended before their end, since the start")
	}
	g := partOf(e.status.Guards, t.Guard, guardName)
	if t.Guard != "" {
		e.part("guard", t.Guard, g.Recent.Trouble == "", recentState(&g.Recent))
		e.partsOfGuard(g)
		e.deniedBy(g)
	}
	if t.InFlight > 0 {
		e.Holders = append(e.Holders, adminapi.Holder{Kind: "route", Name: name, Held: t.InFlight, OldestSeconds: t.OldestSeconds})
	}
	e.failuresOf(t)
	e.latestErrors()
	e.hostsOf(t)
	if !e.Well {
		e.tryForRoute(t, g)
	}
	e.alerts("route", name)
}

// rootOf is the finding that stands for what is wrong with a route, "" if it is its own.
func (e *explanation) rootOf(t *adminapi.Route) string {
	for i := range e.status.Findings {
		f := &e.status.Findings[i]
		if slices.Contains(f.Takes, "route "+t.Name) {
			return strings.TrimSpace(f.Kind+" "+f.Name) + ", see '" + f.Command + "'"
		}
	}
	return ""
}

// maxBodySetting is the setting that bounds the bodies of requests, of all routes.
const maxBodySetting = "gateway.limits.max_body"

// bounds adds the limits of a route for which the gateway itself refused requests of late.
func (e *explanation) bounds(t *adminapi.Route) {
	r := &t.Recent
	refusesFor := func(reason string) bool { return r.Trouble == troubleRefuses && r.Reason == reason }
	if n := r.RefusedBy[bodyTooLarge]; n > 0 {
		e.number("max_body", float64(t.MaxBody), "bytes", refusesFor(bodyTooLarge), fmt.Sprintf("%s; %d bodies were larger", maxBodySetting, n))
	}
	if code := fault.InFlightLimited.String(); r.RefusedBy[code] > 0 {
		e.number("max_in_flight_per_key", float64(t.MaxPerKey), "", refusesFor(code), "of the route")
	}
}

// noTrouble says why refusals are no trouble, if they are more than what is.
func noTrouble(r *adminapi.Recent) string {
	if r.Trouble != "" || r.RefusedBy[badRequest] == 0 {
		return ""
	}
	return "; " + badRequest + " is no trouble of ours"
}

// tryForBounds says what to do about a limit for which the gateway itself refuses, and reports
// whether that is what is wrong.
func (e *explanation) tryForBounds(t *adminapi.Route) bool {
	if t.Recent.Trouble != troubleRefuses {
		return false
	}
	var setting string
	switch t.Recent.Reason {
	case bodyTooLarge:
		setting = maxBodySetting
		e.try("config history", fmt.Sprintf("which revision changed %s (%d bytes now, for every route)", setting, t.MaxBody))
	case fault.InFlightLimited.String():
		setting = "max_in_flight_per_key"
		e.try("config history", fmt.Sprintf("which revision changed %s of route %s (%d now)", setting, t.Name, t.MaxPerKey))
	case headerTooLarge:
		e.try("", "compare the headers of the requests with what "+t.Upstream+" takes: it announces the limit itself (SETTINGS_MAX_HEADER_LIST_SIZE of HTTP/2), and may have been deployed with a smaller one")
		return true
	default:
		return false
	}
	e.try("", "raise "+setting+" in the file if the requests are in their right, then 'foundation reload'")
	return true
}
