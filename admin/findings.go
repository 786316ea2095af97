package admin

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// One outage is one finding: it names the root, and what the root takes with it is not told
// again.

// cover marks the guards that match, and the routes through them, as told, and lists them.
func (s *verdict) cover(matches func(*adminapi.Guard) bool) (takes []string) {
	for i := range s.Guards {
		if g := &s.Guards[i]; matches(g) {
			s.covered["guard "+g.Name] = true
			takes = append(takes, "guard "+g.Name)
		}
	}
	return append(takes, s.coverRoutes()...)
}

// coverRoutes marks and lists the routes in trouble whose guard is told.
func (s *verdict) coverRoutes() (takes []string) {
	for i := range s.Routes {
		r := &s.Routes[i]
		if s.covered["guard "+r.Guard] && !s.covered["route "+r.Name] {
			s.covered["route "+r.Name] = true
			if r.Recent.Trouble != "" {
				takes = append(takes, "route "+r.Name)
			}
		}
	}
	return takes
}

// coversOperation reports whether what an operation of the monitor belongs to is told.
func (s *verdict) coversOperation(name string) bool {
	if route, is := strings.CutPrefix(name, routeOperation); is {
		return s.covered["route "+route]
	}
	if rest, is := strings.CutPrefix(name, "pool:"); is {
		pool, _, _ := strings.Cut(rest, ":")
		return s.covered["pool "+pool]
	}
	return s.covered["guard "+name]
}

func (s *verdict) judgeBreakers() {
	for i := range s.Breakers {
		b := &s.Breakers[i]
		if s.tells(b.Name) {
			continue
		}
		switch {
		case b.Override.State != "":
			s.overridden(b)
		case b.State != breaker.StateClosed.String():
			s.opened(b)
		case openOfLate(s.Status, b.Name):
			s.reopening(b)
		}
	}
}

// tells reports whether what is wrong with a guard or a breaker of the layer itself is how what stands
// behind it being away shows, which is told by itself.
func (s *verdict) tells(name string) bool {
	if name == sharedGuard {
		return s.Shared.Away != "" || s.Shared.AwayInAllSeconds > 0 && elapsed(s.Shared.Since) < recentWindow.Seconds()+10
	}
	return s.Storage.Away != "" && strings.HasPrefix(name, "foundation.")
}

// openOfLate reports whether a guard suffers from a breaker that may be closed again: one that
// opens and closes in turns is closed half of the times that somebody looks.
func openOfLate(s *adminapi.Status, name string) bool {
	return slices.ContainsFunc(s.Guards, func(g adminapi.Guard) bool { return g.Breaker == name && refusesFor(&g, fault.CircuitOpen) })
}

func (s *verdict) reopening(b *adminapi.Breaker) {
	f := adminapi.Finding{Kind: "breaker", Name: b.Name, Command: "why breaker " + quoted(b.Name), Text: reopeningSentence(b)}
	f.Takes = s.cover(func(g *adminapi.Guard) bool { return g.Breaker == b.Name && refusesFor(g, fault.CircuitOpen) })
	f.Text += s.impact(f.Takes)
	s.find(rankDegraded, f)
}

// earliest is since when guards suffer from a breaker that may be closed again.
func earliest(guards []adminapi.Guard, breaker string) (since time.Time) {
	for i := range guards {
		if g := &guards[i]; g.Breaker == breaker && refusesFor(g, fault.CircuitOpen) && (since.IsZero() || g.Recent.Since.Before(since)) {
			since = g.Recent.Since
		}
	}
	return since
}

// reopeningSentence tells of a breaker that is closed and was not a moment ago.
func reopeningSentence(b *adminapi.Breaker) string {
	text := "breaker " + b.Name + " was open of late, and is closed for " + span(b.SinceSeconds)
	if facts := countedText(b.OpenedBy); facts != "" {
		text += "; it opened with" + strings.TrimPrefix(facts, ",")
	}
	if len(b.LastErrors) > 0 {
		text += " (" + b.LastErrors[0].Class + ")"
	}
	return text
}

