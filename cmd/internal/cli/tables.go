package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// The tables show what an operator looks for first; -o json has everything.

func guardTable(guards []adminapi.Guard) *table {
	t := newTable("NAME", "MODE", ">IN FLIGHT", ">OK", ">FAILED", ">REFUSED", ">WOULD REFUSE", ">P50", ">P99", "REFUSED BY")
	for _, g := range guards {
		inFlight := strconv.FormatInt(g.InFlight, 10)
		if g.Concurrency > 0 {
			inFlight += fmt.Sprintf("/%d", g.Concurrency)
		}
		t.row(g.Name, modeCell(g.Mode), inFlight, g.Succeeded, count(g.Failed+g.TimedOut, bad), count(g.Refused, warn), count(g.WouldRefuse, warn),
			seconds(g.P50Seconds), seconds(g.P99Seconds), reasons(g))
	}
	return t
}

// count colours a number that one hopes to be zero.
func count(n uint64, s style) cell {
	if n == 0 {
		s = plain
	}
	return cell{strconv.FormatUint(n, 10), s}
}

// reasons says who refused or, in shadow mode, would have.
func reasons(g adminapi.Guard) string {
	by := g.RefusedBy
	if g.Mode == "shadow" {
		by = g.WouldRefuseBy
	}
	var parts []string
	for _, code := range slices.Sorted(maps.Keys(by)) {
		if by[code] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", code, by[code]))
		}
	}
	return strings.Join(parts, ", ")
}

func modeCell(mode string) cell {
	if mode == "enforce" {
		return cell{text: mode}
	}
	return cell{mode, warn}
}

func breakerTable(breakers []adminapi.Breaker) *table {
	t := newTable("NAME", "STATE", "FOR", "RETRY IN", "COUNTED", ">OK", ">FAILED", ">REFUSED", ">WOULD REFUSE", "MODE", "LAST ERROR")
	for _, b := range breakers {
		name := b.Name
		if b.Member != "" {
			name += "/" + b.Member
		}
		t.row(name, stateCell(b), since(outFor(&b)), seconds(b.RetryAfterSeconds), counted(b), b.Succeeded, count(b.Failed, bad),
			count(b.Refused, warn), count(b.WouldRefuse, warn), modeCell(b.Mode), lastError(b.LastErrors))
	}
	return t
}

// outFor is for how long a breaker has been in its state. One that is tried in vain is out
// since it left the closed state, not since its last probe.
func outFor(b *adminapi.Breaker) float64 {
	if b.State != "closed" && b.Override.State == "" && b.Outage.BeganSeconds > b.SinceSeconds {
		return b.Outage.BeganSeconds
	}
	return b.SinceSeconds
}

func since(s float64) string {
	if s < 1 {
		return "0s"
	}
	return seconds(float64(int64(s)))
}

// counted shows what stands against the thresholds; an open breaker counts
// nothing and shows why it opened.
func counted(b adminapi.Breaker) string {
	if b.Group {
		return fmt.Sprintf("%d of %d members", b.MemberCount, b.MaxMembers)
	}
	facts := b.Counted
	if b.State != "closed" {
		facts = b.OpenedBy
	}
	var parts []string
	for _, f := range facts {
		if f.Bounded {
			parts = append(parts, fmt.Sprintf("%s %.4g of %.4g", spaced(f.Name), f.Value, f.Limit))
		}
	}
	return strings.Join(parts, ", ")
}

func lastError(classes []adminapi.ErrorClass) string {
	if len(classes) == 0 {
		return ""
	}
	return classes[0].Class
}

// stateCell shows a state as a glyph and a word: colour alone tells nothing to
// those who do not see it.
func stateCell(b adminapi.Breaker) cell {
	if b.Override.State != "" {
		text := "⚠ " + b.Override.State
		if b.Override.RemainingSeconds > 0 {
			text += " " + seconds(b.Override.RemainingSeconds) + " left"
		}
		return cell{text, bad}
	}
	switch b.State {
	case "closed":
		return cell{"● closed", good}
	case "half-open":
		return cell{"◐ half-open", warn}
	case "open":
		return cell{"○ OPEN", bad}
	}
	return cell{text: b.State}
}

