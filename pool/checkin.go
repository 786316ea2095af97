package pool

import (
	"context"

	"github.com/elixirscope/foundation/clock"
)

// fate says what is to become of a worker that comes back.
type fate uint8

const (
	fateDestroy fate = iota // close it; the zero value, for ways out that nobody decided on
	fateReuse
	fateSuspect // check it before it is lent again
	fateUnused  // it was never in the borrower's hands
)

// Checkin implements [Lender].
func (p *Pool[T]) Checkin(loan Loan) {
	p.CheckinAt(clock.Now(), loan.Ref, loan.Generation, loan.Suspect)
}

// CheckinAt implements [Clocked].
func (p *Pool[T]) CheckinAt(now clock.Instant, ref any, generation uint64, suspect bool) {
	f := fateReuse
	if suspect {
		f = fateSuspect
	}
	p.endLoan(now, ref, generation, f)
}

// Discard implements [Lender].
func (p *Pool[T]) Discard(loan Loan) { p.DiscardAt(clock.Now(), loan.Ref, loan.Generation) }

// DiscardAt implements [Clocked].
func (p *Pool[T]) DiscardAt(now clock.Instant, ref any, generation uint64) {
	p.endLoan(now, ref, generation, fateDestroy)
}

func (p *Pool[T]) endLoan(now clock.Instant, ref any, generation uint64, f fate) {
	switch s, ok := ref.(*slot[T]); {
	case !ok:
	case s.owner == p:
		p.giveBack(context.Background(), s, generation, now, f)
	default: // to take it back would put it into the books of both pools
		p.count(&p.counts.stale)
	}
}

// giveBack ends a borrowing; false if it had ended already.
func (p *Pool[T]) giveBack(ctx context.Context, s *slot[T], generation uint64, now clock.Instant, f fate) bool {
	if !s.generation.CompareAndSwap(generation, generation+1) {
		p.count(&p.counts.stale)
		return false
	}
	held := s.borrowedFor(now) // still: the worker is in nobody else's hands before it is put back
	if f != fateReuse || !p.putIntoLane(s, now) {
		f = p.putBack(s, now, f)
	}
	if f == fateUnused {
		return true
	}
	p.hold.Record(held)
	if p.topics.checkedIn.Active() {
		p.topics.checkedIn.Emit(ctx, CheckedIn{Pool: p.name, Held: held, Destroyed: f == fateDestroy})
	}
	return true
}

// putBack returns a worker whose borrowing is over under the lock, and says what
// became of it: a reset may fail.
func (p *Pool[T]) putBack(s *slot[T], now clock.Instant, f fate) fate {
	p.lock()
	s.lent, s.reported = false, false
	if p.resetter != nil && f != fateDestroy && f != fateUnused && !p.closed {
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
func (p *Pool[T]) returnLocked(s *slot[T], now clock.Instant, f fate) *waiter[T] {
	p.lent--
	switch f {
	case fateDestroy:
		p.destroyLocked(s, ReasonDiscarded, nil)
		return nil
	case fateReuse:
		s.proven, s.suspect = now, false
	case fateSuspect:
		s.suspect = true
	case fateUnused:
	}
	return p.placeLocked(s, now)
}

// placeLocked finds the place of a worker that is in no list: with a waiter, who
// is returned and must be woken, in the idle list, or nowhere.
func (p *Pool[T]) placeLocked(s *slot[T], now clock.Instant) *waiter[T] {
	workers := len(p.slots) + p.making
	switch {
	case p.closed:
		p.destroyLocked(s, ReasonClosed, nil)
	case workers > p.capacityLocked():
		p.destroyLocked(s, ReasonResized, nil)
	case s.expires <= now && p.health.failures == 0:
		p.destroyLocked(s, ReasonLifetime, nil)
	case p.queue.first != nil:
		w := p.queue.first
		p.queue.remove(w)
		p.lendLocked(s, now)
		w.got = borrowing[T]{slot: s, generation: s.generation.Load()}
		return w
	case workers > p.cfg.Size:
		p.destroyLocked(s, ReasonOverflow, nil)
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
func (p *Pool[T]) resetUnlocked(s *slot[T], f fate) (after fate) {
	timeout := p.cfg.CheckTimeout
	p.atFactory++
	p.mu.Unlock()
	exited, err := true, error(nil)
	defer func() {
		p.mu.Lock()
		p.atFactory--
		if after = f; exited || err != nil {
			p.counts.badChecks++
			after = fateDestroy
		}
		if exited { // nothing above this frame runs any more
			p.returnLocked(s, clock.Now(), fateDestroy)
			p.mu.Unlock()
		}
	}()
	ctx, cancel := context.WithTimeout(p.base, timeout)
	defer cancel()
	err = calling(func() error { return p.resetter.Reset(ctx, s.value) })
	exited = false
	return f
}
