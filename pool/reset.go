package pool

import (
	"context"

	"github.com/elixirscope/foundation/clock"
)

// Reset replaces every worker: idle ones are closed now, borrowed ones when they come
// back, and those that are being made are told to stop. Use it after a fail-over or
// a change of credentials, when the workers lead to the wrong place and do not know
// it. It does not block.
//
// Nobody loses a worker or a place in the queue: waiters are served by new workers.
// The pool makes one of these, then two, then four side by side, and while workers
// cannot be made it pauses between attempts as before, so that a server that comes
// back is not met by all at once. Settings and statistics stay; [Stats] counts the
// resets. A closed pool stays as it is.
func (p *Pool[T]) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.calmLocked(false) // brings what lies in lanes among the idle ones
	p.counts.resets++
	p.outdated = len(p.slots)
	p.health.ramp = 1
	p.endEra() // runs no code of the factory: only its context ends
	p.era, p.endEra = context.WithCancel(p.base)
	for p.idle.len > 0 {
		s := p.idle.head()
		p.idle.remove(s)
		p.destroyLocked(s, reasonReset, nil)
	}
	p.growLocked(clock.Now())
}

// outdatedLocked reports whether the making of s began before the last reset.
func (p *Pool[T]) outdatedLocked(s *slot[T]) bool { return s.era != p.counts.resets }

// stoppedLocked follows an attempt that was told to stop, which says nothing of the
// server. While workers cannot be made, the next one has its pause nevertheless: else
// resets would set the pace of the attempts.
func (p *Pool[T]) stoppedLocked(now clock.Instant) {
	if p.closed {
		return
	}
	if h := &p.health; h.failures > 0 {
		h.retryAt = now.Add(p.pauseLocked())
		p.armLocked(&p.retry, now, h.retryAt)
	}
	p.growLocked(now)
	p.collapseLocked()
}
