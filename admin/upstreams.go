package admin

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/internal/suggest"
)

// The states of a host, the worst first: see [adminapi.Upstream].
const (
	hostEjected   = "ejected"
	hostUnwell    = "check_failed"
	hostSlowStart = "slow_start"
	hostActive    = "active"
)

var hostStates = []string{hostEjected, hostUnwell, hostSlowStart, hostActive}

// out reports whether a host is to get no requests.
func out(u *adminapi.Upstream) bool { return u.State == hostEjected || u.State == hostUnwell }

// completeUpstreams adds to the hosts of a route what follows from what they say.
func completeUpstreams(r *adminapi.Route) {
	r.Upstreams = slices.Clone(nonNil(r.Upstreams))
	for i := range r.Upstreams {
		u := &r.Upstreams[i]
		u.Route, u.SinceSeconds, u.RemainingSeconds, u.FailingSeconds = r.Name, elapsed(u.Since), remaining(u.Until), elapsed(u.FailingSince)
	}
	slices.SortStableFunc(r.Upstreams, worstHost)
	r.Panic.SinceSeconds, r.Lookup.SinceSeconds = elapsed(r.Panic.Since), elapsed(r.Lookup.Since)
}

func worstHost(x, y adminapi.Upstream) int {
	return cmp.Or(cmp.Compare(slices.Index(hostStates, x.State), slices.Index(hostStates, y.State)), cmp.Compare(y.ConsecutiveFailures, x.ConsecutiveFailures))
}

// upstreams lists the hosts of all routes, worst first.
func upstreams(routes []adminapi.Route) (all []adminapi.Upstream) {
	for i := range routes {
		all = append(all, routes[i].Upstreams...)
	}
	slices.SortStableFunc(all, worstHost)
	return all
}

func (a *api) listUpstreams(*http.Request) (any, error) {
	return list(upstreams(a.routeViews(a.recents()))), nil
}

func (a *api) getUpstream(r *http.Request) (any, error) {
	name, routes := r.PathValue("name"), a.routeViews(a.recents())
	if _, u := upstreamOf(routes, name); u != nil {
		return *u, nil
	}
	return nil, refuse(fault.NotFound, fmt.Sprintf("there is no upstream %q%s", name, suggest.For(name, upstreamNames(routes))))
}

// upstreamNames are the names of all hosts: host and port where one route alone has it, and
// with the route before it where several have.
func upstreamNames(routes []adminapi.Route) (names []string) {
	count := map[string]int{}
	for i := range routes {
		for j := range routes[i].Upstreams {
			count[routes[i].Upstreams[j].Name]++
		}
	}
	for i := range routes {
		for j := range routes[i].Upstreams {
			name := routes[i].Upstreams[j].Name
			if count[name] > 1 {
				name = routes[i].Name + "/" + name
			}
			names = append(names, name)
		}
	}
	return names
}

// upstreamOf finds a host by one of the names of [upstreamNames], or by that of its route and
// its own. It is nil if there is none.
func upstreamOf(routes []adminapi.Route, name string) (*adminapi.Route, *adminapi.Upstream) {
	known := slices.Contains(upstreamNames(routes), name)
	for i := range routes {
		for j := range routes[i].Upstreams {
			u := &routes[i].Upstreams[j]
			if known && u.Name == name || routes[i].Name+"/"+u.Name == name {
				return &routes[i], u
			}
		}
	}
	return nil, nil
}

// nameOf is by what name a host is asked about.
func nameOf(routes []adminapi.Route, u *adminapi.Upstream) string {
	if slices.Contains(upstreamNames(routes), u.Name) {
		return u.Name
	}
	return u.Route + "/" + u.Name
}

// judgeUpstreams names the hosts that get no requests, where that is more than half of them,
// and the names that cannot be looked up.
func (s *verdict) judgeUpstreams() {
	for i := range s.Routes {
		r := &s.Routes[i]
		var outs []*adminapi.Upstream
		for j := range r.Upstreams {
			if u := &r.Upstreams[j]; out(u) {
				outs = append(outs, u)
			}
		}
		switch {
		case r.Panic.On:
			s.find(rankOutage, adminapi.Finding{
				Kind: "route", Name: r.Name, Since: r.Panic.Since, Command: "why route " + quoted(r.Name),
				Text: fmt.Sprintf("route %s: %d of %d upstreams are out (%s), so that all of them get requests%s", r.Name, len(outs), len(r.Upstreams), outText(outs), sinceText(r.Panic.Since, r.Panic.SinceSeconds)),
			})
		case len(outs) > 0:
			u := outs[0]
			s.find(rankSlow, adminapi.Finding{
				Kind: "upstream", Name: nameOf(s.Routes, u), Since: outSince(u), Command: "why upstream " + quoted(nameOf(s.Routes, u)),
				Text: fmt.Sprintf("route %s: %s; %d of %d is out", r.Name, hostSentence(u), len(outs), len(r.Upstreams)),
			})
			if f := &s.found[len(s.found)-1].Finding; len(outs) > 1 {
				f.Text = fmt.Sprintf("route %s: %d of %d upstreams are out: %s", r.Name, len(outs), len(r.Upstreams), outText(outs))
			}
		}
		s.judgeLookup(r)
	}
}

