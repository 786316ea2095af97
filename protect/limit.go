package protect

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// timeLimit bounds the time until something happens, once: until a response
// header is here or sent. After that the context lives on without a limit, which
// a deadline could not give. The zero value limits nothing.
type timeLimit struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
	guard  string
	after  time.Duration
	state  atomic.Uint32
	err    *fault.Error // why; set before state becomes limitPassed
}

const (
	limitRunning uint32 = iota
	limitMet            // the event came in time
	limitPassed         // the time ran out first
)

// arm returns a context that is canceled unless [timeLimit.disarm] is called
// within d. Whoever arms must call release in the end.
func (l *timeLimit) arm(parent context.Context, guard string, d time.Duration) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	l.cancel, l.guard, l.after = cancel, guard, d
	l.timer = time.AfterFunc(d, l.pass)
	return ctx
}

func (l *timeLimit) pass() {
	err := fault.New(fault.Spec{
		Code: fault.CallTimeout, Component: "guard", Name: l.guard, Cause: context.DeadlineExceeded,
		Message:  "no response header within the guard's timeout",
		Evidence: []fault.Fact{fault.Measure("timeout", l.after.Seconds(), "seconds")},
	})
	l.err = err // nobody reads it unless the next line succeeds
	if l.state.CompareAndSwap(limitRunning, limitPassed) {
		l.cancel(err)
	}
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
		l.disarm()
		l.cancel(nil)
	}
}
