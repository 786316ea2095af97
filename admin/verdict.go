package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/supervise"
)

// verdict judges a status. It is a function of what stands in there.
type verdict struct {
	*adminapi.Status

	found   []found
	covered map[string]bool // parts whose trouble is told, by kind and name
}

// found is a finding and how much it hurts.
type found struct {
	adminapi.Finding

	rank rank
}

// rank orders findings: the worst is the greatest.
type rank int

const (
	rankNote     rank = iota // is to be known, and hurts nobody yet
	rankByHand               // somebody has taken a part in hand
	rankSlow                 // calls take longer, or are given up
	rankDegraded             // a part of the calls fails or is refused
	rankOutage               // most calls of a part fail or are refused
	rankAll                  // hurts everybody
)

// judge says in one word how things are, and why: the worst first, each with the command
// that tells more.
func (s *verdict) judge() {
	s.covered = map[string]bool{}
	s.judgeMemory()
	s.judgeHealth()
	s.judgeShared()
	s.judgeBreakers()
	s.judgePools()
	s.judgeGuards()
	s.judgeRetries()
	s.judgeRoutes()
	s.judgeUpstreams()
	s.judgeStorage()
	s.judgeServices()
	s.judgeConfig()
	s.judgePerformance()
	s.nameRevision()
	slices.SortStableFunc(s.found, func(x, y found) int { return int(y.rank - x.rank) })
	s.Findings = make([]adminapi.Finding, 0, len(s.Reasons)+len(s.found))
	for _, reason := range s.Reasons { // the program has its own
		s.Findings = append(s.Findings, adminapi.Finding{Text: reason, Takes: []string{}})
	}
	for i := range s.found {
		f := &s.found[i].Finding
		f.Takes, f.SinceSeconds = nonNil(f.Takes), elapsed(f.Since)
		s.Findings = append(s.Findings, *f)
		s.Reasons = append(s.Reasons, f.Text+"; see '"+f.Command+"'")
	}
	switch {
	case s.Draining:
		s.Verdict = "draining"
	case len(s.Findings) > 0:
		s.Verdict = "attention"
	default:
		s.Verdict = "ok"
	}
}

// nameRevision adds to the trouble of a part that it began with a change of the configuration.
func (s *verdict) nameRevision() {
	parts := []string{"guard", "route", "breaker", "pool"}
	for i := range s.found {
		f := &s.found[i].Finding
		if before := f.Since.Sub(s.Config.AppliedAt); s.Config.Revision > 1 && !f.Since.IsZero() && slices.Contains(parts, f.Kind) && before > -beforeSlack && before < undoneWithin {
			f.Text += fmt.Sprintf("; revision %d of the configuration came %s before it", s.Config.Revision, span(max(0, before.Seconds())))
		}
	}
}

// judgeHealth names the checks that are not well, and those that they take with them in the
// same line: one outage is one reason.
func (s *verdict) judgeHealth() {
	if !s.Health.Live {
		s.attention(rankAll, "liveness fails: whoever watches over this process restarts it", "get health")
	}
	for i := range s.Health.Failing {
		c := &s.Health.Failing[i]
		if c.Impacted {
			continue
		}
		text := "check " + c.Name + map[bool]string{true: " fails", false: " warns"}[c.Status == health.Fail.String()] + " for " + span(c.SinceSeconds)
		if c.Output != "" {
			text += ": " + c.Output
		}
		if others := impactedBy(&s.Health, c.Name); len(others) > 0 {
			text += "; impacts " + strings.Join(others, ", ")
		}
		if c.Readiness && c.Status == health.Fail.String() {
			text += "; it takes this instance out of the load balancer"
		}
		s.attention(map[bool]rank{true: rankDegraded, false: rankSlow}[c.Status == health.Fail.String()], text, "get health "+c.Name)
	}
}

func impactedBy(h *adminapi.HealthSummary, name string) (others []string) {
	for i := range h.Failing {
		if c := &h.Failing[i]; slices.Contains(c.Causes, name) {
			others = append(others, c.Name)
		}
	}
	return others
}

