package admin

import (
	"cmp"
	"maps"
	"slices"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// From where on a guard or a route is in trouble, by its last minute. There is no other place
// with such numbers, and docs/admin-api.md names them.
const (
	// troubledCalls is how many calls must be in trouble: fewer are no news, also of a guard
	// that has no others.
	troubledCalls = 5
	// refusedShare, failedShare and leftShare are the share of the calls of a minute that are
	// refused, fail or time out, and are given up by whoever made them.
	refusedShare = 0.10
	failedShare  = 0.05
	leftShare    = 0.20
	// slowTimes is how many times as long as in the ten minutes before the slowest tenth of the
	// calls takes, with at least slowCalls of them in both and slowSeconds in between. A guard
	// that is slow for longer is for the alerts, which know what is normal.
	slowTimes   = 3
	slowCalls   = 20
	slowSeconds = 0.05
)

// The words by which the gateway answers a request of a route itself, for what its client sent.
const (
	bodyTooLarge   = "body_too_large"
	headerTooLarge = "header_too_large"
	badRequest     = "bad_request"
)

// isTrouble reports whether refusals for a reason are trouble of ours. Those for a limit are,
// the size of a body or the requests of one key in flight among them: somebody has set the
// limit, and a reload that lowers it refuses what was right before. A request that is malformed
// is not: no setting makes it right, and one scanner sends as many as it likes.
func isTrouble(reason string) bool { return reason != badRequest }

// troubling are the refusals of r that are trouble, and the reason of most of them.
func troubling(r *adminapi.Recent) (calls uint64, reason string) {
	calls = r.Refused
	by := maps.Clone(r.RefusedBy)
	maps.DeleteFunc(by, func(reason string, n uint64) bool {
		if isTrouble(reason) {
			return false
		}
		calls -= min(calls, n)
		return true
	})
	reason, _ = most(by)
	return calls, reason
}

// The sources of what is known of late.
const (
	sourceMinute = "minute"
	sourceStart  = "start"
)

// The kinds of trouble, the worst first.
const (
	troubleFull    = "full"    // no place is free, and calls are refused for it
	troubleRefuses = "refuses" // for another reason
	troubleFails   = "fails"
	troubleLeave   = "leave" // whoever calls gives up
	troubleSlow    = "slow"
)

var troubles = []string{troubleFull, troubleRefuses, troubleFails, troubleLeave, troubleSlow, ""}

// judgeRecent says what is wrong with a guard or a route by its last minute: what hurts most
// calls, and of equals what stands first. It is a pure function. What is known since the start
// alone says nothing about now.
func judgeRecent(r *adminapi.Recent) {
	r.Trouble, r.Share, r.Reason = "", 0, ""
	if r.Source != sourceMinute || r.Calls == 0 {
		return
	}
	consider := func(trouble string, calls uint64, least float64, reason string) {
		share := float64(calls) / float64(r.Calls)
		if calls >= troubledCalls && share >= least && share > r.Share {
			r.Trouble, r.Share, r.Reason = trouble, share, reason
		}
	}
	refused, code := troubling(r)
	refuses := troubleRefuses
	if code == fault.ConcurrencyLimited.String() {
		refuses = troubleFull
	}
	consider(refuses, refused, refusedShare, code)
	consider(troubleFails, r.Failed+r.TimedOut, failedShare, failureOf(r))
	consider(troubleLeave, r.Canceled, leftShare, fault.Canceled.String())
	if r.Trouble == "" && isSlow(r) {
		r.Trouble, r.Share = troubleSlow, 1
	}
}

// isSlow reports whether calls take much longer than they did.
func isSlow(r *adminapi.Recent) bool {
	return r.UsualP90Seconds > 0 && r.Succeeded >= slowCalls && r.P90Seconds >= slowTimes*r.UsualP90Seconds && r.P90Seconds-r.UsualP90Seconds >= slowSeconds
}

// failureOf names the class of most of the failures, "" if it is not known.
func failureOf(r *adminapi.Recent) string {
	class, n := most(r.FailedBy)
	if r.TimedOut > n && r.TimedOut > r.Failed {
		return fault.CallTimeout.String()
	}
	return class
}

// most returns the key with the greatest count, the first by name of several.
func most(counts map[string]uint64) (key string, n uint64) {
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if counts[k] > n {
			key, n = k, counts[k]
		}
	}
	return key, n
}

// byTrouble orders what was done of late, the one to look at first first.
func byTrouble(x, y *adminapi.Recent) int {
	bad := func(r *adminapi.Recent) uint64 { return r.Refused + r.Failed + r.TimedOut }
	return cmp.Or(
		cmp.Compare(slices.Index(troubles, x.Trouble), slices.Index(troubles, y.Trouble)),
		cmp.Compare(y.Share, x.Share), cmp.Compare(bad(y), bad(x)), cmp.Compare(y.Calls, x.Calls))
}
