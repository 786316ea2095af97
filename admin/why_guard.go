package admin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func partOf[T any](parts []T, name string, of func(*T) string) *T {
	for i := range parts {
		if of(&parts[i]) == name {
			return &parts[i]
		}
	}
	return new(T)
}

func guardName(v *adminapi.Guard) string     { return v.Name }
func routeName(v *adminapi.Route) string     { return v.Name }
func poolName(v *adminapi.Pool) string       { return v.Name }
func limitName(v *adminapi.RateLimit) string { return v.Name }

func breakerName(v *adminapi.Breaker) string { return v.Name }

func (e *explanation) guard(name string) {
	g := partOf(e.status.Guards, name, guardName)
	r := &g.Recent
	e.Well, e.Since = r.Trouble == "" && spent(g) == nil, r.Since
	switch {
	case !e.Well && r.Trouble == "":
		e.Verdict = spentSentence(g)
	case e.Well && r.Source == sourceStart:
		e.Verdict = fmt.Sprintf("guard %s: what it does now is not known, because nothing keeps the last minute while performance is off; %s", name, sinceStart(r))
	case e.Well:
		e.Verdict = wellSentence("guard "+name, r)
	default:
		e.Verdict = guardSentence(e.status, g)
	}
	e.recent(r)
	if g.Concurrency > 0 {
		e.against("in flight", float64(g.InFlight), float64(g.Concurrency), "", r.Trouble == troubleFull, "places of concurrency")
	} else {
		e.number("in flight", float64(g.InFlight), "", false, "without a bound: concurrency is not set")
	}
	if g.Detached > 0 {
		e.number("detached", float64(g.Detached), "", true, "calls that ran past their time and have not ended")
	}
	if g.TimeoutSeconds > 0 {
		e.against("p99", r.P99Seconds, g.TimeoutSeconds, "seconds", r.TimedOut > 0 && r.Trouble == troubleFails, "against the timeout")
	}
	e.partsOfGuard(g)
	e.retriesOf(g)
	e.hedgesOf(g)
	e.routesOf(g)
	e.errorsOf(g)
	e.deniedBy(g)
	switch {
	case name == sharedGuard:
		e.sharedStore()
	case !e.Well:
		e.tryForGuard(g)
	}
	e.alerts("guard", name)
}

// sinceStart sums up what is known where no minutes are kept.
func sinceStart(r *adminapi.Recent) string {
	if r.Calls == 0 {
		return "it had no calls since the start"
	}
	return fmt.Sprintf("since the start %s of %d calls failed and %s were refused", percentText(shareOf(r.Failed+r.TimedOut, r.Calls)), r.Calls, percentText(shareOf(r.Refused, r.Calls)))
}