func (s *verdict) judgeLookup(r *adminapi.Route) {
	switch l := &r.Lookup; {
	case l.Error != "":
		s.find(rankNote, adminapi.Finding{
			Kind: "route", Name: r.Name, Since: l.Since, Command: "why route " + quoted(r.Name), Text: "route " + r.Name + ": " + lookupSentence(r),
		})
	case l.Left > 0:
		s.find(rankNote, adminapi.Finding{Kind: "route", Name: r.Name, Command: "why route " + quoted(r.Name), Text: "route " + r.Name + ": " + lookupSentence(r)})
	}
}

// lookupSentence says how the hosts of a route were found.
func lookupSentence(r *adminapi.Route) string {
	l := &r.Lookup
	switch {
	case l.Error != "" && l.At.IsZero():
		return fmt.Sprintf("%s cannot be looked up (%s)%s, and never was: each connection looks it up by itself", l.Name, l.Error, sinceText(l.Since, l.SinceSeconds))
	case l.Error != "":
		return fmt.Sprintf("%s cannot be looked up (%s)%s: the %s found at %s stay", l.Name, l.Error, sinceText(l.Since, l.SinceSeconds), counted(uint64(len(r.Upstreams)), "host", "hosts"), clockText(l.At))
	case l.Left > 0:
		return fmt.Sprintf("%s has %d addresses, of which %d are used: a route has no more hosts", l.Name, l.Answers, l.Answers-l.Left)
	case l.At.IsZero():
		return l.Name + " is being looked up"
	}
	return fmt.Sprintf("%s was looked up at %s, and has %s", l.Name, clockText(l.At), counted(uint64(l.Answers), "address", "addresses"))
}

// shownHosts bounds the hosts of a sentence, or of an explanation.
const shownHosts = 3

func outText(outs []*adminapi.Upstream) string {
	var parts []string
	for _, u := range outs[:min(len(outs), shownHosts)] {
		text := u.Name + " " + strings.ReplaceAll(u.State, "_", " ")
		if u.Reason != "" {
			text += ": " + u.Reason
		}
		parts = append(parts, text)
	}
	if more := len(outs) - shownHosts; more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, "; ")
}

// outSince is when a host began to be out: with the first of its ejections, if it did not do
// well between them.
func outSince(u *adminapi.Upstream) time.Time {
	if u.State == hostEjected && !u.FailingSince.IsZero() {
		return u.FailingSince
	}
	return u.Since
}

// hostSentence says how a host is.
func hostSentence(u *adminapi.Upstream) string {
	why := ""
	if u.Reason != "" {
		why = ": " + u.Reason
	}
	switch u.State {
	case hostEjected:
		if u.EjectionsInRow > 1 {
			return fmt.Sprintf("upstream %s is ejected, %d times since %s (%s), now for another %s%s", u.Name, u.EjectionsInRow, clockText(u.FailingSince), span(u.FailingSeconds), span(u.RemainingSeconds), why)
		}
		return fmt.Sprintf("upstream %s is ejected since %s, for another %s%s", u.Name, clockText(u.Since), span(u.RemainingSeconds), why)
	case hostUnwell:
		return fmt.Sprintf("upstream %s fails its check since %s (%s)%s", u.Name, clockText(u.Since), span(u.SinceSeconds), why)
	case hostSlowStart:
		return fmt.Sprintf("upstream %s is back for %s and gets %s of its usual requests", u.Name, span(u.SinceSeconds), percentText(u.Share))
	}
	if u.ConsecutiveFailures > 0 {
		return fmt.Sprintf("upstream %s is active, and has failed %s in a row (%s)", u.Name, counted(uint64(u.ConsecutiveFailures), "time", "times"), u.LastError.Class)
	}
	return fmt.Sprintf("upstream %s is well: active for %s", u.Name, span(u.SinceSeconds))
}
