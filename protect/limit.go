package protect

import (
	"context"
	"sync/atomic"
	"time"
)

// timeLimit bounds the time until something happens, once: until a response
// header is here or sent. After that the context lives on without a limit, which
// a deadline could not give. The zero value limits nothing.
type timeLimit struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
	state  atomic.Uint32
}

const (
	limitRunning uint32 = iota
	limitMet            // the event came in time
	limitPassed         // the time ran out first
)

// arm returns a context that is canceled with cause unless [timeLimit.disarm] is
// called within d. Whoever arms must call release in the end.
func (l *timeLimit) arm(parent context.Context, d time.Duration, cause error) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	l.cancel = cancel
	l.timer = time.AfterFunc(d, func() {
		if l.state.CompareAndSwap(limitRunning, limitPassed) {
			cancel(cause)
		}
	})
	return ctx
}

// disarm reports whether the event came in time. It may be called again and then
// repeats its answer.
func (l *timeLimit) disarm() bool {
	if l.timer == nil {
		return true
	}
	if l.state.CompareAndSwap(limitRunning, limitMet) {
		l.timer.Stop()
	}
	return !l.passed()
}

// passed reports whether the time ran out before the event.
func (l *timeLimit) passed() bool { return l.state.Load() == limitPassed }

// release gives back what the timer and the context hold.
func (l *timeLimit) release() {
	if l.timer != nil {
		l.timer.Stop()
		l.cancel(nil)
	}
}
