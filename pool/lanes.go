package pool

import (
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/stripe"
)

// lanes let borrowers on different processors do without the pool's lock. They are
// used only once borrowers have met at the lock, so a single borrower at a time
// sees the strict order of the strategy. They were measured on two cores; what they
// gain on more is unproven.
//
// A lane holds at most one idle worker: the one that came back last to whoever
// runs on that processor. To the fields under the lock it still counts as lent,
// until sweepLocked brings it back; whoever looks at them, or finds no idle worker,
// sweeps first.
//
// Lanes may be used while calm is set: no waiter, no overflow or outdated worker that
// would have to end, nothing to be done on return. It is cleared under the lock, and the lanes
// are swept, before a waiter queues. No wakeup is lost: whoever puts a worker into
// a lane looks at calm again afterwards, so either the sweep finds the worker, or
// the one who put it there sees that it is not calm and takes it out again.
type lanes[T any] struct {
	used atomic.Bool // borrowers have met at the lock
	calm atomic.Bool // written under the lock
	lane [stripe.Lanes]lane[T]
}

type lane[T any] struct {
	worker atomic.Pointer[slot[T]]
	lent   atomic.Uint64
	_      [112]byte // lanes on lines of their own, and the line that is fetched with each
}

// lends is how many workers were lent from lanes.
func (l *lanes[T]) lends() (n uint64) {
	for i := range l.lane {
		n += l.lane[i].lent.Load()
	}
	return n
}

// lock takes the pool's lock and notes whether it had to wait for it.
func (p *Pool[T]) lock() {
	if p.mu.TryLock() {
		return
	}
	if !p.lanes.used.Load() {
		p.lanes.used.Store(true)
	}
	p.mu.Lock()
}

// takeFromLane lends a worker without the lock; nil if there is none that needs
// nothing else.
func (p *Pool[T]) takeFromLane(now clock.Instant) *slot[T] {
	if !p.lanes.calm.Load() {
		return nil
	}
	l := &p.lanes.lane[stripe.Lane()]
	if l.worker.Load() == nil {
		return nil
	}
	s := l.worker.Swap(nil)
	if s == nil {
		return nil
	}
	if s.expires <= now || p.factory.Check != nil && p.doubtful(s, now) {
		p.shelve(s, now)
		return nil
	}
	s.laned.Store(int64(now))
	l.lent.Add(1)
	return s
}

// shelve puts a worker from a lane among the idle ones, where it would be had it
// come back under the lock, or hands it to a waiter that came meanwhile.
func (p *Pool[T]) shelve(s *slot[T], now clock.Instant) {
	p.mu.Lock()
	p.lent--
	s.lent = false
	idled := s.idled
	w := p.placeLocked(s, now)
	if s.node.listed {
		p.idle.remove(s)
		s.idled = idled
		p.idle.insert(s)
	}
	p.mu.Unlock()
	if w != nil {
		w.ready <- struct{}{}
	}
}

// putIntoLane takes back a fit worker without the lock, if that is possible.
func (p *Pool[T]) putIntoLane(s *slot[T], now clock.Instant) bool {
	if !p.lanes.calm.Load() || s.expires <= now {
		return false
	}
	l := &p.lanes.lane[stripe.Lane()]
	if l.worker.Load() != nil {
		return false
	}
	s.idled, s.proven = now, now
	if !l.worker.CompareAndSwap(nil, s) {
		return false
	}
	return p.staysIn(l, s)
}

// staysIn looks at calm again once s lies in l, and takes it out if whoever closed
// the lanes may have swept before it lay there. If it is gone, somebody else has it.
func (p *Pool[T]) staysIn(l *lane[T], s *slot[T]) bool {
	return p.lanes.calm.Load() || !l.worker.CompareAndSwap(s, nil)
}

// calmLocked opens the lanes, if they are of use and nothing forbids it, or closes
// and sweeps them.
func (p *Pool[T]) calmLocked(calm bool) {
	calm = calm && p.lanes.used.Load() && p.mayBeCalmLocked()
	if calm == p.lanes.calm.Load() {
		return
	}
	p.lanes.calm.Store(calm)
	if !calm {
		p.emptyLanesLocked()
		return
	}
	if pace := p.paceLocked(); pace > 0 {
		now := clock.Now()
		p.armLocked(&p.upkeep, now, now.Add(pace))
	}
}

func (p *Pool[T]) mayBeCalmLocked() bool {
	return !p.closed && p.outdated == 0 && p.queue.len == 0 && p.factory.Reset == nil && p.cfg.Strategy == LIFO && p.cfg.LeakAfter == 0 &&
		p.cfg.MinIdle == 0 && len(p.slots)+p.making <= p.cfg.Size
}

// sweepLocked brings the workers in the lanes back among the idle ones. While the
// lanes are closed there is nothing to bring: what lies there then was put in too
// late, and who did that takes it out again and places it. To lay it among the idle
// ones would hide it from the waiters, or from the Close, that the lanes are closed
// for.
func (p *Pool[T]) sweepLocked() {
	if p.lanes.calm.Load() {
		p.emptyLanesLocked()
	}
}

// emptyLanesLocked takes the workers out of the lanes, each to the place among the
// idle ones that its idle time gives it.
func (p *Pool[T]) emptyLanesLocked() {
	for i := range p.lanes.lane {
		l := &p.lanes.lane[i]
		if l.worker.Load() == nil {
			continue
		}
		if s := l.worker.Swap(nil); s != nil {
			p.lent--
			s.lent = false
			p.idle.insert(s)
		}
	}
}