func (s *verdict) overridden(b *adminapi.Breaker) {
	f := adminapi.Finding{
		Kind: "breaker", Name: b.Name, Since: b.Override.Since, Command: "why breaker " + quoted(b.Name),
		Text: "breaker " + b.Name + " is " + overrideText(b),
	}
	r := rankByHand
	if b.State == breaker.StateOpen.String() {
		r = rankOutage
		f.Takes = s.cover(func(g *adminapi.Guard) bool { return g.Breaker == b.Name && refusesFor(g, fault.CircuitOpen) })
	}
	f.Text += s.impact(f.Takes)
	s.find(r, f)
}

// overrideText says who has forced a breaker, why, and until when.
func overrideText(b *adminapi.Breaker) string {
	o := &b.Override
	text := o.State + " by " + o.Actor
	if o.Reason != "" {
		text += fmt.Sprintf(" (%q)", o.Reason)
	}
	text += " for " + span(elapsed(o.Since))
	if o.Until.IsZero() {
		return text + ", until it is released"
	}
	return text + ", until " + clockText(o.Until)
}

func (s *verdict) opened(b *adminapi.Breaker) {
	f := adminapi.Finding{Kind: "breaker", Name: b.Name, Since: outageSince(s.Status, b), Command: "why breaker " + quoted(b.Name), Text: outageSentence(s.Status, b)}
	r := rankOutage
	switch {
	case b.Mode != "enforce":
		r = rankNote
	default:
		f.Takes = s.cover(func(g *adminapi.Guard) bool { return g.Breaker == b.Name && behindBreaker(g) })
	}
	f.Text += s.impact(f.Takes)
	s.find(r, f)
}

// behindBreaker reports whether what is wrong with a guard is what its open breaker tells.
func behindBreaker(g *adminapi.Guard) bool {
	switch g.Recent.Trouble {
	case troubleFails:
		return true
	case troubleRefuses:
		return g.Recent.Reason == fault.CircuitOpen.String()
	}
	return false
}

func refusesFor(g *adminapi.Guard, code fault.Code) bool {
	return g.Recent.Trouble == troubleRefuses && g.Recent.Reason == code.String()
}

// impact says what a root cause takes with it, the guards with their numbers.
func (s *verdict) impact(takes []string) string {
	if len(takes) == 0 {
		return ""
	}
	parts := make([]string, 0, len(takes))
	for _, part := range takes {
		name, is := strings.CutPrefix(part, "guard ")
		i := slices.IndexFunc(s.Guards, func(g adminapi.Guard) bool { return g.Name == name })
		if is && i >= 0 && s.Guards[i].Recent.Trouble != "" {
			r := &s.Guards[i].Recent
			part += fmt.Sprintf(" (%s of %d calls %s)", percentText(r.Share), r.Calls, map[string]string{troubleFails: "fail"}[r.Trouble]+map[string]string{troubleRefuses: "refused", troubleFull: "refused"}[r.Trouble])
		}
		parts = append(parts, part)
	}
	return "; it takes with it " + strings.Join(parts, ", ")
}

// breakerSentence says what a breaker that is not closed does, since when and why.
func breakerSentence(b *adminapi.Breaker) string {
	text := "breaker " + b.Name + " is " + b.State
	if b.Mode == "shadow" {
		text += " and only watches, in shadow mode,"
	}
	o := &b.Outage
	if o.Began.IsZero() {
		return text + " for " + span(b.SinceSeconds)
	}
	text += " for " + span(o.BeganSeconds) + ": began " + clockText(o.Began)
	if why := causeText(b.Outage.Cause, b.OpenedBy); why != "" {
		text += " with " + why
	}
	if o.Error != "" {
		text += " (" + o.Error + ")"
	}
	if o.FailedProbes > 0 {
		text += "; last probe failed " + span(o.LastProbeAgoSeconds) + " ago"
		if o.LastProbeError != "" {
			text += ": " + o.LastProbeError
		}
	}
	return text
}

