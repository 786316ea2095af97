package pool

// Crowd makes the pool behave as if borrowers had met at its lock, so that tests
// reach the lanes without depending on the scheduler.
func (p *Pool[T]) Crowd() { p.lanes.used.Store(true) }

// LaneLends is how many workers were lent from lanes.
func (p *Pool[T]) LaneLends() uint64 { return p.lanes.lends() }
