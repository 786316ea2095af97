package cli

import (
	"fmt"
	"maps"
	"strconv"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// The tables of the status show what happened of late, in a hundred columns. What was counted
// since the start is shown by get.

// spanNote says which time the numbers of routes and guards are about.
func spanNote(s *adminapi.Status) string {
	longest := 0.0
	for i := range s.Guards {
		if s.Guards[i].Recent.Source == "start" {
			return ", since the start: 'performance' is off, and nothing keeps the last minute"
		}
		longest = max(longest, s.Guards[i].Recent.WindowSeconds)
	}
	for i := range s.Routes {
		longest = max(longest, s.Routes[i].Recent.WindowSeconds)
	}
	switch {
	case longest == 0:
		return ""
	case longest >= 50:
		return ", last minute"
	}
	return ", last " + since(longest)
}

func guardStatus(guards []adminapi.Guard) *table {
	t := newTable("", "~NAME", ">RATE", ">OK", ">P50", ">P99", ">IN FLIGHT", "…DID NOT SUCCEED")
	for i := range guards {
		g := &guards[i]
		inFlight := strconv.FormatInt(g.InFlight, 10)
		if g.Concurrency > 0 {
			inFlight += fmt.Sprintf("/%d", g.Concurrency)
		}
		name := g.Name
		if g.Mode != "enforce" && g.Mode != "" {
			name += " (" + g.Mode + ")"
		}
		recentRow(t, name, inFlight, &g.Recent)
	}
	return t
}

func routeStatus(routes []adminapi.Route) *table {
	t := newTable("", "~NAME", ">RATE", ">OK", ">P50", ">P99", ">IN FLIGHT", "…DID NOT SUCCEED")
	for i := range routes {
		recentRow(t, routes[i].Name, strconv.FormatInt(routes[i].InFlight, 10), &routes[i].Recent)
	}
	return t
}

func recentRow(t *table, name, inFlight string, r *adminapi.Recent) {
	rate := "-"
	if r.Source == "minute" {
		rate = fmt.Sprintf("%.3g/s", r.Rate)
	}
	t.row(troubleCell(r), name, rate, okShare(r), seconds(r.P50Seconds), seconds(r.P99Seconds), inFlight, endings(r))
}

// troubleCell shows in a glyph whether something is wrong; what that is stands in the row.
func troubleCell(r *adminapi.Recent) cell {
	switch r.Trouble {
	case "":
		return cell{"●", good}
	case "leave", "slow":
		return cell{"▲", warn}
	}
	return cell{"✗", bad}
}

// okShare is the share of the calls that succeeded.
func okShare(r *adminapi.Recent) cell {
	if r.Calls == 0 {
		return cell{}
	}
	share := 100 * float64(r.Succeeded) / float64(r.Calls)
	c := cell{fmt.Sprintf("%.0f%%", share), plain}
	if share < 100 && share >= 99.5 {
		c.text = fmt.Sprintf("%.1f%%", min(share, 99.9))
	}
	if r.Trouble != "" {
		c.style = bad
	}
	return c
}

// endings lists how calls ended that did not succeed, the most frequent first.
func endings(r *adminapi.Recent) string {
	counts := maps.Clone(r.RefusedBy)
	if counts == nil {
		counts = map[string]uint64{}
	}
	classed := uint64(0)
	for class, n := range r.FailedBy {
		counts["failed "+class] += n
		classed += n
	}
	counts["failed"] = r.Failed + r.TimedOut - min(r.Failed+r.TimedOut, max(classed, r.TimedOut))
	if r.FailedBy["timeout"] == 0 {
		counts["timed out"] = r.TimedOut
	}
	counts["left"] = r.Canceled
	for what, n := range r.IgnoredBy {
		counts[what] += n
	}
	return listed(counts)
}

func breakerStatus(breakers []adminapi.Breaker) *table {
	t := newTable("~NAME", "STATE", "FOR", "RETRY IN", "…COUNTED", "…LAST ERROR")
	for _, b := range breakers {
		name := b.Name
		if b.Mode != "enforce" && b.Mode != "" {
			name += " (" + b.Mode + ")"
		}
		t.row(name, stateCell(b), since(outFor(&b)), seconds(b.RetryAfterSeconds), counted(b), lastError(b.LastErrors))
	}
	return t
}

func rateLimitStatus(s *adminapi.Status) *table {
	t := newTable("~NAME", "LIMIT", ">KEYS", ">DENIED", "…MOST DENIED, SINCE THE START")
	for _, r := range s.RateLimits {
		denied := uint64(0) // of late, through guards
		for i := range s.Guards {
			if g := &s.Guards[i]; g.RateLimit == r.Name {
				denied += g.Recent.RefusedBy["rate_limited"]
			}
		}
		name := r.Name
		if r.Mode != "enforce" && r.Mode != "" {
			name += " (" + r.Mode + ")"
		}
		t.row(name, limitText(r), keysText(&r), count(denied, warn), topDenied(r.TopDenied, shownDenied))
	}
	return t
}

func poolStatus(pools []adminapi.Pool) *table {
	t := newTable("~NAME", "~WORKER", "STATE", ">LENT", ">IDLE", ">SIZE", ">WAITING", ">OLDEST")
	for _, p := range pools {
		t.row(p.Name, p.Worker, poolState(p), p.CheckedOut, p.Idle, fmt.Sprintf("%d+%d", p.Size, p.MaxOverflow), p.Waiting, seconds(p.OldestCheckoutSeconds))
	}
	return t
}