// outageSentence is breakerSentence for a breaker whose outage may have begun before it opened
// last: one that a probe closes while its dependency is still unwell opens again and again.
func outageSentence(s *adminapi.Status, b *adminapi.Breaker) string {
	text, since := breakerSentence(b), outageSince(s, b)
	if !since.Before(troubleSince(b)) {
		return text
	}
	return "breaker " + b.Name + " opens again and again since " + clockText(since) + " (" + span(elapsed(since)) + "): it" + strings.TrimPrefix(text, "breaker "+b.Name)
}

// outageSince is since when calls are refused for a breaker that is not closed.
func outageSince(s *adminapi.Status, b *adminapi.Breaker) time.Time {
	began := troubleSince(b)
	if since := earliest(s.Guards, b.Name); !since.IsZero() && began.Sub(since) > reopenedAfter {
		return since
	}
	return began
}

// reopenedAfter is how much longer than its breaker is open a guard must have refused calls:
// when a trouble began is known to some seconds only.
const reopenedAfter = 3 * time.Second

// causeText words what opened a breaker, as in "62 % of 118 calls failed".
func causeText(cause string, facts []adminapi.Fact) string {
	of := func(name string) adminapi.Fact {
		for _, f := range facts {
			if f.Name == name {
				return f
			}
		}
		return adminapi.Fact{}
	}
	switch cause {
	case "failure_threshold":
		return counted(uint64(of("failures").Value), "failure", "failures") + " within " + took(of("window").Value)
	case "consecutive_failures":
		return counted(uint64(of("consecutive_failures").Value), "failure", "failures") + " in a row"
	case "failure_ratio":
		return fmt.Sprintf("%s of %.0f calls failed", percentText(of("failure_ratio").Value), of("calls").Value)
	case "slow_ratio":
		return fmt.Sprintf("%s of %.0f calls slow", percentText(of("slow_ratio").Value), of("calls").Value)
	}
	return ""
}

// troubleSince is since when a breaker is not closed.
func troubleSince(b *adminapi.Breaker) time.Time {
	if !b.Outage.Began.IsZero() {
		return b.Outage.Began
	}
	return b.Since
}

func (s *verdict) judgePools() {
	for i := range s.Pools {
		p := &s.Pools[i]
		f := adminapi.Finding{Kind: "pool", Name: p.Name, Command: "why pool " + quoted(p.Name)}
		uses := func(codes ...fault.Code) []string {
			return s.cover(func(g *adminapi.Guard) bool {
				return g.Pool == p.Name && slices.ContainsFunc(codes, func(c fault.Code) bool { return refusesFor(g, c) })
			})
		}
		r := rankDegraded
		if p.Degraded {
			r, f.Text, f.Takes = rankOutage, "pool "+p.Name+" cannot make workers", uses(fault.WorkerFailed, fault.PoolTimeout, fault.PoolFull)
		} else if f.Takes = uses(fault.PoolTimeout, fault.PoolFull); len(f.Takes) > 0 {
			f.Text = "pool " + p.Name + " has no free worker: " + poolUse(p)
		} else {
			continue
		}
		s.covered["pool "+p.Name] = true
		f.Text += s.impact(f.Takes)
		s.find(r, f)
	}
}

func poolUse(p *adminapi.Pool) string {
	text := fmt.Sprintf("%d of %d are lent", p.CheckedOut, p.Size+p.MaxOverflow)
	if p.OldestCheckoutSeconds > 0 {
		text += ", the oldest for " + span(p.OldestCheckoutSeconds)
	}
	if p.Waiting > 0 {
		text += ", " + counted(uint64(p.Waiting), "call waits", "calls wait")
	}
	return text
}

