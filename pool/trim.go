package pool

import "github.com/elixirscope/foundation/clock"

// Trim closes idle workers beyond MinIdle and returns how many. A pool that keeps its size in
// reserve, because it was not started lazily, keeps it. What is borrowed stays.
func (p *Pool[T]) Trim() (closed int) {
	p.lock()
	defer p.mu.Unlock()
	if p.closed || p.cfg.Start != Lazy {
		return 0
	}
	p.calmLocked(false) // brings what lies in lanes among the idle ones
	for p.idle.len > p.cfg.MinIdle {
		s := p.idle.head()
		p.idle.remove(s)
		p.destroyLocked(s, reasonIdle, nil)
		closed++
	}
	p.growLocked(clock.Now())
	return closed
}
