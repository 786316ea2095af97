package admin

import (
	"fmt"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (e *explanation) rateLimit(name string) {
	l := partOf(e.status.RateLimits, name, limitName)
	takes := e.users(func(g *adminapi.Guard) bool { return g.RateLimit == name }, func(g *adminapi.Guard) bool { return refusesFor(g, fault.RateLimited) })
	var calls, denied uint64
	worst := new(adminapi.Guard)
	for i := range e.status.Guards {
		g := &e.status.Guards[i]
		if g.RateLimit != name || g.Recent.Source != sourceMinute {
			continue
		}
		n := g.Recent.RefusedBy[fault.RateLimited.String()]
		calls, denied = calls+g.Recent.Calls, denied+n
		if refusesFor(g, fault.RateLimited) && g.Recent.Share > worst.Recent.Share {
			worst = g
		}
	}
	e.Well, e.Since = len(takes) == 0, worst.Recent.Since
	if e.Well {
		e.Verdict = fmt.Sprintf("rate limit %s is well: it denied %d of %s %s, and %s since the start", name, denied, counted(calls, "call", "calls"), windowOf(&worstOr(worst).Recent), counted(l.Denied, "call", "calls"))
	} else {
		e.Verdict = fmt.Sprintf("rate limit %s denies %s of %d calls %s%s", name, percentText(shareOf(denied, calls)), calls, windowText(worst.Recent.WindowSeconds), deniedText(e.status, name)) + sinceText(worst.Recent.Since, worst.Recent.SinceSeconds)
	}
	e.against("denied", shareOf(denied, calls), refusedShare, "ratio", !e.Well, fmt.Sprintf("%d of %d calls of its guards, of late", denied, calls))
	e.number("limit", float64(l.Limit), "", false, "for each key in "+took(l.PerSeconds)+notEnforced(l.Mode))
	e.number("burst", float64(l.Burst), "", false, "")
	if l.Overrides > 0 {
		e.number("overrides", float64(l.Overrides), "", false, "keys that have numbers of their own, or are exempt")
	}
	if l.Scope != "shared" {
		e.against("keys", float64(l.Keys), float64(l.MaxKeys), "", l.Overflowed > 0, "counted one by one")
	}
	if l.Overflowed > 0 {
		e.number("overflowed", float64(l.Overflowed), "", true, "calls that shared one bucket, because there was no room for their key")
	}
	if l.Waiting > 0 {
		e.number("waiting", float64(l.Waiting), "", false, "calls that wait for their turn")
	}
	e.number("denied", float64(l.Denied), "", false, "since the start")
	e.number("allowed", float64(l.Allowed), "", false, "since the start")
	if l.Parent != "" {
		p := partOf(e.status.RateLimits, l.Parent, limitName)
		e.part("rate_limit", l.Parent, true, fmt.Sprintf("%s; must allow each call as well, and denied %s since the start", limitText(p), counted(p.Denied, "call", "calls")))
	}
	e.denied(l)
	denies := !e.Well
	e.sharedRule(l)
	if denies {
		e.tryForLimit(l)
	}
}

// notEnforced says that a rule refuses nothing.
func notEnforced(m string) string {
	switch m {
	case "shadow":
		return "; in shadow mode: it refuses nothing"
	case "off":
		return "; off: it counts nothing"
	}
	return ""
}

// worstOr is the guard, or one of the last minute if there is none.
func worstOr(g *adminapi.Guard) *adminapi.Guard {
	if g.Name == "" {
		return &adminapi.Guard{Recent: adminapi.Recent{Source: sourceMinute, WindowSeconds: 60}}
	}
	return g
}
