package pool

import "github.com/elixirscope/foundation/clock"

// The bounds and defaults that tests go to the edge of.
const (
	MaxWorkers             = maxWorkers
	DefaultCheckoutTimeout = defaultCheckoutTimeout
	DefaultCreateTimeout   = defaultCreateTimeout
	DefaultBackoff         = defaultBackoff
)

// Crowd makes the pool behave as if borrowers had met at its lock, so that tests
// reach the lanes without depending on the scheduler.
func (p *Pool[T]) Crowd() { p.lanes.used.Store(true) }

// ReleaseLate does what Release does in a borrower that was held up when it had seen
// the lanes open: the worker lies in its lane, whatever happened since, and settle
// is the borrower's second look.
func (l Lease[T]) ReleaseLate() (settle func()) {
	p, s := l.pool, l.slot
	now := clock.Now()
	s.generation.Add(1)
	s.idled, s.proven = now, now
	in := &p.lanes.lane[0]
	in.worker.Store(s)
	return func() {
		if !p.staysIn(in, s) {
			p.putBack(s, now, Reuse)
		}
	}
}

// LaneLends is how many workers were lent from lanes.
func (p *Pool[T]) LaneLends() uint64 { return p.lanes.lends() }

// OpenLanes opens the lanes, as the return of another worker would.
func (p *Pool[T]) OpenLanes() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calmLocked(true)
}

// Degraded is what every borrower is refused with at present, nil if none is.
func (p *Pool[T]) Degraded() error {
	if err := p.degraded.Load(); err != nil {
		return err
	}
	return nil // and not err: a nil *fault.Error in an error is not nil
}
