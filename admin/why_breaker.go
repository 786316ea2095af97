package admin

import (
	"fmt"
	"slices"
	"strings"

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
