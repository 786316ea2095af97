package shared

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/ratelimit"
)

const (
	// tokenLife is how long a token may be used after it was taken from the store.
	tokenLife = 250 * time.Millisecond
	// batchesKept is how many batches of a key are remembered for refunds.
	batchesKept = 16
)

// batch is a number of tokens that one Take took from the store ahead of the calls.
type batch struct {
	id       int64              // among all of the process: the mark of its decisions
	decision ratelimit.Decision // as the store made it
	token    ratelimit.Decision // what a call gets, but for its cost and the numbers of its moment
	size     int64
	era      uint32
	at       clock.Instant // the clock before the store was asked
	ends     clock.Instant
	left     atomic.Int64 // sealed if negative: nothing leaves it or comes back to it
	returned atomic.Int64 // tokens that were sent back to the store
}

const isSealed = -1

// take takes tokens and returns how many are left, or false if there are not enough.
func (b *batch) take(cost int64) (left int64, ok bool) {
	for {
		left = b.left.Load()
		if left < cost {
			return left, false
		}
		if b.left.CompareAndSwap(left, left-cost) {
			return left - cost, true
		}
	}
}

// put gives tokens back, unless the batch is sealed.
func (b *batch) put(cost int64) bool {
	for {
		left := b.left.Load()
		if left < 0 {
			return false
		}
		if b.left.CompareAndSwap(left, left+cost) {
			return true
		}
	}
}

// seal ends the batch and returns the tokens that were not used. Of several callers one
// gets them.
func (b *batch) seal() int64 { return max(b.left.Swap(isSealed), 0) }

// unused returns the tokens that are left.
func (b *batch) unused() int64 {
	if b == nil {
		return 0
	}
	return max(b.left.Load(), 0)
}

// part returns the decision about some of the tokens, for their refund: that of a batch
// is that of so many calls made at the same moment one after the other.
func (b *batch) part(tokens int64) ratelimit.Decision {
	d := b.decision
	d.Taken = tokens
	return d
}

// stock holds the tokens of one key. The newest batch and the one before it are used;
// what is older is sealed and remembered for refunds.
type stock struct {
	rule   *rule
	hash   key.Hash
	key    ratelimit.Key
	config ratelimit.Config // what the tokens are counted by

	era    atomic.Uint32 // rises when the store forgets the key: batches of before are void
	recent [batchesKept]atomic.Pointer[batch]
	count  atomic.Uint64 // of batches so far

	// fills is odd while a batch is being taken, which one goroutine does at a time.
	fills atomic.Uint64
	calm  atomic.Int64 // no batch is taken before this instant
}

// nth returns the newest batch, the one before it, and so on; nil without one.
func (s *stock) nth(i uint64) *batch {
	n := s.count.Load()
	if i >= n || i >= batchesKept {
		return nil
	}
	return s.recent[(n-1-i)%batchesKept].Load()
}

// take decides a call by a token, if there is one.
func (s *stock) take(ask *ratelimit.RemoteCall, most int64, d *ratelimit.Decision) bool {
	older, newer := s.nth(1), s.nth(0) // in this order: then there is a newer one wherever there is an older
	for _, b := range [...]*batch{older, newer} {
		if b == nil || !s.valid(b, ask) {
			continue
		}
		left, ok := b.take(ask.Cost)
		if !ok {
			continue
		}
		if b == older {
			left += newer.unused()
		}
		b.decide(ask, left, d)
		if left <= newer.size/2 {
			s.kick(ask.Now, most, 0)
		}
		return true
	}
	return false
}

// valid reports whether the tokens of a batch may be used for a call.
func (s *stock) valid(b *batch, ask *ratelimit.RemoteCall) bool {
	return ask.Now < b.ends && b.era == s.era.Load() && alike(&s.config, ask.Config)
}

// decide fills in the decision of a call that got tokens of b. Left is what the stock has
// after it.
func (b *batch) decide(ask *ratelimit.RemoteCall, left int64, d *ratelimit.Decision) {
	*d = b.token
	d.Taken = ask.Cost
	d.Remaining = min(b.decision.Remaining+left, b.decision.Limit)
	d.ResetAfter = max(b.decision.ResetAfter-ask.Now.Sub(b.at), 0)
}

// held returns the tokens that a call could use.
func (s *stock) held(ask *ratelimit.RemoteCall) (sum int64) {
	for i := range uint64(2) {
		if b := s.nth(i); b != nil && s.valid(b, ask) {
			sum += b.unused()
		}
	}
	return sum
}

// unused returns the tokens that are there, also those that cannot be used any more.
func (s *stock) unused() int64 { return s.nth(0).unused() + s.nth(1).unused() }

// giveBack returns tokens of the batch with that mark: to itself while it is in use and
// there is room, else to the store. A batch that is too long ago is not known any more,
// and its tokens are lost.
func (s *stock) giveBack(mark, tokens, most int64) (known bool) {
	for i := range uint64(batchesKept) {
		b := s.nth(i)
		if b == nil || b.id != mark {
			continue
		}
		if !s.putBack(b, tokens, most) {
			s.refund(b, tokens)
		}
		return true
	}
	return false
}

// putBack puts tokens into a batch, but not while another is on its way: that one was made
// as large as there was room. It reports false if the tokens are to go to the store.
func (s *stock) putBack(b *batch, tokens, most int64) bool {
	fills := s.fills.Load()
	if fills%2 == 1 || clock.Now() >= b.ends || b.era != s.era.Load() || !b.put(tokens) {
		return false
	}
	if s.fills.Load() == fills && s.unused() <= most {
		return true
	}
	_, ok := b.take(tokens) // if not, somebody has used them meanwhile, or whoever sealed the batch has them
	return !ok
}

// refund sends tokens back to the store, if they still count there: those of before a reset
// do not.
func (s *stock) refund(b *batch, tokens int64) {
	if tokens <= 0 || b.era != s.era.Load() {
		return
	}
	s.rule.c.refunds.add(refund{
		owner: s.rule, hash: s.hash, rule: Rule{Name: s.rule.name, Config: s.config}, key: s.key,
		decision: b.part(tokens), until: b.at.Add(b.decision.ResetAfter), after: b.returned.Add(tokens) - tokens,
	})
}

// retire seals a batch and sends what is left of it back.
func (s *stock) retire(b *batch) {
	if b != nil {
		s.refund(b, b.seal())
	}
}

// retireAll is retire for every batch.
func (s *stock) retireAll() {
	s.retire(s.nth(0))
	s.retire(s.nth(1))
}

// add makes b the newest batch. Only the goroutine that took it calls it.
func (s *stock) add(b *batch) {
	s.retire(s.nth(1))
	n := s.count.Load()
	s.recent[n%batchesKept].Store(b)
	s.count.Store(n + 1)
}
