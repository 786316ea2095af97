package pool

import (
	"context"
	"runtime"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// borrowing is one lending of a worker, as the pool sees it.
type borrowing[T any] struct {
	slot       *slot[T]
	generation uint64
	waited     time.Duration
	began      clock.Instant // when the worker was there
}

// Checkout implements [Lender].
func (p *Pool[T]) Checkout(ctx context.Context, o CheckoutOptions) (Loan, error) {
	if o.At == 0 {
		o.At = clock.Now()
	}
	b, err := p.borrow(ctx, o)
	if err != nil {
		return Loan{}, err
	}
	return Loan{Item: &b.slot.item, Generation: b.generation, Waited: b.waited}, nil
}

// borrow is the one way in. The common case, an idle worker that needs no check,
// is one short critical section; everything else is in seek.
func (p *Pool[T]) borrow(ctx context.Context, o CheckoutOptions) (borrowing[T], error) {
	if ctx.Err() != nil {
		return borrowing[T]{}, p.refusedDone(ctx)
	}
	s := p.takeFromLane(o.At)
	if s != nil {
		b := borrowing[T]{slot: s, generation: s.generation.Load(), began: o.At}
		if p.topics.checkedOut.Active() {
			p.tellLent(ctx, b)
		}
		return b, nil
	}
	p.lock()
	if s = p.lendIdleLocked(o.At); s == nil {
		return p.seek(ctx, o)
	}
	b := borrowing[T]{slot: s, generation: s.generation.Load(), began: o.At}
	p.counts.immediate++
	p.mu.Unlock()
	if s.verify || s.trace {
		return p.seekVerified(ctx, o, b)
	}
	if p.topics.checkedOut.Active() {
		p.tellLent(ctx, b)
	}
	return b, nil
}

// tellLent emits [CheckedOut]. A handler that ends its goroutine ends that of the
// borrower before it has its worker, which goes back untouched.
func (p *Pool[T]) tellLent(ctx context.Context, b borrowing[T]) {
	told := false
	defer func() {
		if !told {
			p.giveBack(ctx, b.slot, b.generation, clock.Now(), unused)
		}
	}()
	p.topics.checkedOut.Emit(ctx, CheckedOut{Pool: p.name, Wait: b.waited})
	told = true
}

// lendIdleLocked lends an idle worker, nil if there is none.
func (p *Pool[T]) lendIdleLocked(now clock.Instant) *slot[T] {
	for {
		s := p.idle.pop(p.cfg.Strategy)
		if s == nil {
			return nil
		}
		if s.expires > now || p.health.failures > 0 { // an old worker is better than none
			p.lendLocked(s, now)
			if p.idle.len < p.cfg.MinIdle {
				p.growLocked(now)
			}
			return s
		}
		p.destroyLocked(s, reasonLifetime, nil)
	}
}

// lendLocked marks s, which is in no list, as borrowed from now on.
func (p *Pool[T]) lendLocked(s *slot[T], now clock.Instant) {
	p.counts.checkouts++
	p.lent++
	s.lent, s.lentAs, s.reported = true, s.generation.Load(), false
	s.since = now
	if s.laned.Load() != notLaned {
		s.laned.Store(notLaned)
	}
	s.verify = p.factory.Check != nil && (s.suspect || p.doubtful(s, now))
	if s.trace = p.cfg.LeakAfter > 0; s.trace {
		p.armLocked(&p.upkeep, now, now.Add(p.cfg.LeakAfter))
	}
}

// doubtful reports whether s was last known to be fit too long ago.
func (p *Pool[T]) doubtful(s *slot[T], now clock.Instant) bool {
	patience := time.Duration(p.patient.Load())
	return patience >= 0 && now.Sub(s.proven) >= patience || s.proven < clock.Instant(p.doubt.Load())
}

// seek borrows where no idle worker was at hand. It is called with the lock held
// and releases it.
func (p *Pool[T]) seek(ctx context.Context, o CheckoutOptions) (borrowing[T], error) {
	o.Timeout = or(o.Timeout, p.cfg.CheckoutTimeout)
	b, why := p.awaitLocked(ctx, o, false)
	if why.code != 0 {
		return borrowing[T]{}, p.refuse(ctx, why, o)
	}
	return p.seekVerified(ctx, o, b)
}

// seekVerified checks b's worker if need be, and goes on to the next while the
// checks fail. Every round closes a worker, so there are no more rounds than
// workers, and a round waits no longer than what is left of the time.
func (p *Pool[T]) seekVerified(ctx context.Context, o CheckoutOptions, b borrowing[T]) (borrowing[T], error) {
	for b.slot.verify && !p.verified(ctx, b, o) {
		if ctx.Err() != nil {
			return borrowing[T]{}, p.refusedDone(ctx)
		}
		p.mu.Lock()
		o.Timeout = or(o.Timeout, p.cfg.CheckoutTimeout)
		if s := p.lendIdleLocked(clock.Now()); s != nil {
			b = borrowing[T]{slot: s, generation: s.generation.Load()}
			p.mu.Unlock()
			continue
		}
		var why refusal
		if b, why = p.awaitLocked(ctx, o, true); why.code != 0 {
			return borrowing[T]{}, p.refuse(ctx, why, o)
		}
	}
	return p.admit(ctx, o.At, b), nil
}

// verified checks the worker of b and closes it if the check fails, panics, or
// ends the goroutine. The methods of the caller's context may do so, too.
func (p *Pool[T]) verified(caller context.Context, b borrowing[T], o CheckoutOptions) (ok bool) {
	err, telling := errExited, false
	defer func() {
		p.checked(b, err, telling)
		ok = err == nil
	}()
	defer func() { telling = caller.Err() == nil }()
	ctx, cancel := context.WithTimeout(caller, p.beginCheck(o))
	defer cancel()
	stop := context.AfterFunc(p.base, cancel)
	defer stop()
	err = calling(func() error { return p.factory.Check(ctx, b.slot.value) })
	return err == nil
}

// beginCheck notes that a check begins and returns how long it may last within the
// time that the borrower has.
func (p *Pool[T]) beginCheck(o CheckoutOptions) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atFactory++
	p.callsLocked()
	left := o.At.Add(or(o.Timeout, p.cfg.CheckoutTimeout)).Sub(clock.Now())
	return max(time.Millisecond, min(p.cfg.CheckTimeout, left))
}