func shareOf(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// wellSentence says with the numbers that nothing is wrong.
func wellSentence(subject string, r *adminapi.Recent) string {
	window := windowText(r.WindowSeconds)
	if r.Calls == 0 {
		return subject + " is well: it had no calls " + window
	}
	text := fmt.Sprintf("%s is well: %s of %s succeeded %s", subject, percentText(shareOf(r.Succeeded, r.Calls)), counted(r.Calls, "call", "calls"), window)
	if r.Succeeded > 0 {
		text += fmt.Sprintf(", half of them within %s and 99 in 100 within %s", took(r.P50Seconds), took(r.P99Seconds))
	}
	return text
}

// recent adds the numbers of the last minute against what makes them notable.
func (e *explanation) recent(r *adminapi.Recent) {
	about := windowText(r.WindowSeconds)
	if r.Source == sourceStart {
		about = "since the start"
	} else {
		e.number("rate", r.Rate, "per_second", false, "")
	}
	e.number("calls", float64(r.Calls), "", false, about)
	of := func(name string, calls uint64, least float64, bad bool, note string) {
		e.against(name, shareOf(calls, r.Calls), least, "ratio", bad, fmt.Sprintf("%d of %d%s", calls, r.Calls, note))
	}
	of("failed", r.Failed+r.TimedOut, failedShare, r.Trouble == troubleFails, split(r.FailedBy, r.TimedOut))
	of("refused", r.Refused, refusedShare, r.Trouble == troubleRefuses || r.Trouble == troubleFull, split(r.RefusedBy, 0)+noTrouble(r))
	of("given up", r.Canceled, leftShare, r.Trouble == troubleLeave, " by their callers")
	if r.UsualP90Seconds > 0 {
		e.against("p90", r.P90Seconds, slowTimes*r.UsualP90Seconds, "seconds", r.Trouble == troubleSlow, "was "+took(r.UsualP90Seconds)+" in the ten minutes before")
	} else {
		e.number("p50", r.P50Seconds, "seconds", false, "")
	}
}

// split lists what a number is made of.
func split(by map[string]uint64, timedOut uint64) string {
	var parts []string
	for _, k := range slices.SortedFunc(maps.Keys(by), func(x, y string) int {
		if by[x] != by[y] {
			return int(int64(by[y]) - int64(by[x]))
		}
		return strings.Compare(x, y)
	}) {
		if by[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, by[k]))
		}
	}
	if timedOut > 0 && by["timeout"] == 0 {
		parts = append(parts, fmt.Sprintf("%s %d", fault.CallTimeout, timedOut))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// partsOfGuard says how the parts are that a guard asks.
func (e *explanation) partsOfGuard(g *adminapi.Guard) {
	if g.Breaker != "" {
		b := partOf(e.status.Breakers, g.Breaker, breakerName)
		e.part("breaker", g.Breaker, b.State == "closed" && b.Override.State == "", breakerState(b))
	}
	if g.RateLimit != "" {
		l := partOf(e.status.RateLimits, g.RateLimit, limitName)
		denied := g.Recent.RefusedBy[fault.RateLimited.String()]
		e.part("rate_limit", g.RateLimit, !refusesFor(g, fault.RateLimited), fmt.Sprintf("%s; %s calls of this guard %s", limitText(l), counted64(denied, "denied no", "denied"), windowOf(&g.Recent)))
	}
	if g.Pool != "" {
		p := partOf(e.status.Pools, g.Pool, poolName)
		e.part("pool", g.Pool, !p.Degraded && p.State != "full", p.State+", "+poolUse(p))
	}
}

func counted64(n uint64, none, some string) string {
	if n == 0 {
		return none
	}
	return fmt.Sprintf("%s %d", some, n)
}

func windowOf(r *adminapi.Recent) string {
	if r.Source == sourceStart {
		return "since the start"
	}
	return windowText(r.WindowSeconds)
}

func limitText(l *adminapi.RateLimit) string {
	return fmt.Sprintf("%d per %s for each key", l.Limit, took(l.PerSeconds))
}

// breakerState says in a few words how a breaker is.
func breakerState(b *adminapi.Breaker) string {
	switch {
	case b.Override.State != "":
		return overrideText(b)
	case b.State == "closed":
		return "closed" + countedText(b.Counted)
	case b.Outage.Began.IsZero():
		return b.State
	}
	return strings.TrimPrefix(breakerSentence(b), "breaker "+b.Name+" is ")
}

func countedText(facts []adminapi.Fact) string {
	var parts []string
	for _, f := range facts {
		if f.Bounded && f.Name != "calls" {
			parts = append(parts, fmt.Sprintf("%s %.3g of %.3g", spacedKind(f.Name), f.Value, f.Limit))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ", " + strings.Join(parts, ", ")
}

// routesOf adds the routes through a guard: as its parts, and as holders of its places.
func (e *explanation) routesOf(g *adminapi.Guard) {
	held := int64(0)
	for i := range e.status.Routes {
		r := &e.status.Routes[i]
		if r.Guard != g.Name {
			continue
		}
		e.part("route", r.Name, r.Recent.Trouble == "", "to "+r.Upstream+", "+recentState(&r.Recent))
		if r.InFlight > 0 {
			held += r.InFlight
			e.Holders = append(e.Holders, adminapi.Holder{Kind: "route", Name: r.Name, Held: r.InFlight, OldestSeconds: r.OldestSeconds})
		}
	}
	if rest := g.InFlight - held; rest > 0 {
		e.Holders = append(e.Holders, adminapi.Holder{Kind: "program", Name: "calls of the program itself", Held: rest})
	}
	slices.SortStableFunc(e.Holders, func(x, y adminapi.Holder) int { return int(y.Held - x.Held) })
}

// recentState says in a few words what was done of late.
func recentState(r *adminapi.Recent) string {
	switch {
	case r.Calls == 0:
		return "no calls " + windowOf(r)
	case r.Trouble == "":
		return fmt.Sprintf("%s of %d calls succeeded", percentText(shareOf(r.Succeeded, r.Calls)), r.Calls)
	case r.Trouble == troubleSlow:
		return fmt.Sprintf("slow: p90 %s, was %s", took(r.P90Seconds), took(r.UsualP90Seconds))
	}
	text := fmt.Sprintf("%s of %d calls %s", percentText(r.Share), r.Calls,
		map[string]string{troubleFull: "refused", troubleRefuses: "refused", troubleFails: "fail", troubleLeave: "given up"}[r.Trouble])
	if r.Reason != "" && r.Trouble != troubleLeave {
		text += " (" + r.Reason + ")"
	}
	return text
}

// errorsOf collects the failures behind a guard: as its routes know them, or its breaker.
func (e *explanation) errorsOf(g *adminapi.Guard) {
	for i := range e.status.Routes {
		if r := &e.status.Routes[i]; r.Guard == g.Name {
			e.failuresOf(r)
		}
	}
	if len(e.Errors) == 0 && g.Breaker != "" {
		e.classesOf(partOf(e.status.Breakers, g.Breaker, breakerName))
	}
	e.latestErrors()
}

func (e *explanation) failuresOf(r *adminapi.Route) {
	for _, f := range r.Failures {
		e.error(f.Class, f.Count, f.Last, "route "+r.Name, f.Reason)
	}
}

func (e *explanation) classesOf(b *adminapi.Breaker) {
	for _, c := range b.LastErrors {
		e.error(c.Class, c.Count, c.Last, "breaker "+b.Name, "")
	}
}

// deniedBy adds the keys that the rate limit of a guard denies, if that is what is wrong.
func (e *explanation) deniedBy(g *adminapi.Guard) {
	if g.RateLimit != "" && g.Recent.RefusedBy[fault.RateLimited.String()] > 0 {
		e.denied(partOf(e.status.RateLimits, g.RateLimit, limitName))
	}
}

// shownKeys bounds the denied keys of an explanation.
const shownKeys = 5

func (e *explanation) denied(l *adminapi.RateLimit) {
	for _, k := range l.TopDenied[:min(len(l.TopDenied), shownKeys)] {
		e.Denied = append(e.Denied, adminapi.Denied{
			Key: k.Key, Denied: k.Denied, Share: min(1, shareOf(k.Denied, l.Denied)), Last: k.Last, AgoSeconds: max(0, e.now.Sub(k.Last).Seconds()), Override: k.Override,
		})
	}
}
