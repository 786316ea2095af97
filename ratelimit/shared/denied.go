package shared

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/ratelimit"
)

const (
	denialsPerPage = 1024
	denialPages    = 64
	mostDenials    = denialsPerPage * denialPages
	// longestDenial bounds for how long a refusal is repeated without asking: what another
	// instance refunds, resets or raises meanwhile is refused that long.
	longestDenial = time.Second
)

// denials remember what the store has just refused, so that a client that does not wait costs
// no round trip. A refusal has one of two places, by its key's hash, and gives it up to
// one that lasts longer: so they are bounded, and read without a lock.
type denials struct {
	pages [denialPages]atomic.Pointer[[denialsPerPage]atomic.Pointer[denial]] // made when first used
}

// denial is one refusal. It is immutable.
//
// It also refuses every call of the same key that costs more: under each algorithm a
// call is admitted if what is taken and its cost do not exceed the limit, so a greater cost
// is refused whenever a smaller one is.
type denial struct {
	hash     key.Hash
	rule     uint64   // its salt, not a pointer, which would keep a rule that is gone
	counting counting // nor a pointer to a configuration, which would keep its limiter's tables
	era      uint32
	cost     int64
	at       clock.Instant // when the caller that was refused read the clock
	until    clock.Instant // the first moment at which the store is to be asked again

	limit, remaining       int64
	retryAfter, resetAfter time.Duration // from at
}

// counting is what of a configuration says how a key is counted.
type counting struct {
	algorithm    ratelimit.Algorithm
	limit, burst int64
	per          time.Duration
}

func countingOf(c *ratelimit.Config) counting { return counting{c.Algorithm, c.Limit, c.Burst, c.Per} }

// alike reports whether a key is counted alike by two configurations.
func alike(a, b *ratelimit.Config) bool { return countingOf(a) == countingOf(b) }

// find answers a call from a refusal that still holds.
func (t *denials) find(r *rule, h key.Hash, ask *ratelimit.RemoteCall, d *ratelimit.Decision) bool {
	for _, at := range places(r.salt, h) {
		if n := t.load(at); n != nil && n.is(r.salt, h) && n.answer(r, ask, d) {
			return true
		}
	}
	return false
}

// put remembers a refusal. The retry-after counts from when the caller read the clock, so
// what is repeated ends no later than the store said.
func (t *denials) put(n *denial) {
	n.until = n.at.Add(min(n.retryAfter, longestDenial))
	two := places(n.rule, n.hash)
	at := two[0]
	if t.end(n, two[1]) < t.end(n, at) {
		at = two[1]
	}
	t.store(at, n)
}

// end returns until when a place is taken by something that n should not replace.
func (t *denials) end(n *denial, at uint64) clock.Instant {
	old := t.load(at)
	if old == nil || old.is(n.rule, n.hash) {
		return clock.Min
	}
	return old.until
}

func (t *denials) load(at uint64) *denial {
	page := t.pages[at/denialsPerPage].Load()
	if page == nil {
		return nil
	}
	return page[at%denialsPerPage].Load()
}

func (t *denials) store(at uint64, n *denial) {
	page := &t.pages[at/denialsPerPage]
	if page.Load() == nil {
		page.CompareAndSwap(nil, new([denialsPerPage]atomic.Pointer[denial]))
	}
	page.Load()[at%denialsPerPage].Store(n)
}

// places returns where a refusal may be.
func places(salt uint64, h key.Hash) [2]uint64 {
	return [2]uint64{(h.Lo ^ salt) % mostDenials, (h.Hi>>1 ^ salt) % mostDenials}
}

func (n *denial) is(salt uint64, h key.Hash) bool { return n.hash == h && n.rule == salt }

// answer decides a call of the key, if the refusal says how.
func (n *denial) answer(r *rule, ask *ratelimit.RemoteCall, d *ratelimit.Decision) bool {
	if ask.Now >= n.until || ask.Cost < n.cost || n.era != r.era(n.hash).Load() || n.counting != countingOf(ask.Config) {
		return false
	}
	more, ok := longer(ask.Config, ask.Cost-n.cost)
	if !ok {
		return false
	}
	passed := ask.Now.Sub(n.at)
	d.Limit, d.Remaining, d.Source = n.limit, n.remaining, ratelimit.Cached
	d.RetryAfter = time.Duration(addCapped(int64(n.retryAfter-passed), more))
	d.ResetAfter = max(n.resetAfter-passed, 0)
	return true
}

// longer returns by how much the retry-after of a call grows that costs more, or false if
// that does not follow from the numbers.
func longer(c *ratelimit.Config, more int64) (ns int64, ok bool) {
	if more == 0 {
		return 0, true
	}
	switch c.Algorithm {
	case ratelimit.GCRA:
		hi, lo := bits.Mul64(uint64(more), uint64(c.Per))
		if hi >= uint64(c.Limit) {
			return math.MaxInt64, true
		}
		q, rest := bits.Div64(hi, lo, uint64(c.Limit))
		return int64(min(q+min(rest, 1), math.MaxInt64)), true
	case ratelimit.FixedWindow, ratelimit.LeakyBucket: // the window ends, or the place is free, for every cost at once
		return 0, true
	default:
		return 0, false
	}
}

func addCapped(a, b int64) int64 {
	if sum := a + b; b <= 0 || sum >= a {
		return sum
	}
	return math.MaxInt64
}