// checked notes the result of a check that a borrower ran. A worker whose check was
// cut short by the borrower who gave up is closed, because it may be in the middle of
// something, but that is no sign that others are unfit.
func (p *Pool[T]) checked(b borrowing[T], err error, telling bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atFactory--
	s := b.slot
	if s.generation.Load() != b.generation {
		return // taken away meanwhile
	}
	if err == nil {
		s.suspect, s.proven = false, clock.Now()
		return
	}
	p.lent--
	p.failCheckLocked(s, err, telling)
}

// failCheckLocked closes s, which is in no list, and, if the failure is telling,
// mistrusts all the others: what ended one connection has often ended them all.
func (p *Pool[T]) failCheckLocked(s *slot[T], err error, telling bool) {
	p.counts.badChecks++
	if telling {
		p.doubt.Store(int64(clock.Now()))
	}
	p.destroyLocked(s, reasonCheck, err)
}

// admit completes a borrowing that took longer than a critical section.
func (p *Pool[T]) admit(ctx context.Context, begun clock.Instant, b borrowing[T]) borrowing[T] {
	b.began = clock.Now()
	b.waited = b.began.Sub(begun)
	if b.slot.trace {
		p.note(b)
	}
	if p.topics.checkedOut.Active() {
		p.tellLent(ctx, b)
	}
	return b
}

