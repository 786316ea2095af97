package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// sharedStore adds to what is said of the guard of the shared store how that is, and who counts by it.
func (e *explanation) sharedStore() {
	v := &e.status.Shared
	if !v.On {
		e.Verdict = "guard " + sharedGuard + " has nothing to do: the configuration has no section shared"
		return
	}
	e.storeVerdict(v)
	e.number("timeout", v.TimeoutSeconds, "seconds", false, "how long a call waits for the store")
	e.number("away", v.AwayInAllSeconds, "seconds", v.Away != "", "since the start, in all")
	e.number("instances", float64(v.Instances), "", false, "by which limits are divided while it is away")
	if v.RefundsQueued > 0 {
		e.number("refunds waiting", float64(v.RefundsQueued), "", v.Away != "", "to be given back to the store")
	}
	if v.RefundsDropped > 0 {
		e.number("refunds dropped", float64(v.RefundsDropped), "", false, "too many, too late, or failed; since the start")
	}
	for i := range e.status.RateLimits {
		if l := &e.status.RateLimits[i]; l.Scope == "shared" {
			e.part("rate_limit", l.Name, v.Away == "", sharedState(l, v))
		}
	}
	if !e.Well {
		e.tryStore(v)
	}
	if v.OtherConfiguration > 0 {
		e.try("status --fleet", differentText(v))
	}
}

func (e *explanation) storeVerdict(v *adminapi.Shared) {
	server := v.Server
	if server == "" {
		server = "the store"
	}
	switch {
	case v.Away != "":
		e.Well, e.Since = false, v.Since
		e.Verdict = fmt.Sprintf("the store of the shared rate limits is away since %s (%s): %s; %s", clockText(v.Since), span(v.AwaySeconds), v.Away, becomesText(e.status))
	case v.Fault != "":
		e.Well = false
		e.Verdict = "the server of the shared rate limits cannot be relied upon: " + v.Fault
	case len(v.Warnings) > 0:
		e.Well = false
		e.Verdict = server + " decides the shared rate limits, and needs attention: " + strings.Join(v.Warnings, "; ")
	case e.Well || e.facts.recovered():
		told := e.Verdict + "; "
		if !e.Well {
			told = ""
		}
		e.Well = true
		e.Verdict = told + fmt.Sprintf("%s decides the calls of %s for %s", server, counted(uint64(v.Rules), "shared rule", "shared rules"), span(elapsed(v.Since)))
		if v.AwayInAllSeconds > 0 {
			e.Verdict += ", and was away for " + lastedText(v.AwayInAllSeconds) + " before that, since the start"
		}
	}
}

// recovered reports whether what is known of the last minute is still of an outage that is over.
func (f *facts) recovered() bool {
	return (&verdict{Status: f.status}).tells(sharedGuard)
}

func (e *explanation) tryStore(v *adminapi.Shared) {
	if v.Away != "" {
		e.try("", "look at the server itself: redis-cli -u \"$REDIS_URL\" ping; while it is away calls do not wait for it, and it is taken when it answers")
	}
	e.try("events --type 'rate_limiter.store_*' --since 1h", "when it went, and came back")
	e.try("status --fleet", "whether the other instances say the same, as they were last heard of")
}

// sharedState says by what the calls of a shared rule are decided now, and were since the start.
func sharedState(l *adminapi.RateLimit, v *adminapi.Shared) string {
	now := fmt.Sprintf("%d per %s", l.Limit, took(l.PerSeconds))
	if v.Away != "" {
		switch l.OnError {
		case shared.Deny.String():
			now = "refuses every call"
		case shared.Allow.String():
			now = "admits every call"
		default:
			now = fmt.Sprintf("%d per %s here", l.LocalLimit, took(l.PerSeconds))
		}
	}
	return now + "; decided: " + decidedText(l)
}

// decidedText says where the calls of a rule were decided since the start, in the words of Decision.Source.
func decidedText(l *adminapi.RateLimit) string {
	var parts []string
	for _, where := range []string{"shared", "cached", "prefetched", "fallback", "refused"} {
		if n := l.DecidedBy[where]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", where, n))
		}
	}
	if len(parts) == 0 {
		return "no call"
	}
	return strings.Join(parts, ", ")
}

// lastedText is span, for what may have been shorter than a second.
func lastedText(seconds float64) string {
	if seconds < 1 {
		return took(seconds)
	}
	return span(seconds)
}

// sharedRule adds to what is said of a rate limit how it is shared.
func (e *explanation) sharedRule(l *adminapi.RateLimit) {
	v := &e.status.Shared
	if l.Scope != "shared" {
		return
	}
	for _, by := range []struct{ key, note string }{
		{"shared", "by the store, in a round trip"},
		{"cached", "refusals that the store had given just before"},
		{"prefetched", "with tokens that were taken ahead"},
		{"fallback", "by this process alone"},
		{"refused", "because the store was away, as on_error: deny says"},
	} {
		e.number("decided: "+by.key, float64(l.DecidedBy[by.key]), "", v.Away != "" && slices.Contains([]string{"fallback", "refused"}, by.key), by.note)
	}
	if l.Prefetch > 0 {
		e.against("taken ahead", float64(l.PrefetchHeld), float64(l.PrefetchInForce), "", false, fmt.Sprintf("prefetch is %d, and %d with %s", l.Prefetch, l.PrefetchInForce, instancesText(v.Instances)))
	}
	if l.OnError == shared.Local.String() {
		e.number("local limit", float64(l.LocalLimit), "", false, "for each key, while the store is away: "+shareText(v.Instances, "its"))
	}
	state := "decides"
	if v.Away != "" {
		state = "away for " + span(v.AwaySeconds) + ": " + v.Away
	}
	e.part("guard", sharedGuard, v.Away == "" && v.Fault == "", state)
	if v.Away == "" {
		return
	}
	if e.Well {
		e.Well, e.Since = false, v.Since
		e.Verdict = fmt.Sprintf("rate limit %s is decided without its store, which is away since %s (%s): %s", l.Name, clockText(v.Since), span(v.AwaySeconds), sharedState(l, v))
	} else {
		e.Verdict += "; its store is away for " + span(v.AwaySeconds) + ": " + sharedState(l, v)
	}
	e.try("why guard "+sharedGuard, "why the store is away")
}
