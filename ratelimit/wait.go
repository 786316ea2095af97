package ratelimit

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// waiters are the calls that wait for their turn, one queue for each key. A
// waiter takes nothing until its turn has come, so one that gives up leaves no
// trace and everybody behind it moves up. While a key has waiters, calls that do
// not wait are refused: nobody overtakes.
type waiters struct {
	count atomic.Int64

	mu     sync.Mutex // guards queues and what is in them
	queues map[key.Hash]*waitQueue
}

type waitQueue struct {
	line []*waiter
	cost wide // of all in line together
}

type waiter struct {
	hash key.Hash
	cost int64
	head chan struct{} // closed when it is first in its queue
}

// join puts a call at the end of its queue and returns what those ahead cost.
func (ws *waiters) join(h key.Hash, cost int64) (w *waiter, ahead int64) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.queues == nil {
		ws.queues = make(map[key.Hash]*waitQueue)
	}
	q := ws.queues[h]
	if q == nil {
		q = &waitQueue{}
		ws.queues[h] = q
	}
	w = &waiter{h, cost, make(chan struct{})}
	if len(q.line) == 0 {
		close(w.head)
	}
	ahead = q.cost.int64()
	q.line, q.cost = append(q.line, w), q.cost.plus(wideOf(cost))
	ws.count.Add(1)
	return w, ahead
}

// leave takes a call out of its queue; if it was the first the next one is.
func (ws *waiters) leave(w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	q := ws.queues[w.hash]
	i := slices.Index(q.line, w)
	q.line, q.cost = slices.Delete(q.line, i, i+1), q.cost.minus(wideOf(w.cost))
	ws.count.Add(-1)
	switch {
	case len(q.line) == 0:
		delete(ws.queues, w.hash)
	case i == 0:
		close(q.line[0].head)
	}
}

// ahead returns what the waiting calls of a key cost together.
func (ws *waiters) ahead(h key.Hash) int64 {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if q := ws.queues[h]; q != nil {
		return q.cost.int64()
	}
	return 0
}

// Wait blocks until a call of key is admitted. It refuses at once, with
// [fault.RateLimited], when the context's deadline comes before the turn would,
// and when a leaky bucket has no place left to wait in. Canceled, it gives its
// place back and returns [fault.Canceled] with the context's cause.
//
// Waiting calls of one key go in the order in which they came; gcra and
// leaky_bucket know their turns beforehand, the other algorithms only the next.
// When a reset, a refund or a change of a rule makes a turn come sooner, the first
// in line notices within a tenth of a second.
func (l *Limiter) Wait(ctx context.Context, key Key) error { return l.WaitN(ctx, key, 1) }

// WaitN is [Limiter.Wait] for a call that costs more than one.
func (l *Limiter) WaitN(ctx context.Context, key Key, cost int64) error {
	if ctx.Err() != nil {
		return l.gaveUp(ctx)
	}
	now := clock.Now()
	var d Decision
	if l.tryNow(&d, &key, call{now: now, cost: cost}); d.OK || d.kind != exhausted {
		l.report(ctx, &d, &key)
		return d.Err()
	}
	err := l.queue(ctx, &d, &key, cost)
	if err == nil || d.kind != admitted {
		l.report(ctx, &d, &key)
	}
	return err
}

// tryNow decides without waiting, behind those who wait already.
func (l *Limiter) tryNow(d *Decision, k *Key, c call) {
	if l.waiting.count.Load() > 0 && c.cost > 0 {
		s := l.setup.Load()
		if ahead := l.waiting.ahead(k.Hash(s.config.Parts)); ahead > 0 && s.config.Mode == Enforce {
			c.peek = true
			l.decide(d, k, c)
			d.refuse(exhausted, max(l.turn(k, c.now, ahead, c.cost), d.RetryAfter, 1))
			return
		}
	}
	l.decide(d, k, c)
}

// refuse makes a refusal of a decision that took nothing.
func (d *Decision) refuse(kind refusal, after time.Duration) {
	if d.kind != tooLarge && d.kind != negative {
		d.kind, d.RetryAfter = kind, after
	}
	d.OK, d.Taken = false, 0
}

// queue waits for the turn of a call that is not admitted at once.
func (l *Limiter) queue(ctx context.Context, d *Decision, k *Key, cost int64) error {
	w, ahead := l.waiting.join(k.Hash(l.setup.Load().config.Parts), cost)
	defer l.waiting.leave(w)
	now := clock.Now()
	wait := max(l.turn(k, now, ahead, cost), d.RetryAfter)
	if late(ctx, wait) || !l.mayWait(wait, cost) {
		d.refuse(tooLong, wait)
		return d.Err()
	}
	select {
	case <-w.head:
	case <-ctx.Done():
		*d = Decision{}
		return l.gaveUp(ctx)
	}
	return l.atHead(ctx, d, k, cost)
}

// atHead waits until the first of its queue is admitted.
func (l *Limiter) atHead(ctx context.Context, d *Decision, k *Key, cost int64) error {
	for {
		*d = Decision{}
		if ctx.Err() != nil {
			return l.gaveUp(ctx)
		}
		l.decide(d, k, call{now: clock.Now(), cost: cost})
		switch {
		case d.OK || d.RetryAfter == 0:
			return d.Err()
		case late(ctx, d.RetryAfter):
			d.refuse(tooLong, d.RetryAfter)
			return d.Err()
		}
		l.sleep(ctx, k, cost, d.RetryAfter)
	}
}

// recheck is how often the first of a queue looks whether its turn has come
// sooner than it was told: after a reset, a refund or a change of any rule of its
// chain. All who are behind it depend on that.
const recheck = 100 * time.Millisecond

// sleep returns when wait is over, when a call would be admitted or never will
// be, or when the context ends.
func (l *Limiter) sleep(ctx context.Context, k *Key, cost int64, wait time.Duration) {
	turn := clock.Now().Add(wait)
	timer := time.NewTimer(min(wait, recheck))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		now := clock.Now()
		var d Decision
		if l.decide(&d, k, call{now: now, cost: cost, peek: true}); now >= turn || d.OK || d.RetryAfter == 0 {
			return
		}
		timer.Reset(max(min(turn.Sub(now), d.RetryAfter, recheck), 1))
	}
}

// late reports whether the context ends before a wait does.
func late(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < wait
}

// mayWait reports whether the rule lets a call wait so long.
func (l *Limiter) mayWait(wait time.Duration, cost int64) bool {
	r := l.setup.Load().engine.rule
	if r.algorithm != LeakyBucket {
		return true
	}
	return int64(wait) <= product(r.capacity-cost+1, r.p).ceil(r.q)
}

// turn is how long a call must wait whom others are ahead of. For rules that do
// not pace calls it is the least that it can be.
func (l *Limiter) turn(k *Key, now clock.Instant, ahead, cost int64) (wait time.Duration) {
	for s := l.setup.Load(); ; s = l.newest() {
		r := s.engine.rule
		if !r.algorithm.paced() || cost > r.capacity {
			return 0
		}
		done := s.engine.look(k.Hash(s.config.Parts), now, func(st state) { wait = r.turn(st, now, ahead, cost) })
		if done != tableSealed {
			return wait
		}
	}
}

func (l *Limiter) gaveUp(ctx context.Context) error {
	return fault.New(fault.Spec{
		Code: fault.Canceled, Component: component, Name: l.name,
		Message: "gave up before its turn", Cause: context.Cause(ctx),
	})
}
