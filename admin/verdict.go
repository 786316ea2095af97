package admin

import (
	"fmt"
	"github.com/elixirscope/foundation/internal/adminapi"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/supervise"
)

// verdict judges a status.
type verdict struct{ *adminapi.Status }

// judge says in one word how things are, and why: what hurts all before what hurts one
// part, each with the command that tells more.
func (s *verdict) judge() {
	s.Verdict = "ok"
	if len(s.Reasons) > 0 { // the daemon has its own
		s.Verdict = "attention"
	}
	s.judgeMemory()
	s.judgeHealth()
	s.judgeStorage()
	s.judgeServices()
	s.judgeConfig()
	s.judgeParts()
	s.judgePerformance()
	if s.Draining {
		s.Verdict = "draining"
	}
}

// judgeHealth names the checks that are not well, and those that they take with them in the
// same line: one outage is one reason.
func (s *verdict) judgeHealth() {
	if !s.Health.Live {
		s.attention("liveness fails: whoever watches over this process restarts it", "get health")
	}
	for i := range s.Health.Failing {
		c := &s.Health.Failing[i]
		if c.Impacted {
			continue
		}
		text := "check " + c.Name + map[bool]string{true: " fails", false: " warns"}[c.Status == health.Fail.String()] + " for " + rounded(c.SinceSeconds)
		if c.Output != "" {
			text += ": " + c.Output
		}
		if others := impactedBy(&s.Health, c.Name); len(others) > 0 {
			text += "; impacts " + strings.Join(others, ", ")
		}
		if c.Readiness && c.Status == health.Fail.String() {
			text += "; it takes this instance out of the load balancer"
		}
		s.attention(text, "get health "+c.Name)
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
	m, command := &s.Memory, "get memory"
	switch {
	case m.Level == levelOff || m.Samples == 0:
	case m.Stale:
		s.attention("memory is not watched any more since "+rounded(m.AgeSeconds)+": no call is refused for it", command)
	case m.Level == "unknown":
		s.attention("how much memory is left is not known, and no call is refused for it"+unreadText(m.Unread), command)
	case m.Level != "normal":
		s.attention("memory pressure is "+m.Level+" ("+m.Cause+"), "+refusedText(m.Priorities), command)
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
		s.attention(fmt.Sprintf("the storage is away since %s (%s): %s; %s", v.Since.UTC().Format(time.TimeOnly+"Z"), rounded(v.AwaySeconds), v.Away, recordedText(v)),
			"get services")
	} else if v.Dropped > 0 {
		s.attention(fmt.Sprintf("%d events were lost since the start, because the storage was away or refused them", v.Dropped), "events --type 'event_store.*'")
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
			s.attention("service "+v.Name+" has failed and is not started again by itself: "+v.LastError, "service restart "+v.Name)
		case supervise.BackingOff.String():
			s.attention(fmt.Sprintf("service %s has failed %d times in a row and is started again in %s: %s", v.Name, v.Failures, rounded(v.RetryAfterSeconds), v.LastError), command)
		case supervise.Starting.String():
			if v.Failures > 0 {
				s.attention(fmt.Sprintf("service %s starts for %s, after %d failures: %s", v.Name, rounded(v.SinceSeconds), v.Failures, v.LastError), command)
			}
		}
	}
}

func (s *verdict) judgeConfig() {
	if s.Config.Attention != "" {
		s.attention("configuration: "+s.Config.Attention, "config history")
	}
	if s.Config.Pending > 0 {
		s.attention(fmt.Sprintf("revision %d was made through the API before and is not in force: the history was away at the start", s.Config.Pending),
			fmt.Sprintf("config show %d", s.Config.Pending))
	}
	if s.Config.LastReloadError != "" && !s.Config.LastReloadSuccessful {
		s.attention(fmt.Sprintf("the last reload was refused, revision %d stays in force", s.Config.Revision), "config status")
	}
}

func (s *verdict) judgeParts() {
	for i := range s.Breakers {
		b := &s.Breakers[i]
		if s.Storage.Away != "" && strings.HasPrefix(b.Name, "foundation.") {
			continue // how the storage being away shows in the guards before it
		}
		command := "get breakers " + b.Name
		switch {
		case b.Override.State != "":
			s.attention("breaker "+b.Name+" is "+b.Override.State+" by "+b.Override.Actor+reasonOf(b), command)
		case b.State != breaker.StateClosed.String():
			s.attention("breaker "+b.Name+" is "+b.State+" for "+rounded(b.SinceSeconds)+openedBy(b), command)
		}
	}
	for i := range s.Pools {
		if p := &s.Pools[i]; p.Degraded {
			s.attention("pool "+p.Name+" cannot make workers", "get pools "+p.Name)
		}
	}
}

func reasonOf(b *adminapi.Breaker) string {
	if b.Override.Reason == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", b.Override.Reason)
}

// openedBy names the numbers that opened a breaker.
func openedBy(b *adminapi.Breaker) string {
	var facts []string
	for _, f := range b.OpenedBy {
		if f.Bounded {
			facts = append(facts, fmt.Sprintf("%s %.4g of %.4g", strings.ReplaceAll(f.Name, "_", " "), f.Value, f.Limit))
		}
	}
	if len(facts) == 0 {
		return ""
	}
	return ": " + strings.Join(facts, ", ")
}

func rounded(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// attention adds a reason, and the command that tells more.
func (s *verdict) attention(reason, command string) {
	s.Verdict = "attention"
	s.Reasons = append(s.Reasons, reason+"; see 'foundation "+command+"'")
}
