package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func (e *explanation) breaker(name string) {
	b := partOf(e.status.Breakers, name, breakerName)
	if e.one != nil {
		b = e.one
	}
	reopens := b.State == "closed" && openOfLate(e.status, name)
	e.Well = b.State == "closed" && b.Override.State == "" && !reopens
	takes := e.users(func(g *adminapi.Guard) bool { return g.Breaker == name }, behindBreaker)
	switch {
	case b.Override.State != "":
		e.Since = b.Override.Since
		e.Verdict = "breaker " + name + " is " + overrideText(b) + (&verdict{Status: e.status}).impact(takes)
	case reopens:
		e.Since = earliest(e.status.Guards, name)
		e.Verdict = reopeningSentence(b) + (&verdict{Status: e.status}).impact(takes)
		e.try("events --name "+quoted(name)+" --since 30m", "how often it opened, and why each time")
	case !e.Well:
		e.Since = outageSince(e.status, b)
		e.Verdict = e.ofGroup(b) + (&verdict{Status: e.status}).impact(takes)
	default:
		e.Verdict = "breaker " + name + " is well: closed for " + span(b.SinceSeconds) + countedText(b.Counted)
		if b.Group {
			e.Verdict = fmt.Sprintf("breaker %s is well: none of its %d members is open", name, b.MemberCount)
		}
	}
	e.numbersOf(b)
	e.classesOf(b)
	for i := range e.status.Routes {
		if r := &e.status.Routes[i]; partOf(e.status.Guards, r.Guard, guardName).Breaker == name {
			e.detail(r)
		}
	}
	e.latestErrors()
	for i := range b.Members {
		if m := &b.Members[i]; m.State != "closed" || m.Override.State != "" {
			e.part("member", m.Member, false, breakerState(m))
		}
	}
	if !e.Well {
		e.tryForBreaker(b)
	}
}

// detail adds to the classes of a breaker what a route knows of the same failures: the text of
// one of them. Others are listed beside.
func (e *explanation) detail(r *adminapi.Route) {
	for _, f := range r.Failures {
		i := slices.IndexFunc(e.Errors, func(v adminapi.WhyError) bool {
			return v.Class == f.Class || strings.HasPrefix(v.Class, "status_") && strings.HasPrefix(f.Class, "status_")
		})
		if i < 0 {
			e.error(f.Class, f.Count, f.Last, "route "+r.Name, f.Reason)
		} else if e.Errors[i].Detail == "" {
			e.Errors[i].Detail, e.Errors[i].Where = f.Reason, "route "+r.Name
		}
	}
}

// ofGroup says what is wrong with a breaker, of a group with its worst member.
func (e *explanation) ofGroup(b *adminapi.Breaker) string {
	if !b.Group {
		return outageSentence(e.status, b)
	}
	open := 0
	for i := range b.Members {
		if b.Members[i].State != "closed" {
			open++
		}
	}
	text := fmt.Sprintf("%d of %d members of breaker %s are not closed", open, b.MemberCount, b.Name)
	if len(b.Members) > 0 {
		worst := b.Members[0]
		worst.Name = b.Name + "/" + worst.Member
		text += "; the worst: " + breakerSentence(&worst)
	}
	return text
}

// numbersOf adds what a breaker counted against its thresholds: what its window holds, or
// what opened it.
func (e *explanation) numbersOf(b *adminapi.Breaker) {
	facts, bad := b.Counted, false
	if b.State != "closed" {
		facts, bad = b.OpenedBy, true
	}
	for _, f := range facts {
		note := ""
		if bad {
			note = "when it opened"
		}
		switch {
		case f.Name == "config_revision":
		case f.Bounded:
			e.against(spacedKind(f.Name), f.Value, f.Limit, f.Unit, bad && f.Name != "calls", note)
		default:
			e.number(spacedKind(f.Name), f.Value, f.Unit, false, "")
		}
	}
	if b.State != "closed" {
		e.number("failed probes", float64(b.Outage.FailedProbes), "", b.Outage.FailedProbes > 0, "since then")
		e.number("retry in", b.RetryAfterSeconds, "seconds", false, "when the next call is let through as a probe")
	}
	e.number("cooldown", b.CooldownSeconds, "seconds", false, "as configured")
	e.number("refused", float64(b.Refused), "", false, "since the start")
}

