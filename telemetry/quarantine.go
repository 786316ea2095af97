package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

const (
	firstPause = time.Second
	longPause  = time.Minute
)

// HandlerFailed is emitted when a handler panicked or ended its goroutine.
type HandlerFailed struct {
	Handler string        // the id of the subscription
	Event   string        // the name of the event that it was handling
	Reason  string        // what it panicked with
	Pause   time.Duration // how long it is left out before it is tried again
}

// EventName implements [Event].
func (HandlerFailed) EventName() string { return Prefix + "telemetry.handler_failed" }

// Edge implements [Edge].
func (e HandlerFailed) Edge() (string, fault.Severity) { return e.Handler, fault.SeverityWarning }

// quarantine keeps a failing handler away for a while that doubles up to
// longPause, and forgives everything at the first success. Concurrent emitters
// may each try a handler once when its pause ends; that is harmless and saves a
// lock on every delivery.
type quarantine struct {
	failures atomic.Uint32 // in a row; 0 means healthy and until is meaningless
	until    atomic.Int64
}

func (q *quarantine) mayRun() bool {
	return q.failures.Load() == 0 || int64(clock.Now()) >= q.until.Load()
}

func (q *quarantine) recovered() {
	if q.failures.Load() != 0 {
		q.failures.Store(0)
	}
}

func (q *quarantine) failed(now clock.Instant) time.Duration {
	doublings := min(q.failures.Load(), 6)
	pause := min(firstPause<<doublings, longPause)
	q.until.Store(int64(now.Add(pause)))
	q.failures.Add(1)
	return pause
}