func (s *verdict) judgeGuards() {
	for i := range s.Guards {
		g := &s.Guards[i]
		if g.Recent.Trouble == "" || s.covered["guard "+g.Name] || s.tells(g.Name) {
			continue
		}
		s.covered["guard "+g.Name] = true
		f := adminapi.Finding{Kind: "guard", Name: g.Name, Since: g.Recent.Since, Command: "why guard " + quoted(g.Name), Text: guardSentence(s.Status, g)}
		f.Takes = s.coverRoutes()
		f.Text += s.impact(f.Takes)
		s.find(rankOf(&g.Recent), f)
	}
}

func rankOf(r *adminapi.Recent) rank {
	switch {
	case r.Trouble == troubleLeave || r.Trouble == troubleSlow:
		return rankSlow
	case r.Share >= 0.5:
		return rankOutage
	}
	return rankDegraded
}

// guardSentence says what is wrong with a guard that is in trouble.
func guardSentence(s *adminapi.Status, g *adminapi.Guard) string {
	r := &g.Recent
	subject := "guard " + g.Name
	if r.Trouble == troubleFull {
		text := fmt.Sprintf("guard %s is full: %d of %d places are taken, and %s of %d calls were refused %s", g.Name, g.InFlight, g.Concurrency, percentText(r.Share), r.Calls, windowText(r.WindowSeconds))
		if g.InFlight < int64(g.Concurrency) {
			text = fmt.Sprintf("guard %s was full: %s of %d calls were refused %s (%s); %d of %d places are taken now", g.Name, percentText(r.Share), r.Calls, windowText(r.WindowSeconds), r.Reason, g.InFlight, g.Concurrency)
		}
		text += adaptiveText(&g.AdaptiveConcurrency) + sinceText(r.Since, r.SinceSeconds)
		if holders := holdersText(s, g); holders != "" {
			text += "; " + holders
		}
		return text
	}
	return recentSentence(subject, r, guardReason(s, g)) + sinceText(r.Since, r.SinceSeconds) + spentText(g)
}

// recentSentence says what is wrong with a guard or a route by its last minute.
func recentSentence(subject string, r *adminapi.Recent, reason string) string {
	window := windowText(r.WindowSeconds)
	if reason != "" {
		reason = " (" + reason + ")"
	}
	switch r.Trouble {
	case troubleFull, troubleRefuses:
		return fmt.Sprintf("%s refuses %s of %d calls %s%s", subject, percentText(r.Share), r.Calls, window, reason)
	case troubleFails:
		return fmt.Sprintf("%s: %s of %d calls fail %s%s", subject, percentText(r.Share), r.Calls, window, reason)
	case troubleLeave:
		return fmt.Sprintf("%s: clients leave: %s of %d calls were given up by their callers %s%s", subject, percentText(r.Share), r.Calls, window, slowness(r))
	case troubleSlow:
		return fmt.Sprintf("%s is slow: one call in ten takes %s or longer %s, %s in the ten minutes before", subject, took(r.P90Seconds), window, took(r.UsualP90Seconds))
	}
	return subject + " is well"
}

// slowness says how long calls take that their callers wait for, next to what was usual.
func slowness(r *adminapi.Recent) string {
	switch {
	case r.Succeeded == 0:
		return ", and none succeeded"
	case r.UsualP90Seconds > 0:
		return fmt.Sprintf("; one in ten takes %s or longer, %s in the ten minutes before", took(r.P90Seconds), took(r.UsualP90Seconds))
	}
	return fmt.Sprintf("; half of the others take %s or longer", took(r.P50Seconds))
}

// guardReason says by what, or with which class of errors, a guard refuses or fails.
func guardReason(s *adminapi.Status, g *adminapi.Guard) string {
	r := &g.Recent
	switch {
	case r.Trouble == troubleFails && r.Reason == fault.CallTimeout.String():
		return r.Reason + " after " + took(g.TimeoutSeconds)
	case r.Trouble == troubleFails:
		return failureClass(s, g)
	case r.Reason == fault.RateLimited.String():
		return "rate_limited by " + g.RateLimit + deniedText(s, g.RateLimit)
	case r.Reason == fault.Unavailable.String() && partOf(s.RateLimits, g.RateLimit, limitName).OnError == shared.Deny.String():
		return "unavailable: " + g.RateLimit + " refuses every call while its store is away" + backText(&s.Shared)
	}
	return r.Reason
}