// users lists the guards that match, and the routes through them, with how they are. The
// result are those that suffer.
func (e *explanation) users(of, suffers func(*adminapi.Guard) bool) (takes []string) {
	for i := range e.status.Guards {
		g := &e.status.Guards[i]
		if !of(g) {
			continue
		}
		e.part("guard", g.Name, g.Recent.Trouble == "", recentState(&g.Recent))
		if suffers(g) {
			takes = append(takes, "guard "+g.Name)
		}
		for j := range e.status.Routes {
			r := &e.status.Routes[j]
			if r.Guard != g.Name {
				continue
			}
			e.part("route", r.Name, r.Recent.Trouble == "", "to "+r.Upstream+", "+recentState(&r.Recent))
			if suffers(g) && r.Recent.Trouble != "" {
				takes = append(takes, "route "+r.Name)
			}
		}
	}
	return takes
}

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
	e.number("limit", float64(l.Limit), "", false, "for each key in "+took(l.PerSeconds))
	e.number("burst", float64(l.Burst), "", false, "")
	e.against("keys", float64(l.Keys), float64(l.MaxKeys), "", l.Overflowed > 0, "counted one by one")
	if l.Overflowed > 0 {
		e.number("overflowed", float64(l.Overflowed), "", true, "calls that shared one bucket, because there was no room for their key")
	}
	if l.Waiting > 0 {
		e.number("waiting", float64(l.Waiting), "", false, "calls that wait for their turn")
	}
	e.number("denied", float64(l.Denied), "", false, "since the start")
	e.number("allowed", float64(l.Allowed), "", false, "since the start")
	e.denied(l)
	if !e.Well {
		e.tryForLimit(l)
	}
}

// worstOr is the guard, or one of the last minute if there is none.
func worstOr(g *adminapi.Guard) *adminapi.Guard {
	if g.Name == "" {
		return &adminapi.Guard{Recent: adminapi.Recent{Source: sourceMinute, WindowSeconds: 60}}
	}
	return g
}

// poolCodes are what a guard refuses with when its pool has no worker.
var poolCodes = []fault.Code{fault.PoolTimeout, fault.PoolFull, fault.WorkerFailed}

func (e *explanation) pool(name string) {
	p := partOf(e.status.Pools, name, poolName)
	takes := e.users(func(g *adminapi.Guard) bool { return g.Pool == name }, func(g *adminapi.Guard) bool {
		return slices.ContainsFunc(poolCodes, func(c fault.Code) bool { return refusesFor(g, c) })
	})
	e.Well = !p.Degraded && len(takes) == 0
	for _, part := range takes {
		if g := partOf(e.status.Guards, part[min(len(part), len("guard ")):], guardName); e.Since.IsZero() && g.Name != "" {
			e.Since = g.Recent.Since
		}
	}
	switch {
	case p.Degraded:
		e.Verdict = "pool " + name + " cannot make workers: " + p.LastError + (&verdict{Status: e.status}).impact(takes)
	case !e.Well:
		e.Verdict = "pool " + name + " has no free worker: " + poolUse(p) + (&verdict{Status: e.status}).impact(takes)
	default:
		e.Verdict = "pool " + name + " is well: " + poolUse(p)
	}
	e.against("lent", float64(p.CheckedOut), float64(p.Size+p.MaxOverflow), "", p.CheckedOut >= p.Size+p.MaxOverflow, fmt.Sprintf("%d and %d beyond that", p.Size, p.MaxOverflow))
	e.number("idle", float64(p.Idle), "", false, "")
	e.number("waiting", float64(p.Waiting), "", p.Waiting > 0, "calls that wait for a worker")
	e.number("oldest checkout", p.OldestCheckoutSeconds, "seconds", !e.Well && !p.Degraded, "")
	e.number("wait p99", p.WaitP99Seconds, "seconds", false, "since the start")
	e.number("hold p99", p.HoldP99Seconds, "seconds", false, "since the start")
	e.number("timeouts", float64(p.Timeouts), "", false, "since the start")
	e.number("full", float64(p.Full), "", false, "since the start")
	e.number("failed starts", float64(p.CreateFailures), "", p.Degraded, fmt.Sprintf("of workers, since the start; %d were made", p.Created))
	if p.Leaked > 0 {
		e.number("leaked", float64(p.Leaked), "", true, "workers that were lent for too long")
	}
	for i := range e.status.Guards {
		if g := &e.status.Guards[i]; g.Pool == name && g.InFlight > 0 {
			e.Holders = append(e.Holders, adminapi.Holder{Kind: "guard", Name: g.Name, Held: g.InFlight})
		}
	}
	if len(e.Holders) > 0 { // of one of them: which is not known
		e.Holders[0].OldestSeconds = map[bool]float64{true: p.OldestCheckoutSeconds}[len(e.Holders) == 1]
	}
	if !e.Well {
		e.tryForPool(p)
	}
}

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
