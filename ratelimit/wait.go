package ratelimit

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// Wait blocks until a call of key is admitted. It refuses at once, with
// [fault.RateLimited], when the context's deadline comes before the turn would,
// and when a leaky bucket has no place left to wait in. Canceled, it gives its
// place back and returns [fault.Canceled] with the context's cause.
//
// Waiting calls of one key go in the order in which they came; gcra and
// leaky_bucket know their turns beforehand, the other algorithms only the next.
// When a reset, a refund or a change of a rule makes a turn come sooner, the first
// in line notices at once. Who waits costs nothing while nothing happens.
func (l *Limiter) Wait(ctx context.Context, key Key) error { return l.WaitN(ctx, key, 1) }

// WaitN is [Limiter.Wait] for a call that costs more than one.
func (l *Limiter) WaitN(ctx context.Context, key Key, cost int64) error {
	if ctx.Err() != nil {
		return l.gaveUp(ctx)
	}
	now := clock.Now()
	var d Decision
	c := call{now: now, cost: cost}
	if c.ahead = l.tryNow(ctx, &d, &key, c); d.OK || d.kind != exhausted {
		l.report(ctx, &d, &key)
		return d.Err()
	}
	err := l.queue(ctx, &d, &key, c)
	if err == nil || d.kind != admitted {
		l.report(ctx, &d, &key)
	}
	return err
}

// await waits in the queue, for the call's patience at the most.
func (l *Limiter) await(ctx context.Context, d *Decision, k *Key, c call) error {
	inner := ctx
	if c.patience > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeout(ctx, c.patience)
		defer cancel()
	}
	err := l.queue(inner, d, k, c)
	if err != nil && inner.Err() != nil && ctx.Err() == nil { // the turn came later than it seemed
		*d = Decision{}
		if l.tryNow(ctx, d, k, call{now: clock.Now(), cost: c.cost}); !d.OK {
			d.refuse(tooLong, max(d.RetryAfter, 1))
		}
		err = d.Err()
	}
	if err == nil || d.kind != admitted {
		l.report(ctx, d, k)
	}
	return err
}

// refuse makes a refusal of a decision that took nothing.
func (d *Decision) refuse(kind refusal, after time.Duration) {
	if d.kind != tooLarge && d.kind != negative && d.kind != undecided {
		d.kind, d.RetryAfter = kind, after
	}
	d.OK, d.Taken = false, 0
}

// queue waits for the turn of a call that is not admitted at once.
func (l *Limiter) queue(ctx context.Context, d *Decision, k *Key, c call) error {
	w, ahead := l.waiting.join(k.Hash(l.setup.Load().config.Parts), c.cost)
	defer l.waiting.leave(w)
	c.now = clock.Now()
	wait := max(l.turn(d, k, c, ahead), d.RetryAfter)
	if late(ctx, wait) || !l.mayWait(wait, k, c.cost) {
		d.refuse(tooLong, wait)
		return d.Err()
	}
	select {
	case <-w.head:
	case <-ctx.Done():
		*d = Decision{}
		return l.gaveUp(ctx)
	}
	return l.atHead(ctx, d, k, c.cost)
}

// atHead waits until the first of its queue is admitted.
func (l *Limiter) atHead(ctx context.Context, d *Decision, k *Key, cost int64) error {
	w := watcher{changed: make(chan struct{}, 1)}
	defer w.stop()
	for {
		*d = Decision{}
		if ctx.Err() != nil {
			return l.gaveUp(ctx)
		}
		w.watch(l, k) // before it is decided, so that no change is missed
		l.decide(ctx, d, k, call{now: clock.Now(), cost: cost})
		switch {
		case d.kind == undecided && ctx.Err() != nil:
			continue // that is why
		case d.OK || d.RetryAfter == 0 || d.kind == undecided:
			return d.Err()
		case late(ctx, d.RetryAfter):
			d.refuse(tooLong, d.RetryAfter)
			return d.Err()
		}
		w.sleep(ctx, l, k, cost, d.RetryAfter)
	}
}

// late reports whether the context ends before a wait does.
func late(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) < wait
}

// mayWait reports whether the rule lets a call wait so long.
func (l *Limiter) mayWait(wait time.Duration, k *Key, cost int64) bool {
	s := l.setup.Load()
	r := s.of(k.Hash(s.config.Parts)).engine.rule
	if r.algorithm != LeakyBucket {
		return true
	}
	return int64(wait) <= product(r.capacity-cost+1, r.p).ceil(r.q)
}

// turn is how long a refused call must wait whom others are ahead of. For rules that do
// not pace calls it is the least that it can be. A remote has said when the call's turn
// would be if those had gone for whom it was refused; whoever has come since adds to it.
func (l *Limiter) turn(d *Decision, k *Key, c call, ahead int64) (wait time.Duration) {
	for s := l.setup.Load(); ; s = l.newest() {
		h := k.Hash(s.config.Parts)
		e := s.of(h).engine
		r := e.rule
		if !paced(r.algorithm) || c.cost > r.capacity {
			return 0
		}
		if s.remote != nil {
			return time.Duration(addCapped(int64(d.RetryAfter), product(max(ahead-c.ahead, 0), r.p).ceil(r.q)))
		}
		done := e.look(h, c.now, func(st state) { wait = r.turn(st, c.now, ahead, c.cost) })
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
