package pool

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// watchLocked sets the alarm for the next thing that s, now idle, will need.
func (p *Pool[T]) watchLocked(s *slot[T], now clock.Instant) {
	if due := p.dueLocked(s); due != clock.Max {
		p.armLocked(&p.upkeep, now, due)
	}
}

// dueLocked is when s needs something; clock.Max if never.
func (p *Pool[T]) dueLocked(s *slot[T]) clock.Instant {
	due := s.expires
	if p.cfg.MaxIdleTime > 0 && p.cfg.Start == Lazy {
		due = min(due, s.idled.Add(p.cfg.MaxIdleTime))
	}
	if p.factory.Check != nil && p.cfg.CheckInterval > 0 {
		due = min(due, s.proven.Add(p.cfg.CheckInterval))
	}
	return due
}

// lookAfter is what the upkeep alarm runs: it closes what is too old, reports
// leaks, and checks idle workers, one at a time, so that all others can be lent
// meanwhile.
func (p *Pool[T]) lookAfter() {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return
		}
		now := clock.Now()
		p.sweepLocked()
		p.retireLocked(now)
		leaks := p.leaksLocked(now)
		s := p.nextCheckLocked(now)
		if s == nil {
			p.rearmLocked(now)
		}
		p.growLocked(now)
		p.mu.Unlock()
		p.report(leaks)
		if s == nil {
			return
		}
		p.probe(s)
	}
}

// retireLocked closes idle workers that are past their lifetime or idle time.
func (p *Pool[T]) retireLocked(now clock.Instant) {
	for n := p.idle.first; n != nil; {
		s, next := n.of, n.next
		idled := p.cfg.MaxIdleTime > 0 && now.Sub(s.idled) >= p.cfg.MaxIdleTime
		switch {
		case s.expires <= now && p.health.failures == 0:
			p.idle.remove(s)
			p.destroyLocked(s, reasonLifetime, nil)
		case idled && p.cfg.Start == Lazy && p.idle.len > p.cfg.MinIdle:
			p.idle.remove(s)
			p.destroyLocked(s, reasonIdle, nil)
		}
		n = next
	}
}

// nextCheckLocked takes an idle worker whose check is due out of the list.
func (p *Pool[T]) nextCheckLocked(now clock.Instant) *slot[T] {
	if p.factory.Check == nil || p.cfg.CheckInterval < 0 {
		return nil
	}
	for n := p.idle.first; n != nil; n = n.next {
		s := n.of
		if now.Sub(s.proven) >= p.cfg.CheckInterval {
			p.idle.remove(s)
			p.probing++
			return s
		}
	}
	return nil
}

// probe checks an idle worker and puts it back to where it was, or closes it.
func (p *Pool[T]) probe(s *slot[T]) {
	exited, err := true, errExited
	defer func() { p.probed(s, err, exited) }()
	p.mu.Lock()
	timeout := p.cfg.CheckTimeout
	p.callsLocked()
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.base, timeout)
	defer cancel()
	err = calling(func() error { return p.factory.Check(ctx, s.value) })
	exited = false
}

// probed notes the result of a check in the background. The error is the
// factory's: it is not looked into under the lock.
func (p *Pool[T]) probed(s *slot[T], err error, exited bool) {
	now := clock.Now()
	p.mu.Lock()
	p.probing--
	if exited {
		p.armLocked(&p.upkeep, now, now) // the goroutine of the upkeep ends with the check
	}
	var w *waiter[T]
	switch {
	case err != nil && !p.closed:
		p.failCheckLocked(s, err, true)
	case p.closed || p.outdatedLocked(s) || p.queue.first != nil || len(p.slots)+p.making > p.cfg.Size:
		s.proven, s.suspect = now, false
		w = p.placeLocked(s, now)
	default:
		s.proven, s.suspect = now, false
		p.idle.insert(s) // where it was: a check is no use, so it ends no idle time
	}
	p.mu.Unlock()
	if w != nil {
		w.ready <- struct{}{}
	}
}

// rearmLocked sets the alarm for whatever is due next.
func (p *Pool[T]) rearmLocked(now clock.Instant) {
	due := clock.Max
	for n := p.idle.first; n != nil; n = n.next {
		if at := p.dueLocked(n.of); at > now {
			due = min(due, at) // what is due already and was kept is kept for a reason that has its own end
		}
	}
	if p.cfg.MaxLifetime > 0 && p.lanes.used.Load() {
		for _, s := range p.slots {
			if s.expires > now {
				due = min(due, s.expires)
			}
		}
	}
	if pace := p.paceLocked(); p.lanes.used.Load() && pace > 0 && p.idle.len < len(p.slots) {
		due = min(due, now.Add(pace)) // what lies in a lane sets no alarm
	}
	if p.cfg.LeakAfter > 0 {
		for _, s := range p.slots {
			if s.lent && !s.reported {
				due = min(due, s.began().Add(p.cfg.LeakAfter))
			}
		}
	}
	if due != clock.Max {
		p.armLocked(&p.upkeep, now, due)
	}
}

// paceLocked is the shortest time after which an idle worker may need something,
// its lifetime aside, for which an alarm is set when it is made; 0 if there is none.
func (p *Pool[T]) paceLocked() time.Duration {
	pace := time.Duration(0)
	if p.cfg.Start == Lazy {
		pace = p.cfg.MaxIdleTime
	}
	if p.factory.Check != nil && p.cfg.CheckInterval > 0 && (pace == 0 || p.cfg.CheckInterval < pace) {
		pace = p.cfg.CheckInterval
	}
	return pace
}

// leak is a borrowing that lasts for too long.
type leak struct {
	event WorkerLeaked
	stack []uintptr
}

func (p *Pool[T]) leaksLocked(now clock.Instant) []leak {
	if p.cfg.LeakAfter == 0 {
		return nil
	}
	var leaks []leak
	for i := range slices.Backward(p.slots) { // backwards: reclaiming moves the last one here
		s := p.slots[i]
		held := s.borrowedFor(now)
		if !s.lent || s.reported || held < p.cfg.LeakAfter {
			continue
		}
		if p.cfg.ReclaimLeaked && !s.generation.CompareAndSwap(s.lentAs, s.lentAs+1) {
			s.reported = true // it is on its way back at this moment, or began in a lane, before leaks mattered
			continue
		}
		s.reported = true
		p.counts.leaked++
		event := WorkerLeaked{Pool: p.name, Held: held, Reclaimed: p.cfg.ReclaimLeaked}
		leaks = append(leaks, leak{event, append([]uintptr(nil), s.stack...)})
		if p.cfg.ReclaimLeaked {
			p.lent--
			p.destroyLocked(s, reasonLeaked, nil)
		}
	}
	return leaks
}

func (p *Pool[T]) report(leaks []leak) {
	if len(leaks) == 0 || !p.topics.workerLeaked.Active() {
		return
	}
	for _, l := range leaks {
		l.event.Stack = trace(l.stack)
		p.topics.workerLeaked.Emit(p.base, l.event)
	}
}

// trace renders a stack as a panic would.
func trace(pcs []uintptr) string {
	var b strings.Builder
	frames := runtime.CallersFrames(pcs)
	for more := len(pcs) > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}