func (s *verdict) judgeMemory() {
	m, command := &s.Memory, "why memory"
	switch {
	case m.Level == levelOff || m.Samples == 0:
	case m.Stale:
		s.attention(rankNote, "memory is not watched any more since "+span(m.AgeSeconds)+": no call is refused for it", command)
	case m.Level == "unknown":
		s.attention(rankNote, "how much memory is left is not known, and no call is refused for it"+unreadText(m.Unread), command)
	case m.Level != "normal":
		takes := s.cover(func(g *adminapi.Guard) bool { return g.Recent.Reason == fault.MemoryPressure.String() })
		s.find(rankAll, adminapi.Finding{
			Kind: "memory", Text: "memory pressure is " + m.Level + " (" + m.Cause + "), " + refusedText(m.Priorities) + s.impact(takes), Command: command, Since: m.Since,
			Takes: takes,
		})
	}
}

func unreadText(unread []string) string {
	if len(unread) == 0 {
		return ": nothing says what the limit is"
	}
	return ": " + strings.Join(unread, ", ")
}

// refusedText says of which priorities calls are refused.
func refusedText(all []adminapi.Shedding) string {
	var parts []string
	for _, p := range all {
		switch {
		case p.Refused >= 1:
			parts = append(parts, "all "+p.Priority)
		case p.Refused > 0:
			parts = append(parts, fmt.Sprintf("%.0f %% of %s", 100*p.Refused, p.Priority))
		}
	}
	if len(parts) == 0 {
		return "no call is refused yet"
	}
	return "calls are refused: " + strings.Join(parts, ", ")
}

func (s *verdict) judgeStorage() {
	v := &s.Storage
	if v.Away != "" {
		s.attention(rankDegraded, fmt.Sprintf("the storage is away since %s (%s): %s; %s", clockText(v.Since), span(v.AwaySeconds), v.Away, recordedText(v)),
			"get services")
	} else if v.Dropped > 0 {
		s.attention(rankNote, fmt.Sprintf("%d events were lost since the start, because the storage was away or refused them", v.Dropped), "events --type 'event_store.*'")
	}
}

func recordedText(v *adminapi.Storage) string {
	text := fmt.Sprintf("%d events wait for it", v.Waiting)
	if v.Waiting == 1 {
		text = "1 event waits for it"
	}
	if v.Dropped > 0 {
		text += fmt.Sprintf(", %d were dropped", v.Dropped)
	}
	return text
}

func (s *verdict) judgeServices() {
	for i := range s.Services {
		v := &s.Services[i]
		command := "get services " + v.Name
		switch v.State {
		case supervise.Failed.String():
			s.attention(rankSlow, "service "+v.Name+" has failed and is not started again by itself: "+v.LastError, "service restart "+v.Name)
		case supervise.BackingOff.String():
			s.attention(rankSlow, fmt.Sprintf("service %s has failed %d times in a row and is started again in %s: %s", v.Name, v.Failures, span(v.RetryAfterSeconds), v.LastError), command)
		case supervise.Starting.String():
			if v.Failures > 0 {
				s.attention(rankSlow, fmt.Sprintf("service %s starts for %s, after %d failures: %s", v.Name, span(v.SinceSeconds), v.Failures, v.LastError), command)
			}
		}
	}
}

func (s *verdict) judgeConfig() {
	if s.Config.Attention != "" {
		s.attention(rankNote, "configuration: "+s.Config.Attention, "config history")
	}
	if s.Config.Pending > 0 {
		s.attention(rankNote, fmt.Sprintf("revision %d was made through the API before and is not in force: the history was away at the start", s.Config.Pending),
			fmt.Sprintf("config show %d", s.Config.Pending))
	}
	if s.Config.LastReloadError != "" && !s.Config.LastReloadSuccessful {
		s.find(rankByHand, reloadFinding(&s.Config))
	}
}

// attention adds what is wrong with the whole, and the command that tells more.
func (s *verdict) attention(r rank, text, command string) {
	s.find(r, adminapi.Finding{Text: text, Command: command})
}

// find adds a finding. Its command is without the name of the program.
func (s *verdict) find(r rank, f adminapi.Finding) {
	f.Command = "foundation " + f.Command
	s.found = append(s.found, found{f, r})
}
