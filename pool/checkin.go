package pool

import (
	"context"

	"github.com/elixirscope/foundation/clock"
)

// Return implements [Lender]. It blocks only while the factory resets the worker.
// A loan of another pool is counted as stale, like one that ended already.
func (p *Pool[T]) Return(loan Loan, fate Fate) {
	if loan.Item == nil {
		return
	}
	if fate > Suspect {
		fate = Destroy
	}
	now := loan.Ended
	if now == 0 {
		now = clock.Now()
	}
	switch s, ok := loan.Item.Ref.(*slot[T]); {
	case !ok:
	case s.owner == p:
		p.giveBack(context.Background(), s, loan.Generation, now, fate)
	default: // to take it back would put it into the books of both pools
		p.count(&p.counts.stale)
	}
}

// giveBack ends a borrowing; false if it had ended already.
func (p *Pool[T]) giveBack(ctx context.Context, s *slot[T], generation uint64, now clock.Instant, f Fate) bool {
	if !s.generation.CompareAndSwap(generation, generation+1) {
		p.count(&p.counts.stale)
		return false
	}
	held := s.borrowedFor(now) // still: the worker is in nobody else's hands before it is put back
	if f != Reuse || !p.putIntoLane(s, now) {
		f = p.putBack(s, now, f)
	}
	if f == unused {
		return true
	}
	p.hold.Record(held)
	if p.topics.checkedIn.Active() {
		p.topics.checkedIn.Emit(ctx, CheckedIn{Pool: p.name, Held: held, Destroyed: f == Destroy})
	}
	return true
}

// putBack returns a worker whose borrowing is over under the lock, and says what
// became of it: a reset may fail.
func (p *Pool[T]) putBack(s *slot[T], now clock.Instant, f Fate) Fate {
	p.lock()
	s.lent, s.reported = false, false
	if p.factory.Reset != nil && f != Destroy && f != unused && !p.closed {
		f = p.resetUnlocked(s, f)
		now = clock.Now()
	}
	w := p.returnLocked(s, now, f)
	p.mu.Unlock()
	if w != nil {
		w.ready <- struct{}{}
	}
	return f
}

// returnLocked takes a worker back and returns the waiter that it goes to, which
// the caller wakes once the lock is released.
func (p *Pool[T]) returnLocked(s *slot[T], now clock.Instant, f Fate) *waiter[T] {
	p.lent--
	switch f {
	case Destroy:
		p.destroyLocked(s, reasonDiscarded, nil)
		return nil
	case Reuse:
		s.proven, s.suspect = now, false
	case Suspect:
		s.suspect = true
	case unused:
	}
	return p.placeLocked(s, now)
}

// placeLocked finds the place of a worker that is in no list: with a waiter, who
// is returned and must be woken, in the idle list, or nowhere.
func (p *Pool[T]) placeLocked(s *slot[T], now clock.Instant) *waiter[T] {
	workers := len(p.slots) + p.making
	switch {
	case p.closed:
		p.destroyLocked(s, reasonClosed, nil)
	case p.outdatedLocked(s):
		p.destroyLocked(s, reasonReset, nil)
	case workers > p.capacityLocked():
		p.destroyLocked(s, reasonResized, nil)
	case s.expires <= now && p.health.failures == 0:
		p.destroyLocked(s, reasonLifetime, nil)
	case p.queue.first != nil:
		w := p.queue.head()
		p.queue.remove(w)
		p.lendLocked(s, now)
		w.got = borrowing[T]{slot: s, generation: s.generation.Load()}
		return w
	case workers > p.cfg.Size:
		p.destroyLocked(s, reasonOverflow, nil)
	default:
		s.idled = now
		p.idle.push(s)
		p.watchLocked(s, now)
		p.calmLocked(true)
	}
	return nil
}

// resetUnlocked cleans a worker without holding the lock, which is held before and
// after, and returns what is to become of it. While it lasts the worker counts as
// borrowed; nobody can end that borrowing, because its generation is over.
func (p *Pool[T]) resetUnlocked(s *slot[T], f Fate) (after Fate) {
	timeout := p.cfg.CheckTimeout
	p.atFactory++
	p.mu.Unlock()
	exited, err := true, error(nil)
	defer func() {
		p.mu.Lock()
		p.atFactory--
		if after = f; exited || err != nil {
			p.counts.badChecks++
			after = Destroy
		}
		if exited { // nothing above this frame runs any more
			p.returnLocked(s, clock.Now(), Destroy)
			p.mu.Unlock()
		}
	}()
	ctx, cancel := context.WithTimeout(p.base, timeout)
	defer cancel()
	err = calling(func() error { return p.factory.Reset(ctx, s.value) })
	exited = false
	return f
}