// deniedText names the key that a rule denies most, if one stands out.
func deniedText(s *adminapi.Status, rule string) string {
	for i := range s.RateLimits {
		l := &s.RateLimits[i]
		if l.Name != rule || len(l.TopDenied) == 0 || l.Denied == 0 {
			continue
		}
		if k := &l.TopDenied[0]; 2*(k.Denied-min(k.Denied, k.AtMostTooMany)) >= l.Denied {
			return fmt.Sprintf("; key %s has %s of what it denied", shortKey(k.Key), percentText(min(1, float64(k.Denied)/float64(l.Denied))))
		}
	}
	return ""
}

// shortKey keeps a key from filling the line.
func shortKey(key string) string {
	if r := []rune(key); len(r) > 40 {
		return string(r[:20]) + "…" + string(r[len(r)-19:])
	}
	return key
}

// failureClass names the class of most failures of late behind a guard: as its routes know
// it, or its breaker.
func failureClass(s *adminapi.Status, g *adminapi.Guard) string {
	classes := map[string]uint64{}
	for i := range s.Routes {
		if s.Routes[i].Guard == g.Name {
			for class, n := range s.Routes[i].Recent.FailedBy {
				classes[class] += n
			}
		}
	}
	if class, _ := most(classes); class != "" {
		return class
	}
	for i := range s.Breakers {
		if b := &s.Breakers[i]; b.Name == g.Breaker && len(b.LastErrors) > 0 {
			return b.LastErrors[0].Class
		}
	}
	return ""
}

// holdersText says through which routes the calls in flight came.
func holdersText(s *adminapi.Status, g *adminapi.Guard) string {
	var parts []string
	for i := range s.Routes {
		if r := &s.Routes[i]; r.Guard == g.Name && r.InFlight > 0 {
			text := fmt.Sprintf("route %s holds %d", r.Name, r.InFlight)
			if r.OldestSeconds >= 1 {
				text += ", the oldest for " + span(r.OldestSeconds)
			}
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ", ")
}

func (s *verdict) judgeRoutes() {
	for i := range s.Routes {
		r := &s.Routes[i]
		if r.Recent.Trouble == "" || s.covered["route "+r.Name] {
			continue
		}
		s.covered["route "+r.Name] = true
		s.find(rankOf(&r.Recent), adminapi.Finding{
			Kind: "route", Name: r.Name, Since: r.Recent.Since, Command: "why route " + quoted(r.Name),
			Text: recentSentence("route "+r.Name, &r.Recent, routeReason(r)) + sinceText(r.Recent.Since, r.Recent.SinceSeconds),
		})
	}
}

// routeReason is the class of most failures of a route, or the code of most refusals.
func routeReason(r *adminapi.Route) string {
	if r.Recent.Trouble == troubleFails && r.Recent.Reason == "" {
		return "status_5xx"
	}
	return r.Recent.Reason
}

// reloadFinding says why the file that was read last is not in force.
func reloadFinding(c *adminapi.ConfigStatus) adminapi.Finding {
	why, _, _ := strings.Cut(strings.TrimSpace(c.LastReloadError), "\n")
	if n := len(c.LastReloadProblems); n > 0 {
		why = c.LastReloadProblems[0].String()
		if n > 1 {
			why += ", and " + counted(uint64(n-1), "more fault", "more faults")
		}
	}
	return adminapi.Finding{
		Kind: "config", Since: c.LastReloadAt, Command: "config status",
		Text: fmt.Sprintf("the reload at %s was refused, revision %d stays in force: %s", clockText(c.LastReloadAt), c.Revision, why),
	}
}