func rateLimitTable(rules []adminapi.RateLimit) *table {
	columns := []string{"NAME", "ALGORITHM", "LIMIT", ">BURST", ">OVERRIDES", ">KEYS", ">ALLOWED", ">DENIED", ">WOULD DENY", "MODE", "PARENT"}
	shared := slices.ContainsFunc(rules, func(r adminapi.RateLimit) bool { return r.Scope == "shared" })
	if shared {
		columns = append(columns, "SCOPE", "DECIDED BY")
	}
	t := newTable(append(columns, "MOST DENIED")...)
	for _, r := range rules {
		row := []any{
			r.Name, r.Algorithm, limitText(r), r.Burst, r.Overrides, keysText(&r), r.Allowed, count(r.Denied, warn), count(r.WouldDeny, warn),
			modeCell(r.Mode), r.Parent,
		}
		if shared {
			row = append(row, scopeText(&r), decidedBy(r.DecidedBy))
		}
		t.row(append(row, topDenied(r.TopDenied, shownDenied))...)
	}
	return t
}

// keysText is how many keys a rule counts here; those of a shared one are counted elsewhere.
func keysText(r *adminapi.RateLimit) string {
	if r.Scope == "shared" {
		return "shared"
	}
	return strconv.FormatInt(r.Keys, 10)
}

// scopeText says whose calls a rule counts together, and what is not the default of that.
func scopeText(r *adminapi.RateLimit) string {
	text := r.Scope
	if r.OnError != "" && r.OnError != "local" {
		text += ", on error " + r.OnError
	}
	if r.Prefetch > 0 {
		text += fmt.Sprintf(", prefetch %d", r.Prefetch)
	}
	return text
}

// decidedBy lists where the calls of a rule were decided.
func decidedBy(by map[string]uint64) string {
	var parts []string
	for _, where := range []string{"shared", "cached", "prefetched", "fallback", "refused"} {
		if by[where] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", where, by[where]))
		}
	}
	return strings.Join(parts, ", ")
}

// shownDenied is how many denied keys a table shows in one line.
const shownDenied = 3

func limitText(r adminapi.RateLimit) string {
	return fmt.Sprintf("%d per %s", r.Limit, seconds(r.PerSeconds))
}

func topDenied(keys []adminapi.DeniedKey, n int) string {
	var parts []string
	for _, k := range keys[:min(n, len(keys))] {
		parts = append(parts, fmt.Sprintf("%.40s ×%d", k.Key, k.Denied))
	}
	return strings.Join(parts, ", ")
}

func poolTable(pools []adminapi.Pool) *table {
	t := newTable("NAME", "WORKER", "STATE", ">BUSY", ">IDLE", ">SIZE", ">WAITING", ">CHECKOUTS", ">TIMEOUTS", ">FULL", ">FAILED STARTS", ">WAIT P99", ">OLDEST")
	for _, p := range pools {
		t.row(p.Name, p.Worker, poolState(p), p.CheckedOut, p.Idle, fmt.Sprintf("%d+%d", p.Size, p.MaxOverflow), p.Waiting, p.Checkouts,
			count(p.Timeouts, warn), count(p.Full, warn), count(p.CreateFailures, bad), seconds(p.WaitP99Seconds), seconds(p.OldestCheckoutSeconds))
	}
	return t
}

func poolState(p adminapi.Pool) cell {
	if p.Degraded {
		return cell{"✗ degraded", bad}
	}
	switch p.State {
	case "ready":
		return cell{"● ready", good}
	case "overflow":
		return cell{"◐ overflow", warn}
	case "full":
		return cell{"○ full", warn}
	}
	return cell{text: p.State}
}