// note keeps the borrower's stack for the report of a leak.
func (p *Pool[T]) note(b borrowing[T]) {
	var pcs [24]uintptr
	depth := runtime.Callers(4, pcs[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	if b.slot.generation.Load() == b.generation {
		b.slot.stack = append(b.slot.stack[:0], pcs[:depth]...)
	}
}

// refusal says why a borrower gets no worker; the zero code means that it does.
type refusal struct {
	code    fault.Code
	failure *fault.Error // for worker_failed, the error itself
}

func failing(err *fault.Error) refusal { return refusal{fault.WorkerFailed, err} }

// awaitLocked queues and waits; o.Timeout runs from o.At. It is called with the
// lock held and releases it. Who comes back from a failed check is served first.
func (p *Pool[T]) awaitLocked(ctx context.Context, o CheckoutOptions, again bool) (borrowing[T], refusal) {
	now, deadline := o.At, o.At.Add(o.Timeout)
	if again {
		now = clock.Now()
	}
	p.calmLocked(false)
	if s := p.lendIdleLocked(now); s != nil { // it lay in a lane
		if !again {
			p.counts.immediate++
		}
		p.mu.Unlock()
		return borrowing[T]{slot: s, generation: s.generation.Load()}, refusal{}
	}
	if why := p.mayWaitLocked(now, deadline, o.NoWait); why.code != 0 {
		p.mu.Unlock()
		return borrowing[T]{}, why
	}
	w, _ := p.waiters.Get().(*waiter[T])
	w.deadline, w.noWait = deadline, o.NoWait
	if again {
		p.queue.unshift(w)
	} else {
		p.queue.push(w)
		p.counts.waits++
	}
	p.armLocked(&p.expiry, now, deadline)
	p.growLocked(now)
	p.mu.Unlock()
	b, why := p.park(ctx, w)
	w.got, w.refused = borrowing[T]{}, refusal{}
	p.waiters.Put(w)
	p.waited(clock.Now().Sub(now))
	return b, why
}

// park waits for the answer to w. It takes leave of the pool also if the context
// panics or ends the goroutine.
func (p *Pool[T]) park(ctx context.Context, w *waiter[T]) (borrowing[T], refusal) {
	answered := false
	defer func() {
		if !answered {
			p.desert(w)
		}
	}()
	select {
	case <-w.ready:
		answered = true
		return w.got, w.refused
	case <-ctx.Done():
		return borrowing[T]{}, refusal{code: fault.Canceled}
	}
}

// desert ends the waiting of a caller that gives up. At the moment of the hand-over
// it passes the worker on.
func (p *Pool[T]) desert(w *waiter[T]) {
	if p.leave(w) {
		return
	}
	<-w.ready // on its way: the answer was written when w left the queue
	if w.got.slot != nil {
		p.giveBack(context.Background(), w.got.slot, w.got.generation, clock.Now(), unused)
	}
}

func (p *Pool[T]) waited(d time.Duration) {
	p.wait.Record(d)
	p.waitTime.Add(int64(d))
}

// leave takes w out of the queue; false if somebody answered it already.
func (p *Pool[T]) leave(w *waiter[T]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.node.listed {
		return false
	}
	p.queue.remove(w)
	return true
}

// mayWaitLocked returns why a borrower must not queue, if so.
func (p *Pool[T]) mayWaitLocked(now, deadline clock.Instant, noWait bool) refusal {
	if p.closed {
		return refusal{code: fault.Closed}
	}
	if err := p.degraded.Load(); err != nil {
		return failing(err)
	}
	// Each worker that is not live yet, or is being checked, answers one waiter
	// without any borrower having to come back.
	coming := max(0, p.capacityLocked()-len(p.slots)) + p.probing
	switch {
	case noWait && p.queue.len >= coming, p.queue.len-coming >= p.cfg.MaxWaiters:
		return refusal{code: fault.PoolFull}
	case noWait && p.health.failures > 0 && p.making == 0 && now < p.health.retryAt:
		return failing(p.health.refusal)
	case deadline <= now:
		return refusal{code: fault.PoolTimeout}
	}
	return refusal{}
}

// refuse counts and reports a refusal and makes the error for the caller.
func (p *Pool[T]) refuse(ctx context.Context, why refusal, o CheckoutOptions) error {
	switch {
	case why.failure != nil:
		p.count(&p.counts.failed)
		return why.failure
	case why.code == fault.PoolFull:
		return p.refusedFull(ctx)
	case why.code == fault.PoolTimeout:
		return p.refusedTimeout(ctx, o.Timeout, nil)
	case why.code == fault.Canceled:
		return p.refusedDone(ctx)
	default:
		return p.refusedClosed()
	}
}

func (p *Pool[T]) count(counter *uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*counter++
}
