package admin

import (
	"fmt"
	"strings"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// What to try: commands that can be run as they stand where there are such, and else what to
// look at. The one that is most likely to help comes first.

func (e *explanation) tryForGuard(g *adminapi.Guard) {
	r := &g.Recent
	switch r.Trouble {
	case troubleFull:
		e.tryHolders(g)
		if g.TimeoutSeconds == 0 {
			e.try("", "set guards."+g.Name+".timeout: its calls have no time limit, and one that hangs holds its place for ever")
		}
		e.try("", fmt.Sprintf("raise guards.%s.concurrency (%d) in the file if the upstream can take more, then 'foundation reload'", g.Name, g.Concurrency))
	case troubleRefuses:
		e.tryForRefusals(g)
	case troubleFails:
		e.tryUpstreams(g)
		if g.Breaker == "" {
			e.try("", "give the guard a breaker: callers would get their answer at once, and the upstream room to recover")
		}
	case troubleLeave, troubleSlow:
		e.tryUpstreams(g)
		e.try("get operations "+quoted(g.Name), "what is normal for it")
		e.try("", fmt.Sprintf("compare the patience of its callers with how long its calls take (p99 %s) and its timeout (%s)", tookOr(r.P99Seconds, "unknown: none succeeded"), tookOr(g.TimeoutSeconds, "none")))
	}
	e.try("events --name "+quoted(g.Name)+" --since 30m", "what was recorded of it")
}

// tryHolders looks for whoever holds the places of a full guard. One route of several that holds
// most of them keeps the others out.
func (e *explanation) tryHolders(g *adminapi.Guard) {
	var holder *adminapi.Route
	others := 0
	for i := range e.status.Routes {
		switch r := &e.status.Routes[i]; {
		case r.Guard != g.Name:
		case 2*r.InFlight > int64(g.Concurrency):
			holder = r
		default:
			others++
		}
	}
	if holder == nil || others == 0 {
		e.tryUpstreams(g)
		return
	}
	e.try("", fmt.Sprintf("route %s holds %d of %d places: give it a guard of its own, or bound what one client holds with its max_in_flight_per_key", holder.Name, holder.InFlight, g.Concurrency))
	e.tryUpstream(holder)
}

func tookOr(seconds float64, none string) string {
	if seconds == 0 {
		return none
	}
	return took(seconds)
}

func (e *explanation) tryForRefusals(g *adminapi.Guard) {
	switch g.Recent.Reason {
	case fault.CircuitOpen.String():
		e.try("why breaker "+quoted(g.Breaker), "why it is open")
	case fault.RateLimited.String():
		e.try("why rate_limit "+quoted(g.RateLimit), "who uses it up")
		e.tryForLimit(partOf(e.status.RateLimits, g.RateLimit, limitName))
	case fault.PoolFull.String(), fault.PoolTimeout.String(), fault.WorkerFailed.String():
		e.try("why pool "+quoted(g.Pool), "who holds its workers, or why none can be made")
	case fault.MemoryPressure.String():
		e.try("why memory", "what uses it up")
	}
}

func (e *explanation) tryForBreaker(b *adminapi.Breaker) {
	if b.Override.State != "" {
		e.try("breaker auto "+quoted(b.Name), "end the override of "+b.Override.Actor+": the breaker decides again")
		return
	}
	for i := range e.status.Guards {
		if g := &e.status.Guards[i]; g.Breaker == b.Name {
			e.tryUpstreams(g)
		}
	}
	if !b.Group {
		e.try("breaker reset "+quoted(b.Name), "close it at once when the upstream is well again, instead of waiting for a probe")
	}
	e.try("events --name "+quoted(b.Name)+" --since 30m", "each of its changes")
}

func (e *explanation) tryForLimit(l *adminapi.RateLimit) {
	if len(l.TopDenied) > 0 {
		key := l.TopDenied[0].Key
		if !strings.HasPrefix(key, "-") { // else it would be read as a flag
			e.try("rate-limit peek "+quoted(l.Name)+" "+quoted(key), "what the key has left")
		}
	}
	if len(l.TopDenied) > 1 && deniedText(e.status, l.Name) == "" {
		e.try("", "no key stands out: look for what changed for all of them, and not at one client")
	}
	raise := fmt.Sprintf("raise rate_limits.%s.limit (%d per %s) in the file if the keys are in their right and the upstream can take more, then 'foundation reload'", l.Name, l.Limit, took(l.PerSeconds))
	switch deniedMost := deniedText(e.status, l.Name) != ""; {
	case deniedMost && l.TopDenied[0].Override:
		e.try("", fmt.Sprintf("the key that is denied most has numbers of its own: they are in rate_limits.%s.overrides", l.Name))
	case deniedMost:
		e.try("", raise+"; or give the key that is denied most numbers of its own, in overrides")
	default:
		e.try("", raise)
	}
}

func (e *explanation) tryForPool(p *adminapi.Pool) {
	if p.Degraded {
		e.try("", "read the log: it says why a worker cannot be made, the API does not")
	} else {
		e.try("", "look for what holds its workers for long: the oldest is out for "+span(p.OldestCheckoutSeconds))
		e.try("", fmt.Sprintf("raise pools.%s.size (%d) or max_overflow (%d) in the file if the resource can take more, then 'foundation reload'", p.Name, p.Size, p.MaxOverflow))
	}
	e.try("events --name "+quoted(p.Name)+" --since 30m", "what was recorded of it")
}

func (e *explanation) tryForRoute(t *adminapi.Route, g *adminapi.Guard) {
	switch {
	case e.tryForBounds(t):
	case t.Recent.Trouble == troubleFails:
		e.tryUpstream(t)
	case g.Name != "" && g.Recent.Trouble != "":
		e.tryForGuard(g)
	default:
		e.tryUpstream(t)
	}
	if t.Guard != "" {
		e.try("why guard "+quoted(t.Guard), "the guard that its requests pass")
	}
}

// tryUpstreams says how to look at the upstreams behind a guard.
func (e *explanation) tryUpstreams(g *adminapi.Guard) {
	for i := range e.status.Routes {
		if r := &e.status.Routes[i]; r.Guard == g.Name {
			e.tryUpstream(r)
		}
	}
}

// tryUpstream says how to see for oneself what is wrong with an upstream, by the class of its
// last failure.
func (e *explanation) tryUpstream(t *adminapi.Route) {
	if len(t.Upstreams) > 1 {
		e.tryWorstHost(t)
		return
	}
	class := ""
	if t.Recent.Trouble == troubleFails {
		class = routeReason(t)
	}
	if len(t.Failures) > 0 && e.now.Sub(t.Failures[0].Last) < recentWindow {
		class = t.Failures[0].Class
	}
	host, port := t.Upstream, ""
	if i := strings.LastIndexByte(t.Upstream, ':'); i > 0 {
		host, port = t.Upstream[:i], t.Upstream[i+1:]
	}
	switch class {
	case "dns":
		e.try("", "resolve the name on this machine: getent hosts "+host)
	case "refused":
		e.try("", "nothing listens at "+t.Upstream+", or no way leads there: is the upstream running? On its machine: ss -ltn")
	case "tls":
		if port == "" {
			port = "443"
		}
		e.try("", "look at its certificate: openssl s_client -connect "+host+":"+port+" -servername "+host+" </dev/null")
	case "timeout", fault.CallTimeout.String():
		e.try("", "see how long it takes: curl -sS -o /dev/null -w '%{time_total}\\n' --max-time 30 "+addressOf(t))
	case "reset", "eof", "protocol":
		e.try("", "the upstream breaks its connections off: look at its log, and whether a proxy stands in between")
	case "", fault.Canceled.String():
		e.try("", "see how long the upstream takes: curl -sS -o /dev/null -w '%{time_total}\\n' "+addressOf(t))
	default:
		e.try("", "the upstream answers with errors itself: look at the log of "+t.Upstream)
	}
}

// addressOf is where the requests of a route go, as far as its match tells.
func addressOf(t *adminapi.Route) string {
	path := "/"
	if i := strings.IndexByte(t.Match, '/'); i >= 0 {
		path, _, _ = strings.Cut(t.Match[i:], "{")
	}
	return "http://" + t.Upstream + path
}
