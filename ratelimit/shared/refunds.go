package shared

import (
	"context"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/ratelimit"
)

// mostRefunds is how many refunds wait at most.
const mostRefunds = 4096

// refunds wait to be sent to the store: no caller waits for that.
type refunds struct {
	wake          chan struct{} // holds a word at most
	sent, dropped atomic.Uint64

	mu     sync.Mutex // guards the fields below
	queue  []refund
	closed bool
}

// refund is something to be given back.
type refund struct {
	owner    *rule
	hash     key.Hash
	rule     Rule
	key      ratelimit.Key
	decision ratelimit.Decision
	until    clock.Instant // from then on time has given it back
	// after is how many tokens of the same batch were given back before. The store took them for
	// the last of it: so these are those before them, which run off sooner than the store knows.
	after int64
}

// counting returns how many of the tokens time has not given back by a moment. Without tokens
// given back before, the store knows that better. Windows and logs give their tokens back at
// once, whichever they are.
func (r *refund) counting(by clock.Instant) int64 {
	c := &r.rule.Config
	if r.after == 0 || c.Algorithm != ratelimit.GCRA || c.Per <= 0 {
		return r.decision.Taken
	}
	ahead := muldiv(max(r.until.Sub(by), 0), c.Limit, int64(c.Per)) // tokens of the whole batch
	return min(r.decision.Taken, ahead-r.after)
}

// muldiv returns a·b/d rounded down, or the greatest integer if that is greater.
func muldiv(a time.Duration, b, d int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(d) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(d))
	return int64(min(q, math.MaxInt64))
}

// add queues a refund, or drops it if there are too many.
func (q *refunds) add(r refund) {
	q.mu.Lock()
	full := q.closed || len(q.queue) >= mostRefunds && !q.pruneLocked(clock.Now())
	if !full {
		q.queue = append(q.queue, r)
	}
	q.mu.Unlock()
	if full {
		q.dropped.Add(1)
		return
	}
	q.poke()
}

// pruneLocked drops what time has given back, and reports whether there is room.
func (q *refunds) pruneLocked(now clock.Instant) bool {
	kept := q.queue[:0]
	for _, r := range q.queue {
		if now < r.until {
			kept = append(kept, r)
		}
	}
	q.dropped.Add(uint64(len(q.queue) - len(kept)))
	clear(q.queue[len(kept):])
	q.queue = kept
	return len(kept) < mostRefunds
}

func (q *refunds) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest refund that still counts.
func (q *refunds) next() (r refund, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := clock.Now()
	for len(q.queue) > 0 {
		r, q.queue[0] = q.queue[0], refund{}
		q.queue = q.queue[1:]
		if now < r.until {
			return r, true
		}
		q.dropped.Add(1)
	}
	q.queue = nil
	return r, false
}

func (q *refunds) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue)
}

// abandon drops what waits.
func (q *refunds) abandon() error {
	q.mu.Lock()
	n := len(q.queue)
	q.queue, q.closed = nil, true
	q.mu.Unlock()
	if n == 0 {
		return nil
	}
	q.dropped.Add(uint64(n))
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: component, Message: "refunds were not sent to the shared store before the end",
		Evidence: []fault.Fact{fault.Measure("refunds", float64(n), "")},
	})
}

// sendRefunds sends what is queued while the store is up, until the counters are closed.
func (c *Counters) sendRefunds() {
	for ended := false; !ended; {
		select {
		case <-c.refunds.wake:
		case <-c.last:
			ended = true
		}
		for c.sendRefund(ended) {
		}
	}
}

// sendRefund sends the next refund, once: one that failed may have been made. It reports
// whether another may follow.
func (c *Counters) sendRefund(ended bool) bool {
	m, _, _ := c.link.present()
	if m.away || c.sending.Err() != nil {
		return false
	}
	r, ok := c.refunds.next()
	if !ok {
		return false
	}
	if n := r.counting(clock.Now().Add(c.within())); n < r.decision.Taken { // by then the store has it
		c.refunds.dropped.Add(1)
		if r.decision.Taken = n; n <= 0 {
			return true
		}
	}
	err := c.call(c.sending, r.rule.Name, m.generation, func(ctx context.Context) error {
		return c.store.Refund(ctx, r.rule, r.key, r.decision)
	})
	if err != nil {
		c.refunds.dropped.Add(1)
		return !ended // nothing notes failures in the end: the first is the last
	}
	r.owner.era(r.hash).Add(1)
	c.refunds.sent.Add(1)
	return true
}
