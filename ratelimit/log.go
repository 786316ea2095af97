package ratelimit

import (
	"slices"
	"sort"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// callLog remembers the calls of one key under sliding_log. A nil log is empty.
// Calls at the same instant share an entry. It is guarded by the lock of the
// table that its key lives in.
type callLog struct {
	entries []logEntry // in rising order of both fields
	head    int        // entries before it have run out
	gone    uint64     // the sum up to head
}

// logEntry holds the sum of all costs up to and including its own, so that the
// moment at which a given amount has run out is found by bisection.
type logEntry struct {
	at  clock.Instant
	sum uint64
}

func (l *callLog) last() logEntry {
	if l == nil || l.head == len(l.entries) {
		return logEntry{clock.Min, l.removed()}
	}
	return l.entries[len(l.entries)-1]
}

func (l *callLog) removed() uint64 {
	if l == nil {
		return 0
	}
	return l.gone
}

// outdated returns the index of the first entry that still counts at now: a call
// of age per or more does not.
func (l *callLog) outdated(now clock.Instant, per int64) int {
	if l == nil {
		return 0
	}
	live := l.entries[l.head:]
	return l.head + sort.Search(len(live), func(i int) bool { return int64(now.Sub(live[i].at)) < per })
}

// total is the sum of costs that count at now.
func (l *callLog) total(now clock.Instant, per int64) int64 {
	if l == nil {
		return 0
	}
	return int64(l.last().sum - l.sumBefore(l.outdated(now, per)))
}

func (l *callLog) sumBefore(i int) uint64 {
	if i == l.head {
		return l.gone
	}
	return l.entries[i-1].sum
}

// add records a call. An instant before the last one counts as the last one.
func (l *callLog) add(at clock.Instant, cost int64) {
	last := l.last()
	if l.head < len(l.entries) && at <= last.at {
		l.entries[len(l.entries)-1].sum += uint64(cost)
		return
	}
	l.entries = append(l.entries, logEntry{at, last.sum + uint64(cost)})
}

// prune forgets what does not count at now. The memory is used again once half
// of it is forgotten, which costs a constant time for each entry on average.
func (l *callLog) prune(now clock.Instant, per int64) {
	i := l.outdated(now, per)
	l.gone, l.head = l.sumBefore(i), i
	if l.head > len(l.entries)/2 {
		l.entries = slices.Delete(l.entries, 0, l.head)
		l.head = 0
	}
}

// freed returns the instant of the entry with whose end amount of what counts at
// now has run out.
func (l *callLog) freed(now clock.Instant, per, amount int64) clock.Instant {
	from := l.outdated(now, per)
	live, gone := l.entries[from:], l.sumBefore(from)
	i := sort.Search(len(live), func(i int) bool { return live[i].sum-gone >= uint64(amount) })
	return live[min(i, len(live)-1)].at
}

// refund takes up to cost off the entry at the given instant, if it is there.
func (l *callLog) refund(at clock.Instant, cost int64) {
	if l == nil {
		return
	}
	i, ok := slices.BinarySearchFunc(l.entries[l.head:], at, func(e logEntry, t clock.Instant) int { return int(min(max(e.at.Sub(t), -1), 1)) })
	if !ok {
		return
	}
	i += l.head
	back := min(uint64(cost), l.entries[i].sum-l.sumBefore(i))
	for j := i; j < len(l.entries); j++ {
		l.entries[j].sum -= back
	}
	if l.entries[i].sum == l.sumBefore(i) {
		l.entries = slices.Delete(l.entries, i, i+1)
	}
}

// askLog decides. It does not record the call, nor forget what has run out: that
// is left to [rule.record], so that peeking and refusals change no answer, not
// even that to an earlier reading of the clock that arrives later.
func (r *rule) askLog(st state, now clock.Instant, cost int64) (state, verdict) {
	if st.log == nil {
		st.log = &callLog{}
	}
	if last := st.log.last(); last.at > now {
		st, v := r.askLog(st, last.at, cost) // stored time never goes backwards
		v.retry, v.reset = delayed(v.retry, last.at.Sub(now)), delayed(v.reset, last.at.Sub(now))
		return st, v
	}
	taken := st.log.total(now, r.per)
	v := verdict{ok: cost <= r.limit-taken, mark: int64(now)}
	switch {
	case !v.ok:
		v.retry = r.runsOut(now, st.log.freed(now, r.per, taken+cost-r.limit))
		v.reset = r.runsOut(now, st.log.last().at)
	case cost > 0:
		v.reset = time.Duration(r.per)
		taken += cost
	case taken > 0:
		v.reset = r.runsOut(now, st.log.last().at)
	}
	v.remaining = max(r.limit-taken, 0)
	return st, v
}

// runsOut is the time from now until a call made at the given instant is out.
func (r *rule) runsOut(now, at clock.Instant) time.Duration {
	return time.Duration(r.per - int64(now.Sub(at)))
}

// record completes an admission where ask leaves something to do.
func (r *rule) record(st state, now clock.Instant, cost int64) {
	if r.algorithm == SlidingLog && cost > 0 {
		st.log.prune(max(now, st.log.last().at), r.per)
		st.log.add(now, cost)
	}
}

// delayed adds to a delay that is not 0.
func delayed(d, by time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	return time.Duration(addCapped(int64(d), int64(by)))
}
